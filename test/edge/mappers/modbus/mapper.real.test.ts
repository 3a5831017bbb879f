// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { parseConfig } from "../../../../src/core/config.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import type { DeviceInstance } from "../../../../src/edge/mappers/device-instance.ts";
import {
    ModbusMapper,
    type ModbusMapperConfig,
    modbusMapperConfig,
} from "../../../../src/edge/mappers/modbus/index.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { type Envelope, newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeWith, program } from "../../../support/requires.ts";
import { startMapperFlow } from "../flow.ts";
import { modbusDevice } from "./devices.ts";
import { pymodbusPart, startPymodbus, startPymodbusRtu } from "./pymodbus.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Seen {
    readonly atMs: number;
    readonly device: string;
    readonly report: MapperReport;
}

interface Wires {
    send(envelope: Envelope): Promise<void>;
}

/** The mapper in this process, with lines of its own. */
async function inProcess(receive: (envelope: Envelope) => void): Promise<Wires> {
    const mapper = new ModbusMapper(parseConfig<ModbusMapperConfig>(modbusMapperConfig, { lanes: 0 }), {
        clock: systemClock,
        log: silentLogger,
        metrics: noMetrics,
        random: Math.random,
    });
    mapper.on("output", (_output, envelope) => receive(envelope));
    await mapper.start();
    cleanups.push(() => mapper.stop());
    return { send: (envelope) => mapper.receive(envelope) };
}

/** The shipped flow in Node-RED, its requests made by node-red-contrib-modbus. */
async function asFlow(receive: (envelope: Envelope) => void): Promise<Wires> {
    const flow = await startMapperFlow("modbus-mapper.json", receive);
    cleanups.push(() => flow.stop());
    return flow;
}

async function startMapper(start: (receive: (envelope: Envelope) => void) => Promise<Wires>) {
    const seen: Seen[] = [];
    const wires = await start(({ route, content }) => {
        if (route.operation !== "upload") return;
        seen.push({ atMs: performance.now(), device: route.resource, report: content as MapperReport });
    });
    const send = (operation: string, device: string, content: unknown) =>
        wires.send(newEnvelope({ route: { source: "twin", operation, resource: deviceResource(device) }, content }));
    return {
        seen,
        put: (instance: DeviceInstance) => send("update", instance.id, { device: {}, model: {}, instance }),
        write: (device: string, property: string, value: unknown) =>
            send(WRITE, device, { id: `w-${property}`, property, value }),
        latest: (device: string) =>
            Object.assign(
                {},
                ...seen.filter((one) => one.device === deviceResource(device)).map(({ report }) => report.reported),
            ) as NonNullable<MapperReport["reported"]>,
    };
}

async function peer(units: string, port?: number) {
    const server = await startPymodbus(units, port);
    cleanups.push(() => server.stop());
    return server;
}

describeWith([pymodbusPart], "the Modbus mapper against python3-pymodbus", () => {
    describe.each([
        ["with lines of its own", inProcess],
        ["as the shipped flow with node-red-contrib-modbus", asFlow],
    ])("%s", (_how, start) => suite(start));
});

describeWith([pymodbusPart, program("socat")], "the Modbus mapper on a serial line (RTU over a pty pair)", () => {
    test.each([
        ["with a line of its own", inProcess],
        ["as the shipped flow", asFlow],
    ])("%s: living slaves are read and written while one is silent", async (_how, start) => {
        const [near, far] = await ptyPair();
        const server = await startPymodbusRtu("1-3", far);
        cleanups.push(() => server.stop());
        const mapper = await startMapper(start);
        for (const unit of [1, 2, 3, 9]) {
            const connection = {
                communicateMode: "RTU",
                serialName: near,
                baudRate: 19_200,
                slaveID: unit,
                // Silence is told of the one that is not there; the others may take their time on a busy machine.
                timeout: unit === 9 ? 300 : 1000,
            };
            const properties = {
                value: { visitor: { offset: 5 }, collectCycle: 500 },
                single: { type: "FLOAT", visitor: { offset: 6, limit: 2, isRegisterSwap: true }, collectCycle: 500 },
            };
            await mapper.put(modbusDevice(`u${unit}`, connection, properties));
        }
        await eventually(() => {
            for (const unit of [1, 2, 3])
                expect(mapper.latest(`default/u${unit}`)).toMatchObject({ value: { value: unit * 256 + 5 } });
        });
        await mapper.write("default/u2", "single", -12.5);
        await eventually(() => expect(mapper.latest("default/u2")).toMatchObject({ single: { value: -12.5 } }));
        expect(await server.get(2, 3, 6, 2)).toEqual([0, 0xc148]);
        await eventually(() => {
            const silent = mapper.seen.filter(({ device }) => device === deviceResource("default/u9"));
            expect(silent.flatMap(({ report }) => report.state ?? [])).toEqual(["offline"]);
        });
    });
});

/** Two ends of a serial line that are not there. */
async function ptyPair(): Promise<[string, string]> {
    const folder = mkdtempSync(join(tmpdir(), "redge-pty-"));
    const ends: [string, string] = [join(folder, "a"), join(folder, "b")];
    const socat = spawn(
        "socat",
        ends.map((path) => `pty,raw,echo=0,link=${path}`),
        { stdio: "ignore" },
    );
    cleanups.push(async () => {
        const gone = new Promise((resolve) => socat.once("exit", resolve));
        socat.kill("SIGKILL");
        await gone;
        rmSync(folder, { recursive: true, force: true });
    });
    await eventually(() => expect(ends.every((path) => existsSync(path))).toBe(true));
    return ends;
}

function suite(start: (receive: (envelope: Envelope) => void) => Promise<Wires>): void {
    test("every register type and width is read, written and read back", async () => {
        const server = await peer("3");
        const mapper = await startMapper(start);
        const visitors = {
            coil: { type: "BOOLEAN", visitor: { register: "CoilRegister", offset: 3 } },
            coils: { visitor: { register: "CoilRegister", offset: 20, limit: 4 } },
            discrete: { type: "BOOLEAN", visitor: { register: "DiscreteInputRegister", offset: 1 } },
            input: { visitor: { register: "InputRegister", offset: 7 } },
            holding: { visitor: { offset: 5 } },
            scaled: { type: "FLOAT", visitor: { offset: 6, scale: 0.1 } },
            signed: { visitor: { offset: 7, dataType: "int16" } },
            long: { visitor: { offset: 10, limit: 2, isRegisterSwap: true } },
            single: { type: "FLOAT", visitor: { offset: 20, limit: 2, isSwap: true } },
            double: { type: "DOUBLE", visitor: { offset: 30, limit: 4 } },
            text: { type: "STRING", visitor: { offset: 50, limit: 4 } },
        } as const;
        await mapper.put(modbusDevice("all", { ip: "127.0.0.1", port: String(server.port), slaveID: 3 }, visitors));
        await eventually(() =>
            expect(Object.keys(mapper.latest("default/all")).sort()).toEqual(Object.keys(visitors).sort()),
        );
        expect(mapper.latest("default/all")).toMatchObject({
            coil: { value: true },
            coils: { value: 9 },
            discrete: { value: false },
            input: { value: 1007 },
            holding: { value: 3 * 256 + 5 },
            scaled: { value: 77.4 },
        });
        const values = {
            coil: false,
            coils: 6,
            holding: 60_000,
            scaled: 12.3,
            signed: -5,
            long: 4_000_000_001,
            single: 21.7,
            double: Math.PI,
            text: "Grüße",
        };
        for (const [property, value] of Object.entries(values)) await mapper.write("default/all", property, value);
        await eventually(() => {
            for (const [property, value] of Object.entries(values)) {
                expect(mapper.latest("default/all")[property]).toMatchObject({ value });
            }
        });
        expect(await server.get(3, 1, 20, 4)).toEqual([0, 1, 1, 0]);
        expect(await server.get(3, 3, 5, 3)).toEqual([60_000, 123, 0xfffb]);
        expect(await server.get(3, 3, 10, 2)).toEqual([4_000_000_001 & 0xffff, 4_000_000_001 >>> 16]);
        const written = (): string[] => mapper.seen.flatMap(({ report }) => Object.keys(report.written ?? {}));
        await eventually(() => expect(written().sort()).toEqual(Object.keys(values).sort()));
    });

    test("a register that is not there spoils neither its neighbours nor its device", async () => {
        const server = await peer("1");
        const mapper = await startMapper(start);
        await mapper.put(
            modbusDevice(
                "edge",
                { ip: "127.0.0.1", port: server.port, slaveID: 1 },
                {
                    last: { visitor: { offset: 199 } },
                    beyond: { visitor: { offset: 200 } },
                },
            ),
        );
        await eventually(() =>
            expect(mapper.latest("default/edge")).toMatchObject({ last: { value: 455 }, beyond: { quality: "bad" } }),
        );
    });

    test("200 slaves of which 50 are dead: the living ones keep their cycle", async () => {
        const server = await peer("1-150");
        const mapper = await startMapper(start);
        const cycleMs = 500;
        for (let unit = 1; unit <= 200; unit += 1) {
            await mapper.put(
                modbusDevice(
                    `u${unit}`,
                    { ip: "127.0.0.1", port: server.port, slaveID: unit, timeout: unit > 150 ? 300 : 1000 },
                    {
                        value: { visitor: { offset: 5 }, collectCycle: cycleMs },
                    },
                ),
            );
        }
        const offline = (unit: number): boolean =>
            mapper.seen.some(
                ({ device, report }) => device === deviceResource(`default/u${unit}`) && report.state === "offline",
            );
        const dead = Array.from({ length: 50 }, (_, index) => index + 151);
        await eventually(() => expect(dead.filter(offline)).toEqual(dead));
        const fromMs = performance.now();
        const polledAtMs = (unit: number): number[] =>
            mapper.seen
                .filter((one) => one.device === deviceResource(`default/u${unit}`) && one.atMs >= fromMs)
                .filter(({ report }) => report.reported !== undefined)
                .map(({ atMs }) => atMs);
        const living = Array.from({ length: 150 }, (_, index) => index + 1);
        // All of them go on, none is left behind the dead; how well they keep their time is printed, not judged: the machine has a say in it.
        await eventually(
            () => expect(Math.min(...living.map((unit) => polledAtMs(unit).length))).toBeGreaterThanOrEqual(10),
            100_000,
        );
        const ascending = (one: number, other: number): number => one - other;
        const middle = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? 0;
        const gapsOf = living.map((unit) => {
            const times = polledAtMs(unit);
            return times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs));
        });
        // One round of waiting for the dead takes 50 × 300 ms: whoever waited for them would be polled no oftener than that, each
        // slave by itself. One long pause of the machine itself is in the longest gaps only.
        expect(Math.max(...gapsOf.map((gaps) => middle(gaps.sort(ascending))))).toBeLessThan(50 * 300);
        const gapsMs = gapsOf.flat().sort(ascending);
        const p99 = gapsMs[Math.floor(gapsMs.length * 0.99)] ?? 0;
        const median = middle(gapsMs);
        console.log(
            `150 living of 200 slaves, cycle ${cycleMs} ms: median ${median.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, longest ${gapsMs.at(-1)?.toFixed(0)} ms`,
        );
    }, 300_000);

    test("a server that goes away and comes back: offline, then online, and the desired value is set then", async () => {
        const first = await peer("1");
        const mapper = await startMapper(start);
        await mapper.put(
            modbusDevice(
                "d",
                { ip: "127.0.0.1", port: first.port, slaveID: 1 },
                { value: { visitor: { offset: 5 }, collectCycle: 200 } },
            ),
        );
        // On a busy machine a server may be silent for longer than the device's time-out: then it is offline in between, and told so.
        const states = () => mapper.seen.flatMap(({ report }) => report.state ?? []);
        await eventually(() => expect(states().at(-1)).toBe("online"));
        await first.stop();
        await mapper.write("default/d", "value", 77);
        await eventually(() => expect(states().at(-1)).toBe("offline"));
        const second = await peer("1", first.port);
        await eventually(() => expect(states().at(-1)).toBe("online"));
        await eventually(async () => expect(await second.get(1, 3, 5, 1)).toEqual([77]));
        expect(states()).toEqual(states().map((_, index) => (index % 2 === 0 ? "online" : "offline")));
    });
}
