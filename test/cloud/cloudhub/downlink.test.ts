// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { Downlink, type DownlinkOptions } from "../../../src/cloud/cloudhub/downlink.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { ConnectionHandlers, LinkConnection } from "../../../src/link/transport/connection.ts";

/** A connection that keeps what was sent, and holds it back when told to. */
class Wire implements LinkConnection {
    readonly transport = "websocket";
    readonly sent: string[] = [];
    readonly #written: (() => void)[] = [];
    queuedBytes = 0;
    open(_handlers: ConnectionHandlers): void {}
    send(text: string, written?: (error?: Error) => void): void {
        const { route, content } = JSON.parse(text) as Envelope;
        const { data } = (content ?? {}) as { data?: string };
        this.sent.push(`${route.operation} ${route.resource.split("/").at(-1)} ${data ?? ""}`.trim());
        if (written !== undefined) this.#written.push(written);
    }
    drain(): void {
        this.queuedBytes = 0;
        for (const written of this.#written.splice(0)) written();
    }
    beat(): void {}
    pause(): void {}
    resume(): void {}
    ping(): void {}
    close(): void {}
    destroy(): void {}
}

function push(name: string, version: string, operation = "update", uid = `uid-${name}`): Envelope {
    return newEnvelope({
        route: { source: "edgecontroller", group: "resource", operation, resource: `default/configmap/${name}` },
        resourceVersion: version,
        content: { apiVersion: "v1", kind: "ConfigMap", metadata: { name, uid }, data: version },
    });
}

function setUp(options: Partial<DownlinkOptions> = {}, acked: ReadonlyMap<string, string> = new Map()) {
    const clock = new ManualClock();
    const wire = new Wire();
    const events: string[] = [];
    const recording: (() => void)[] = [];
    let record = false;
    const downlink = new Downlink(
        wire,
        clock,
        acked,
        { window: 1, resendIntervalMs: 5_000, maxWrites: 5, queueLimit: 10, bufferBytes: 1_000, ...options },
        {
            intends: () => (record ? new Promise<void>((resolve) => recording.push(resolve)) : undefined),
            acked: ({ name, resourceVersion }) => events.push(`acked ${name} ${resourceVersion}`),
            dropped: ({ route }) => events.push(`dropped ${route.resource}`),
            recovered: () => events.push("recovered"),
        },
    );
    const first = (envelope: Envelope): Envelope => {
        downlink.push(envelope);
        return envelope;
    };
    const recordFirst = (): void => {
        record = true;
    };
    return { clock, wire, events, downlink, push: first, recording, recordFirst };
}

describe("pushes to a stock edge", () => {
    test("go one at a time, the newest version of each, in the order of the newest", () => {
        const { wire, downlink, push: send, events } = setUp();
        const a = send(push("a", "1"));
        send(push("b", "2"));
        send(push("c", "3"));
        send(push("b", "4"));
        expect(wire.sent).toEqual(["update a 1"]);
        downlink.answered(a.header.msg_id, false);
        expect(wire.sent).toEqual(["update a 1", "update c 3"]);
        expect(events).toEqual(["acked a 1"]);
    });

    test("are written five times, then others get their turn", async () => {
        const { wire, push: send, clock } = setUp();
        send(push("a", "1"));
        send(push("b", "2"));
        await clock.advance(24_999);
        expect(wire.sent).toEqual(Array.from({ length: 5 }, () => "update a 1"));
        await clock.advance(1);
        expect(wire.sent.at(-1)).toBe("update b 2");
    });

    test("drop what is older than what the node has acknowledged, but never a deletion", () => {
        const acked = new Map([["uid-a", "10"]]);
        const { wire, push: send } = setUp({}, acked);
        send(push("a", "9"));
        send(push("a", "10"));
        expect(wire.sent).toEqual([]);
        send(push("a", "10", "delete"));
        expect(wire.sent).toEqual(["delete a 10"]);
    });

    test("compare versions as numbers of any length", () => {
        const { wire, push: send } = setUp({}, new Map([["uid-a", "99999999999999999999"]]));
        send(push("a", "100000000000000000000"));
        expect(wire.sent).toEqual(["update a 100000000000000000000"]);
    });

    test("bring an object back that was to be deleted", () => {
        const { wire, downlink, push: send } = setUp({}, new Map([["uid-a", "5"]]));
        const deletion = send(push("a", "5", "delete"));
        send(push("a", "5"));
        downlink.answered(deletion.header.msg_id, false);
        expect(wire.sent).toEqual(["delete a 5", "update a 5"]);
    });

    test("ask for another resync after the queue was full", () => {
        const { downlink, push: send, events } = setUp({ queueLimit: 1 });
        const a = send(push("a", "1"));
        const b = send(push("b", "2"));
        send(push("c", "3"));
        expect(events).toEqual(["dropped default/configmap/c"]);
        downlink.answered(a.header.msg_id, false);
        downlink.answered(b.header.msg_id, false);
        expect(events.at(-1)).toBe("recovered");
    });
});

describe("pushes to a Redge edge", () => {
    test("are pipelined; a newer version takes the place of one in flight", async () => {
        const { wire, downlink, push: send, events, clock } = setUp({ window: 8 });
        const old = send(push("a", "1"));
        const now = send(push("a", "2"));
        expect(wire.sent).toEqual(["update a 1", "update a 2"]);
        expect(downlink.answered(old.header.msg_id, false)).toBe(false);
        await clock.advance(5_000);
        expect(wire.sent.at(-1)).toBe("update a 2");
        downlink.answered(now.header.msg_id, false);
        expect(events).toEqual(["acked a 2"]);
        await clock.advance(60_000);
        expect(wire.sent).toHaveLength(3);
    });

    test("an object of the same name that was made again waits for the deletion of the old one", () => {
        const { wire, downlink, push: send } = setUp({ window: 8 }, new Map([["old", "1"]]));
        const deletion = send(push("a", "2", "delete", "old"));
        send(push("a", "3", "insert", "new"));
        expect(wire.sent).toEqual(["delete a 2"]);
        downlink.answered(deletion.header.msg_id, false);
        expect(wire.sent).toEqual(["delete a 2", "insert a 3"]);
    });

    test("a first push waits until it is on record", async () => {
        const { wire, push: send, recording, recordFirst, clock } = setUp({ window: 8 });
        recordFirst();
        send(push("a", "1"));
        expect(wire.sent).toEqual([]);
        recording[0]?.();
        await clock.advance(0);
        expect(wire.sent).toEqual(["update a 1"]);
    });

    test("wait while the connection is full, and go on when it has drained", () => {
        const { wire, push: send } = setUp({ window: 8 });
        send(push("a", "1"));
        wire.queuedBytes = 2_000;
        send(push("b", "2"));
        expect(wire.sent).toEqual(["update a 1"]);
        wire.drain();
        expect(wire.sent).toEqual(["update a 1", "update b 2"]);
    });
});
