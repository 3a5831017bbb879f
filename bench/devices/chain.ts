// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { connectAsync, type MqttClient } from "mqtt";
import { systemClock } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { freePorts } from "../../test/support/free-ports.ts";
import { TestSite } from "../../test/support/site.ts";
import { print, printGoal, quantile } from "./figures.ts";
import { device, model } from "./gateway.ts";
import { KubectlWatch, patchedByKubectl } from "./kubectl.ts";
import { type ModbusPlant, startModbus } from "./peers.ts";

const COUNT = 1000;
const PROPERTIES = Array.from({ length: 10 }, (_, index) => `p${index}`);
const WRITES = 300;
const REPORTS = 300;

/**
 * The whole way, in the processes that users run: `redge site` without editors (API server, controllers and CloudHub in one, the
 * gateway with the shipped Modbus flow in the other), a Modbus server and this client of the API. Everything on one machine.
 */
export async function chain(): Promise<void> {
    const [port = 0] = await freePorts(1);
    const plant = await startModbus(port);
    const site = await TestSite.create({ REDGE_EDITOR: "off", REDGE_CONTAINER_RUNTIME: "none" });
    try {
        await site.start();
        const connection = await connectionFromKubeconfig(site.kubeconfig);
        const client = createKubeClient(connection, { clock: systemClock, random: Math.random });
        await client.create(Kinds.deviceModel, model(PROPERTIES) as KubeObject);
        await created(client, plant, port, site);
        await patched(client, plant);
        await patchedByKubectl(site, plant, WRITES + 1);
        await watched(client, site);
        await client.close();
    } finally {
        await site.stop();
        await site.remove();
        plant.stop();
    }
}

/** From the first creation until each device has been read, and until each has a reported value in the API. */
async function created(client: KubeClient, plant: ModbusPlant, port: number, site: TestSite): Promise<void> {
    const before = await processorOf(site);
    const startedMs = performance.now();
    const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(2)} s`;
    const polled = plant.polled(COUNT).then(seconds);
    let next = 0;
    const lane = async (): Promise<void> => {
        for (let index = next++; index < COUNT; index = next++) {
            // 250 units of one server, each with four devices one behind the other.
            const [unit, first] = [1 + (index % 250), 16 * Math.floor(index / 250)];
            await client.create(Kinds.device, device(`d${index}`, unit, port, PROPERTIES, { first }) as KubeObject);
        }
    };
    await Promise.all(Array.from({ length: 16 }, lane));
    print(`${COUNT} devices created in the API`, seconds(), "16 requests at a time");
    const took = await polled;
    printGoal(
        `${COUNT} devices created in the API → all polled`,
        took,
        Number.parseFloat(took) <= 5,
        "5 s [33 s only to arrive]",
    );
    while (!(await allReported(client))) await new Promise((resolve) => setTimeout(resolve, 50));
    print(`${COUNT} devices created in the API → values of all in the API`, seconds());
    const after = await processorOf(site);
    const used = (role: "cloud" | "edge"): string => (((after[role] - before[role]) * 1000) / COUNT).toFixed(1);
    print(
        "processor time of it for each device, cloud / gateway",
        `${used("cloud")} / ${used("edge")} ms`,
        "polling included",
    );
}

/** Seconds of processor time that each process of the site has used. */
async function processorOf(site: TestSite): Promise<Record<"cloud" | "edge", number>> {
    const { cloud, edge } = await site.pids();
    const of = (pid: number | undefined): number => {
        const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
        return (Number(fields[11]) + Number(fields[12])) / 100;
    };
    return { cloud: of(cloud), edge: of(edge) };
}

async function allReported(client: KubeClient): Promise<boolean> {
    const { items } = await client.list({ type: Kinds.deviceStatus });
    return items.filter((item) => JSON.stringify(item).includes('"reported":{')).length >= COUNT;
}

/** What `kubectl patch` does, until the register is written, while 1,000 devices are polled each second. */
async function patched(client: KubeClient, plant: ModbusPlant): Promise<void> {
    const latencies: number[] = [];
    for (let round = 1; round <= WRITES; round += 1) {
        const written = plant.written(round);
        const askedMs = performance.timeOrigin + performance.now();
        const patch = [{ op: "add", path: "/spec/properties/0/desired", value: { value: String(round) } }];
        const name = `d${(round * 7) % 250}`;
        await client.patch({ type: Kinds.device, namespace: "default", name }, patch, "json");
        latencies.push((await written) - askedMs);
    }
    const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
    const figure = `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`;
    printGoal("patch of a desired value in the API → register written, p50 / p99", figure, p99 < 300, "p99 of 300 ms");
}

/** A value reported by MQTT at the gateway until a watcher of the API sees it. */
async function watched(client: KubeClient, site: TestSite): Promise<void> {
    const name = "reporter";
    await client.create(Kinds.device, device(name, 1, 0, ["p0"]) as KubeObject);
    const { metadata } = await client.list({ type: Kinds.deviceStatus });
    const ending = new AbortController();
    let seen: (value: string) => void = () => {};
    const query = { type: Kinds.deviceStatus, namespace: "default", resourceVersion: metadata.resourceVersion ?? "0" };
    const following = (async () => {
        for await (const { object } of client.watch(query, ending.signal)) {
            if (object.metadata.name === name) seen(JSON.stringify(object));
        }
    })();
    const mqtt = await connectAsync(`mqtt://127.0.0.1:${site.port("REDGE_MQTT_PORT")}`);
    await known(mqtt, name);
    const kubectl = new KubectlWatch(site, name);
    const latencies: number[] = [];
    const printed: number[] = [];
    const first = kubectl.printed("1000000");
    await mqtt.publishAsync(topic(name, "twin/update"), report("1000000"), { qos: 1 });
    await first;
    for (let round = 1; round <= REPORTS; round += 1) {
        const value = String(1_000_000 + round);
        const arrived = new Promise<void>((resolve) => {
            seen = (text) => {
                if (text.includes(value)) resolve();
            };
        });
        const shown = kubectl.printed(value);
        const askedMs = performance.now();
        mqtt.publish(topic(name, "twin/update"), report(value), { qos: 1 });
        await arrived;
        latencies.push(performance.now() - askedMs);
        printed.push((await shown) - askedMs);
    }
    kubectl.stop();
    printGoal(
        "value reported by MQTT → printed by kubectl get -w, p50 / p99",
        `${quantile(printed, 0.5).toFixed(0)} / ${quantile(printed, 0.99).toFixed(0)} ms`,
        quantile(printed, 0.99) < 1000,
        "p99 under 1 s; 1,000 devices polled meanwhile",
    );
    print(
        "value reported by MQTT → seen by a watch of the API, p50 / p99",
        `${quantile(latencies, 0.5).toFixed(0)} / ${quantile(latencies, 0.99).toFixed(0)} ms`,
        "1,000 devices polled meanwhile",
    );
    ending.abort();
    await following;
    await mqtt.endAsync();
}

/** Resolves when the gateway takes reports of the device. */
async function known(mqtt: MqttClient, name: string): Promise<void> {
    await mqtt.subscribeAsync(topic(name, "twin/update/result"));
    const taken = new Promise<void>((resolve) => {
        mqtt.on("message", (_topic, payload) => {
            if (!payload.toString().includes('"code"')) resolve();
        });
    });
    const again = setInterval(() => mqtt.publish(topic(name, "twin/update"), report("0"), { qos: 1 }), 100);
    await taken;
    clearInterval(again);
}

function topic(device: string, suffix: string): string {
    return `$hw/events/device/default/${device}/${suffix}`;
}

function report(value: string): string {
    return JSON.stringify({ event_id: randomUUID(), timestamp: Date.now(), twin: { p0: { actual: { value } } } });
}
