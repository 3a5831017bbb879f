// SPDX-License-Identifier: Apache-2.0
import { parseConfig } from "../../../../src/core/config.ts";
import { RedgeError } from "../../../../src/core/errors/redge-error.ts";
import { asRecord, asText } from "../../../../src/core/json.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../../../src/edge/edgehub/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../../src/envelope/envelope.ts";
import type { TlsMaterial } from "../../../../src/link/identity/ports.ts";
import { openStore } from "../../../../src/store/open-store.ts";
import { below, type DocumentStore } from "../../../../src/store/store.ts";
import { testPorts } from "../ends.ts";
import { jumpingClock } from "./jumping-clock.ts";

export interface EdgeOptions {
    readonly nodeName: string;
    readonly tls: TlsMaterial;
    readonly port: number;
    readonly path: string;
    /** Devices that report, and the number to go on from. */
    readonly devices: number;
    readonly next: number;
    readonly outboxMaxMessages: number;
    readonly everyMs: number;
    readonly beganMs: number;
}

/**
 * The edge side as one process: EdgeHub on a store on disk, what was pushed is stored before it is acknowledged, and
 * events, user data and device reports are made with running numbers. Each is told to the parent before it is offered
 * (`offered`) and after it was taken (`taken`).
 */
export async function runEdge(options: EdgeOptions): Promise<void> {
    const clock = jumpingClock(options.beganMs);
    const disk = { full: false };
    const store = failing(await openStore({ engine: "nedb", path: options.path }, testPorts), disk);
    const objects = below(store, "objects/");
    const config = {
        url: `wss://127.0.0.1:${options.port}`,
        reconnectFirstMs: 200,
        heartbeatMs: 4_000,
        outboxMaxMessages: options.outboxMaxMessages,
    };
    const hub = new EdgeHub(parseConfig<EdgeHubConfig>(edgeHubConfig, config), {
        ...testPorts,
        clock,
        store: below(store, "edgehub/"),
        identity: { nodeName: options.nodeName, tls: async () => options.tls, onRenewed: () => () => {} },
    });
    let stored: Promise<void> = Promise.resolve();
    hub.on("output", (output, envelope) => {
        if (output === "link" || envelope.header.parent_msg_id !== undefined) return;
        // What EdgeHub tells of the link itself is no object of the cloud.
        if (envelope.route.group === "twin" || envelope.route.resource === "link") return;
        stored = stored
            .then(() => keep(objects, envelope))
            .then(
                () => hub.receive(responseTo(envelope, "OK")),
                () => hub.receive(responseTo(envelope, "cannot be stored", { operation: "error" })),
            );
    });
    let dropped = 0;
    hub.on("state", ({ params }) => {
        const now = Number(params?.["dropped"] ?? 0);
        if (now !== dropped) process.send?.({ dropped: now });
        dropped = now;
    });
    await hub.start();
    let paused = false;
    process.on("message", (message: { diskFull?: boolean; pause?: boolean; dump?: boolean }) => {
        if (message.diskFull !== undefined) disk.full = message.diskFull;
        if (message.pause !== undefined) paused = message.pause;
        if (message.dump === true) {
            const outbox = below(store, "edgehub/");
            void Promise.all([objects.scan(""), outbox.scan("item/"), outbox.get("drops")]).then(
                ([kept, items, drops]) => process.send?.({ dump: kept, outbox: items.length, drops: drops ?? {} }),
            );
        }
    });
    process.send?.({ ready: true });
    let next = options.next;
    setInterval(() => {
        if (paused) return;
        next += 1;
        for (const envelope of messages(options, next, clock.nowMs())) void offer(hub, envelope);
    }, options.everyMs);
}

async function offer(hub: EdgeHub, envelope: Envelope): Promise<void> {
    const name = nameOf(envelope);
    process.send?.({ offered: name });
    try {
        await hub.receive(envelope);
        process.send?.({ taken: name });
    } catch (thrown) {
        process.send?.({ refused: name, reason: String(thrown) });
    }
}

function nameOf({ route, content }: Envelope): string {
    const { device, n } = asRecord(content) as { device?: string; n?: number };
    return device === undefined ? (n === undefined ? route.resource : `user ${n}`) : `${device} ${String(n)}`;
}

function messages({ devices }: EdgeOptions, n: number, timestamp: number): Envelope[] {
    const device = `meter-${n % devices}`;
    const actual = { value: String(n), metadata: { timestamp } };
    const actual_version = { cloud: 0, edge: n };
    return [
        newEnvelope({
            route: { source: "edged", group: "meta", operation: "insert", resource: `default/event/e-${n}` },
            content: {
                metadata: { name: `e-${n}`, namespace: "default" },
                involvedObject: { kind: "Node", name: "edge-1" },
                reason: "Counted",
            },
            timestamp,
        }),
        newEnvelope({
            route: { source: "bus", group: "user", operation: "upload", resource: "default/telemetry" },
            content: { n },
            timestamp,
        }),
        newEnvelope({
            route: {
                source: "twin",
                group: "resource",
                operation: "update",
                resource: `device/default/${device}/twin/edge_updated`,
            },
            content: {
                device,
                n,
                event_id: "",
                timestamp,
                twin: { value: { actual, actual_version, metadata: { type: "INT" } } },
            },
            timestamp,
        }),
    ];
}

/** As MetaManager: the newest state by resource, on disk. */
async function keep(objects: DocumentStore, { route, header, content }: Envelope): Promise<void> {
    const metadata = asRecord(asRecord(content)["metadata"]);
    const uid = asText(metadata["uid"]);
    const kept = await objects.get<{ uid?: string; resourceVersion?: string }>(route.resource);
    if (route.operation === "delete") {
        // An object of that name that was created again is another one.
        if (kept === undefined || (uid !== undefined && kept.uid !== uid)) return;
        await objects.write([{ op: "delete", key: route.resource }]);
    } else {
        const value = { uid, resourceVersion: header.resourceversion ?? asText(metadata["resourceVersion"]) };
        // As MetaManager does: an older state of the same object changes nothing.
        if (kept?.uid === uid && Number(kept?.resourceVersion) > Number(value.resourceVersion)) return;
        await objects.write([{ op: "put", key: route.resource, value }]);
    }
}

function failing(store: DocumentStore, disk: { full: boolean }): DocumentStore {
    return {
        ...below(store, ""),
        write: async (ops) => {
            if (disk.full) throw new RedgeError("REDGE_STORE_FULL", { path: "the disk", reason: "full" });
            await store.write(ops);
        },
    };
}
