// SPDX-License-Identifier: Apache-2.0
// What kept reports cost a gateway: `npm run bench:backlog [-- DEVICES [REPORTS_EACH [nedb or sqlite]]]`. DeviceTwin and the outbox of
// EdgeHub on one store in a file, in this process alone; the link is a stand-in that confirms everything at once.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/core/config.ts";
import { DeviceTwin, type DeviceTwinConfig, deviceTwinConfig } from "../../src/edge/devicetwin/index.ts";
import { Outbox } from "../../src/edge/edgehub/outbox.ts";
import { UplinkPump } from "../../src/edge/edgehub/uplink-pump.ts";
import { decodeEnvelope } from "../../src/envelope/codec.ts";
import { newEnvelope } from "../../src/envelope/envelope.ts";
import { durableClass } from "../../src/link/durable.ts";
import type { LinkConnection } from "../../src/link/transport/connection.ts";
import { openStore } from "../../src/store/open-store.ts";
import { below } from "../../src/store/store.ts";
import { ports } from "./gateway.ts";

const [devices = "1000", each = "100", engine = "nedb"] = process.argv.slice(2);
const names = Array.from({ length: Number(devices) }, (_, index) => `default/d${index}`);
const folder = mkdtempSync(join(tmpdir(), "redge-backlog-"));
const path = join(folder, "edge.db");

interface Gateway {
    readonly twin: DeviceTwin;
    link(up: boolean): Promise<void>;
    /** Kept reports that the cloud has confirmed. */
    readonly delivered: number;
    stop(): Promise<void>;
}

async function start(): Promise<Gateway> {
    const store = await openStore({ engine: engine === "sqlite" ? "sqlite" : "nedb", path }, ports);
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, {}), { ...ports, store });
    const limits = { maxBytes: 64 * 1024 * 1024, maxMessages: 100_000, maxAgeMs: 1e9 };
    const outbox = new Outbox(below(store, "edgehub/"), ports.clock, limits, {
        dropped: () => {},
        coalesced: () => {},
    });
    await outbox.load();
    const pump = new UplinkPump(outbox, ports);
    let delivered = 0;
    const answer = (text: string): void => {
        const { header, route } = decodeEnvelope(text);
        if (route.resource.endsWith("/twin/edge_updated") && header.type !== undefined) delivered += 1;
        pump.settled(header.msg_id, "delivered");
        const confirmation = newEnvelope({
            route: { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" },
            content: "OK",
            parentId: header.msg_id,
        });
        void twin.receive(confirmation);
    };
    const connection = {
        transport: "websocket",
        queuedBytes: 0,
        send: (text: string, sent?: (error?: Error) => void) => {
            setImmediate(() => {
                sent?.();
                answer(text);
            });
        },
    } as unknown as LinkConnection;
    twin.on("output", (output, envelope) => {
        const kind = output === "edgehub" ? durableClass(envelope) : undefined;
        if (kind !== undefined) void outbox.add(envelope, kind).then(() => pump.run());
    });
    const tell = (operation: string): Promise<void> =>
        twin.receive(
            newEnvelope({ route: { source: "edgehub", group: "hub", operation, resource: "link" }, content: {} }),
        );
    await twin.start();
    await tell("disconnect");
    return {
        twin,
        link: async (up) => {
            await tell(up ? "connect" : "disconnect");
            if (up) pump.linkUp({ url: "", connection, redge: { version: 1, window: 1024 } });
            else pump.linkDown();
        },
        get delivered() {
            return delivered;
        },
        stop: async () => {
            pump.stop();
            await twin.stop();
            await store.close();
        },
    };
}

const api = "devices.kubeedge.io/v1beta1";
const properties = [
    { name: "every", reportPolicy: { keep: "all" } },
    { name: "newest", reportPolicy: { keep: "newest" } },
];

async function introduce(twin: DeviceTwin): Promise<void> {
    const push = (resource: string, content: unknown): Promise<void> =>
        twin.receive(
            newEnvelope({
                route: { source: "devicecontroller", group: "resource", operation: "insert", resource },
                content,
            }),
        );
    const metadata = { name: "m", namespace: "default" };
    const modelled = properties.map(({ name }) => ({ name, type: "INT", accessMode: "ReadOnly" }));
    await push("default/devicemodel/m", {
        apiVersion: api,
        kind: "DeviceModel",
        metadata,
        spec: { properties: modelled },
    });
    await Promise.all(
        names.map((id) => {
            const name = id.slice("default/".length);
            const spec = { deviceModelRef: { name: "m" }, nodeName: "edge", properties };
            return push(`default/device/${name}`, {
                apiVersion: api,
                kind: "Device",
                metadata: { ...metadata, name },
                spec,
            });
        }),
    );
}

let number = 0;
function report(twin: DeviceTwin, id: string): Promise<void> {
    number += 1;
    const value = { actual: { value: String(number), metadata: { timestamp: Date.now() } } };
    const resource = `$hw/events/device/${id}/twin/update`;
    const content = { event_id: "", timestamp: Date.now(), twin: { every: value, newest: value } };
    const route = { source: "bus", group: "user", operation: "response", resource };
    return twin.receive(newEnvelope({ route, content }));
}

/** So many rounds of a report of each device, with what comes together committed together. */
async function reportAll(twin: DeviceTwin, rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1)
        for (let at = 0; at < names.length; at += 50)
            await Promise.all(names.slice(at, at + 50).map((id) => report(twin, id)));
}

async function measured(what: string, count: number, work: () => Promise<void>): Promise<void> {
    const before = process.cpuUsage();
    const startedMs = performance.now();
    await work();
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    const wallMs = performance.now() - startedMs;
    process.stdout.write(
        `${what.padEnd(40)} ${(cpuMs / count).toFixed(3)} ms CPU each, ${(cpuMs / 1000).toFixed(1)} s in all, wall ${(wallMs / 1000).toFixed(1)} s, ` +
            `RSS ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB, file ${(statSync(path).size / 2 ** 20).toFixed(0)} MiB\n`,
    );
}

async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const total = names.length * Number(each);
let gateway = await start();
await introduce(gateway.twin);
for (let part = 0; part < 4; part += 1)
    await measured(`taken without a link, ${part + 1} of 4`, total / 4, () =>
        reportAll(gateway.twin, Number(each) / 4),
    );
await gateway.stop();
await measured(`started with ${total} kept`, 1, async () => {
    gateway = await start();
});
await measured("caught up, nothing new", total, async () => {
    await gateway.link(true);
    await until(() => gateway.delivered >= total);
});
const live = Math.max(1, Math.trunc(Number(each) / 4));
await measured("reports with a link", live * names.length, async () => {
    const before = gateway.delivered;
    await reportAll(gateway.twin, live);
    await until(() => gateway.delivered >= before + live * names.length);
});
await gateway.stop();
rmSync(folder, { recursive: true, force: true });
