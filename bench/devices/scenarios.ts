// SPDX-License-Identifier: Apache-2.0
import { freePorts } from "../../test/support/free-ports.ts";
import { chain } from "./chain.ts";
import { memoryMiB, print, printGoal, quantile } from "./figures.ts";
import { device, model, startGateway } from "./gateway.ts";
import { startModbus, startPeer } from "./peers.ts";

export const scenarios: Readonly<Record<string, () => Promise<void>>> = {
    mqtt,
    modbus,
    desired,
    chain,
    "memory-nedb": () => memory("nedb"),
    "memory-sqlite": () => memory("sqlite"),
};

/** Reports from an MQTT client until each is stored and answered. */
async function mqtt(): Promise<void> {
    for (const devices of [1, 100, 1000]) {
        const total = 20_000;
        let answered = 0;
        let done: () => void = () => {};
        const all = new Promise<void>((resolve) => {
            done = resolve;
        });
        const gateway = await startGateway((output, { route }) => {
            if (output !== "eventbus" || !route.resource.endsWith("/twin/update/result")) return;
            answered += 1;
            if (answered === total) done();
        });
        const added = Array.from({ length: devices }, (_, index) => ({ id: `default/d${index}`, name: `d${index}` }));
        await gateway.push(
            "update",
            "membership",
            { event_id: "", timestamp: 0, added_devices: added, removed_devices: null },
            "twin",
        );
        // From the client's connection on: the start of its process is no work of the gateway's.
        const peer = await startPeer("publish", String(gateway.bus.port), String(devices), String(total));
        const startedMs = performance.now();
        const cpuBefore = process.cpuUsage();
        await all;
        const perS = total / ((performance.now() - startedMs) / 1000);
        const { user, system } = process.cpuUsage(cpuBefore);
        peer.stop();
        await gateway.stop();
        printGoal(
            `MQTT reports stored in twins, ${devices} devices`,
            `${perS.toFixed(0)} /s`,
            perS >= 5000,
            `5,000/s; ${((user + system) / total).toFixed(0)} µs of the gateway's processor each`,
        );
    }
}

/** From the creation of 1,000 devices to a first reading of each; then registers a second in steady state. */
async function modbus(): Promise<void> {
    const [port = 0] = await freePorts(1);
    const server = await startModbus(port);
    const properties = Array.from({ length: 10 }, (_, index) => `p${index}`);
    const first = new Set<string>();
    const count = 1000;
    let reads = 0;
    const gateway = await startGateway((output, { route, content }) => {
        if (output !== "eventbus" || !route.resource.endsWith("/twin/update/result")) return;
        reads += Object.keys((content as { twin: object }).twin).length;
        first.add(route.resource);
    });
    let registers = 0;
    gateway.mapper.on("output", (_output, { content }) => {
        registers += Object.keys((content as { reported?: object } | null)?.reported ?? {}).length;
    });
    await gateway.push("insert", "default/devicemodel/bench", model(properties));
    const startedMs = performance.now();
    for (let index = 0; index < count; index += 1) {
        await gateway.push(
            "insert",
            `default/device/d${index}`,
            device(`d${index}`, 1 + (index % 250), port, properties),
        );
    }
    while (first.size < count) await new Promise((resolve) => setTimeout(resolve, 10));
    const pollS = (performance.now() - startedMs) / 1000;
    printGoal(
        "1,000 devices at DeviceTwin → all polled, values in their twins",
        `${pollS.toFixed(2)} s`,
        pollS <= 5,
        "5 s [33 s only to arrive]",
    );
    const fromMs = performance.now();
    registers = 0;
    const cpuBefore = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const { user, system } = process.cpuUsage(cpuBefore);
    print(
        "Modbus registers read, 1,000 devices × 10 registers each second",
        `${(registers / ((performance.now() - fromMs) / 1000)).toFixed(0)} /s`,
        `10,000/s are asked for; ${((user + system) / registers).toFixed(1)} µs of the gateway's processor each`,
    );
    print("values changed and stored meanwhile", `${reads}`);
    await gateway.stop();
    server.stop();
}

/** From a Device with a new desired value at DeviceTwin's input to the register in the server. */
async function desired(): Promise<void> {
    const [port = 0] = await freePorts(1);
    const plant = await startModbus(port);
    const gateway = await startGateway();
    const properties = ["p0", "p1"];
    await gateway.push("insert", "default/devicemodel/bench", model(properties));
    const devices = 200;
    for (let index = 0; index < devices; index += 1) {
        await gateway.push("insert", `default/device/d${index}`, device(`d${index}`, 1 + index, port, properties));
    }
    const latencies: number[] = [];
    for (let round = 1; round <= 500; round += 1) {
        const index = round % devices;
        const askedMs = performance.timeOrigin + performance.now();
        const arrived = plant.written(round);
        await gateway.push(
            "update",
            `default/device/d${index}`,
            device(`d${index}`, 1 + index, port, properties, { desired: String(round) }),
        );
        latencies.push((await arrived) - askedMs);
    }
    print(
        "desired value at DeviceTwin → register written, p50 / p99",
        `${quantile(latencies, 0.5).toFixed(1)} / ${quantile(latencies, 0.99).toFixed(1)} ms`,
        `${devices} devices polled meanwhile`,
    );
    await gateway.stop();
    plant.stop();
}

/** Devices as they come from the cloud, each mapped and polled once a minute, with its values in the twin. */
async function memory(engine: "nedb" | "sqlite"): Promise<void> {
    const count = 10_000;
    const [port = 0] = await freePorts(1);
    const plant = await startModbus(port);
    const reported = new Set<string>();
    const gateway = await startGateway((output, { route }) => {
        if (output === "eventbus" && route.resource.endsWith("/twin/update/result")) reported.add(route.resource);
    }, engine);
    const properties = ["p0", "p1", "p2"];
    await gateway.push("insert", "default/devicemodel/bench", model(properties));
    const before = memoryMiB();
    for (let index = 0; index < count; index += 1) {
        const options = { first: 4 * Math.floor(index / 250), collectCycleMs: 60_000 };
        const made = device(`d${index}`, 1 + (index % 250), port, properties, options);
        // Parsed anew, as from the wire: no two devices share a string.
        await gateway.push("insert", `default/device/d${index}`, JSON.parse(JSON.stringify(made)));
    }
    while (reported.size < count) await new Promise((resolve) => setTimeout(resolve, 50));
    reported.clear();
    const kib = ((memoryMiB() - before) * 1024) / count;
    printGoal(
        `gateway memory for each of 10,000 Modbus devices of 3 properties, ${engine}`,
        `${kib.toFixed(1)} KiB`,
        kib < 10,
        "10 KiB, the store included [about 30 KiB in CloudCore]",
    );
    await gateway.stop();
    plant.stop();
}
