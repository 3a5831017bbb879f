// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ControlPlane } from "../../src/cloud/controlplane/index.ts";
import {
    DeviceController,
    type DeviceControllerConfig,
    deviceControllerConfig,
} from "../../src/cloud/devicecontroller/index.ts";
import { systemClock } from "../../src/core/clock.ts";
import { parseConfig } from "../../src/core/config.ts";
import { asRecord } from "../../src/core/json.ts";
import { silentLogger } from "../../src/core/log.ts";
import { noMetrics } from "../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../src/envelope/envelope.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { statusReason } from "../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { openStore } from "../../src/store/open-store.ts";
import { memoryMiB, printGoal } from "./figures.ts";

/**
 * The cloud's share: reports as they leave CloudHub → DeviceController → API server (the embedded one, asked within the
 * process as in `redge cloud`, on the sqlite store) → confirmation. Prints, for each number of devices, reports per second
 * confirmed, the time from the report to its confirmation, then what each of 10,000 devices costs this process:
 * controller, API server and store.
 * That none is lost in an outage needs both ends and is counted by `npm run test:outage`: ten minutes by the clock, 1,000 devices.
 */
const COUNTS = [1, 100, 1000];
const RATE_PER_SECOND = Number(process.argv[2] ?? 1200);
const SECONDS = 10;
/** What is offered is a little more than what is to be reached, so that the last confirmations do not spoil the rate. */
const GOAL_PER_SECOND = 1000;
const GOAL_P99_MS = 1000;
const MANY = 10_000;
const API_VERSION = "devices.kubeedge.io/v1beta1";

const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
const folder = await mkdtemp(join(tmpdir(), "redge-bench-devices-"));
const store = await openStore({ engine: "sqlite", path: join(folder, "store.db") }, ports);
const plane = new ControlPlane({ host: "127.0.0.1", port: 0, dataDir: folder, sans: [] }, { ...ports, store });
await plane.start();
if (plane.client === undefined) throw new Error("the control plane did not start");
const cluster: KubeClient = plane.client;
const controller = new DeviceController(parseConfig<DeviceControllerConfig>(deviceControllerConfig, {}), {
    ...ports,
    cluster,
});
await installDefinitions();
const waiting = new Map<string, (envelope: Envelope) => void>();
controller.on("output", (_, envelope) => waiting.get(envelope.header.parent_msg_id ?? "")?.(envelope));
await controller.start();

await cluster.create(Kinds.deviceModel, {
    apiVersion: API_VERSION,
    kind: "DeviceModel",
    metadata: { name: "model", namespace: "default" },
    spec: { protocol: "virtual", properties: [{ name: "value", type: "INT", accessMode: "ReadOnly" }] },
});
let made = 0;
for (const count of COUNTS) {
    const startedMs = performance.now();
    await inParallel(16, async () => {
        for (let index = made++; index < count; index = made++) await makeDevice(index);
    });
    made = count;
    const createdMs = performance.now() - startedMs;
    await waitForStatuses(count);
    const readyMs = performance.now() - startedMs;
    const result = await reportFor(count);
    const { perSecond, p50, p99 } = result;
    process.stdout.write(
        `${String(count).padStart(5)} devices (created in ${createdMs.toFixed(0)} ms, all with status after ${readyMs.toFixed(0)} ms)\n`,
    );
    printGoal(
        `${count} devices: reports confirmed of ${RATE_PER_SECOND}/s sent; p50 / p99`,
        `${perSecond.toFixed(0)} /s; ${p50.toFixed(0)} / ${p99.toFixed(0)} ms`,
        perSecond >= GOAL_PER_SECOND && p99 < GOAL_P99_MS,
        "1,000/s with a p99 below 1 s [36/s]",
    );
}
const beforeMiB = memoryMiB();
await Promise.all(
    Array.from({ length: 16 }, async () => {
        for (let index = made++; index < MANY; index = made++) await makeDevice(index);
    }),
);
await waitForStatuses(MANY);
const kib = ((memoryMiB() - beforeMiB) * 1024) / (MANY - 1000);
printGoal(
    "cloud memory for each of 10,000 devices, with its DeviceStatus",
    `${kib.toFixed(1)} KiB`,
    kib < 10,
    "10 KiB [about 30 KiB in CloudCore]",
);
await controller.stop();
await plane.stop();
await store.close();
await rm(folder, { recursive: true, force: true });

async function installDefinitions(): Promise<void> {
    const definitions = join(import.meta.dirname, "../../deploy/crds");
    for (const name of await readdir(definitions)) {
        const definition = parse(await readFile(join(definitions, name), "utf8")) as KubeObject;
        try {
            await cluster.create(Kinds.customResourceDefinition, definition);
        } catch (thrown) {
            if (statusReason(thrown) !== "AlreadyExists") throw thrown;
        }
    }
}

async function makeDevice(index: number): Promise<void> {
    await cluster.create(Kinds.device, {
        apiVersion: API_VERSION,
        kind: "Device",
        metadata: { name: `device-${index}`, namespace: "default" },
        spec: {
            deviceModelRef: { name: "model" },
            nodeName: "edge-1",
            properties: [{ name: "value", reportToCloud: true }],
        },
    });
}

async function waitForStatuses(count: number): Promise<void> {
    for (;;) {
        const { items } = await cluster.list({ type: Kinds.deviceStatus });
        if (items.length >= count) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

async function reportFor(count: number): Promise<{ perSecond: number; p50: number; p99: number }> {
    const delays: number[] = [];
    const confirmed: Promise<void>[] = [];
    const startedMs = performance.now();
    let sent = 0;
    await new Promise<void>((resolve) => {
        const timer = setInterval(() => {
            const due = Math.min((performance.now() - startedMs) / 1000, SECONDS) * RATE_PER_SECOND;
            for (; sent < due; sent += 1) confirmed.push(report(sent % count, sent, delays));
            if (sent >= SECONDS * RATE_PER_SECOND) {
                clearInterval(timer);
                resolve();
            }
        }, 5);
    });
    await Promise.all(confirmed);
    const tookS = (performance.now() - startedMs) / 1000;
    const last = await cluster.get({
        type: Kinds.deviceStatus,
        namespace: "default",
        name: `device-${(sent - 1) % count}`,
    });
    if (!JSON.stringify(asRecord(last["status"])["twins"]).includes(`"${sent - 1}"`))
        throw new Error("the newest value is not in the API");
    delays.sort((a, b) => a - b);
    const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0;
    return { perSecond: delays.length / tookS, p50: at(0.5), p99: at(0.99) };
}

function report(device: number, value: number, delays: number[]): Promise<void> {
    const sentMs = performance.now();
    const actual = { value: String(value), metadata: { timestamp: Date.now() } };
    const twin = { value: { actual, metadata: { type: "int" }, actual_version: { cloud: 0, edge: value + 1 } } };
    const envelope = newEnvelope({
        route: {
            source: "twin",
            group: "resource",
            operation: "update",
            resource: `device/default/device-${device}/twin/edge_updated`,
        },
        content: { event_id: "", timestamp: Date.now(), twin },
        node: "edge-1",
    });
    return new Promise((resolve, reject) => {
        waiting.set(envelope.header.msg_id, () => {
            waiting.delete(envelope.header.msg_id);
            delays.push(performance.now() - sentMs);
            resolve();
        });
        controller.receive(envelope).catch(reject);
    });
}

async function inParallel(workers: number, work: () => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: workers }, work));
}
