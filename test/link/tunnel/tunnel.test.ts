// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import {
    decodeTunnelMessage,
    encodeTunnelMessage,
    readUvarint,
    TunnelType,
    uvarint,
} from "../../../src/link/tunnel/message.ts";
import type { TunnelStream } from "../../../src/link/tunnel/stream.ts";
import { Tunnel } from "../../../src/link/tunnel/tunnel.ts";

describe("tunnel messages", () => {
    test("uvarint as Go writes it", () => {
        expect(uvarint(0).toString("hex")).toBe("00");
        expect(uvarint(300).toString("hex")).toBe("ac02");
        fc.assert(
            fc.property(fc.maxSafeNat(), (value) => {
                expect(readUvarint(uvarint(value), 0)).toEqual({ value, next: uvarint(value).length });
            }),
        );
        expect(readUvarint(Buffer.alloc(20, 0xff), 0)).toBeUndefined();
    });

    test("there and back", () => {
        const message = { connectId: 1_000_000, type: TunnelType.data, data: randomBytes(50) };
        expect(decodeTunnelMessage(encodeTunnelMessage(message))).toEqual(message);
        expect(decodeTunnelMessage(Buffer.from([1]))).toBeUndefined();
        expect(decodeTunnelMessage(Buffer.alloc(0))).toBeUndefined();
    });
});

describe.each([
    { peer: "Redge", windowBytes: 64 * 1024 },
    { peer: "stock", windowBytes: undefined },
])("tunnel to a $peer peer", ({ windowBytes }) => {
    let server: WebSocketServer;
    let cloud: Tunnel;
    let edge: Tunnel;
    let clock: ManualClock;
    let opened: TunnelStream[];

    beforeEach(async () => {
        clock = new ManualClock();
        opened = [];
        server = new WebSocketServer({ port: 0, host: "127.0.0.1", skipUTF8Validation: true });
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        const dialled = new WebSocket(`ws://127.0.0.1:${port}`, { skipUTF8Validation: true });
        const [accepted] = (await once(server, "connection")) as [WebSocket];
        cloud = new Tunnel(accepted, { clock, windowBytes });
        edge = new Tunnel(dialled, { clock, windowBytes });
        edge.on("connect", (_type, _data, stream) => {
            opened.push(stream);
        });
        if (dialled.readyState !== WebSocket.OPEN) await once(dialled, "open");
    });
    afterEach(() => {
        cloud.close("test over");
        edge.close("test over");
        server.close();
    });

    async function open(): Promise<{ readonly near: TunnelStream; readonly far: TunnelStream }> {
        const near = cloud.open(TunnelType.logs, (id) => Buffer.from(String(id)));
        await expect.poll(() => opened.at(-1)?.connectId).toBe(near.connectId);
        return { near, far: opened.at(-1) as TunnelStream };
    }

    test("carries bytes both ways, whatever their size, and ends at both ends", async () => {
        const { near, far } = await open();
        const up = randomBytes(300_000);
        const down = randomBytes(1_000);
        near.write(down);
        const heard = once(far, "data");
        expect((await heard)[0]).toEqual(down);
        far.end(up);
        expect((await buffer(near)).equals(up)).toBe(true);
        await expect.poll(() => [cloud.size, edge.size]).toEqual([0, 0]);
    });

    test("a reader that takes nothing delays neither the others nor memory", async () => {
        const slow = await open();
        const fast = await open();
        slow.near.pause();
        let produced = 0;
        const endless = new Readable({
            read() {
                produced += 16 * 1024;
                this.push(Buffer.alloc(16 * 1024));
            },
        });
        endless.pipe(slow.far);
        const bytes = randomBytes(400_000);
        fast.far.end(bytes);
        const received = buffer(fast.near);
        if (windowBytes === undefined) {
            await expect.poll(() => slow.near.readableLength).toBeGreaterThan(1024 * 1024);
            await clock.advance(31_000); // A stock peer is held back as a whole until the stuck reader is given up.
            await expect.poll(() => slow.near.destroyed).toBe(true);
        } else {
            expect(slow.near.readableLength).toBeLessThanOrEqual(windowBytes);
        }
        expect((await received).equals(bytes)).toBe(true);
        expect(produced).toBeLessThan(16 * 1024 * 1024);
        endless.destroy();
    });

    test("what a slow reader asks for later arrives whole", async () => {
        const { near, far } = await open();
        const bytes = randomBytes(700_000);
        near.pause();
        far.end(bytes);
        await expect.poll(() => near.readableLength).toBeGreaterThanOrEqual(64 * 1024);
        expect((await buffer(near)).equals(bytes)).toBe(true);
    });

    test("a cut tunnel ends its connections", async () => {
        const { near, far } = await open();
        const ended = Promise.all([near, far].map((stream) => new Promise((resolve) => stream.on("close", resolve))));
        edge.close("cut");
        await ended;
        expect([cloud.size, edge.size]).toEqual([0, 0]);
    });

    test("the cloud's reason for closing reaches the edge", async () => {
        const reason = new Promise((resolve) => {
            edge.on("closed", resolve);
        });
        cloud.closeWith("the node is gone");
        expect(await reason).toBe("the node is gone");
    });
});
