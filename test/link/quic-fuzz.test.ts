// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CloudHub } from "../../src/cloud/cloudhub/index.ts";
import { messageFrame } from "../../src/link/transport/quic/frames.ts";
import { makeCloudHub, makeEdgeHub, SOON, Tap } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";
import { RawQuic } from "../support/link/raw-quic.ts";
import { TestPki } from "../support/link/test-pki.ts";
import { bound, UdpRelay } from "../support/link/udp-relay.ts";

/**
 * Anything may arrive at the QUIC port. `npm run fuzz:quic` gives the long run of 100,000 inputs; what is counted is
 * inputs over all tests here. An exception that nobody catches fails the run by itself.
 */
const INPUTS = Number(process.env["REDGE_FUZZ_INPUTS"] ?? 6_000);
const SEED = Number(process.env["REDGE_FUZZ_SEED"] ?? 4711);
const MEBIBYTE = 1_048_576;
/** Enough for everything of a round below; what leaks with the inputs goes far beyond it in the long run. */
const GROWTH_MIB = 150;

const pki = new TestPki();
const tls = pki.node("edge-1");
const hello = messageFrame(JSON.stringify({ node_id: "edge-1", "redge-session": "v=1; store=fuzz; window=64" }));

let cloud: CloudHub;
let port: number;

beforeEach(async () => {
    const raw = { quic: "on", quicPort: 0, messagesPerSecond: 1_000_000, maxMessageBytes: 65_536 } as const;
    cloud = makeCloudHub(pki, new MemoryCluster(), raw);
    await cloud.start();
    port = cloud.ports.quic ?? 0;
});

afterEach(async () => {
    await cloud.stop();
});

function sample<T>(arbitrary: fc.Arbitrary<T>, share: number): T[] {
    return fc.sample(arbitrary, { numRuns: Math.ceil(INPUTS * share), seed: SEED });
}

/** The listener still does what it is for, and nobody is left in it. */
async function expectAlive(): Promise<void> {
    const edge = makeEdgeHub(pki.edgeIdentity("edge-2"), cloud.ports.websocket, { transport: "quic", quicPort: port });
    const tap = new Tap(edge);
    await edge.start();
    expect((await tap.output("link", "connect")).content).toMatchObject({ transport: "quic" });
    await edge.stop();
    await expect.poll(() => cloud.online, SOON).toEqual([]);
}

/** Runs `body` twice: the second time nothing may stay. */
async function withoutGrowth(body: () => Promise<void>): Promise<void> {
    await body();
    const before = process.memoryUsage();
    await body();
    const after = process.memoryUsage();
    expect((after.heapUsed - before.heapUsed) / MEBIBYTE).toBeLessThan(GROWTH_MIB);
    // What the addon holds is in no heap of JavaScript.
    expect((after.rss - before.rss) / MEBIBYTE).toBeLessThan(GROWTH_MIB);
}

/** Datagrams of real connections to this listener, to be changed: first ones, with a retry token, handshakes, data. */
async function recorded(): Promise<Buffer[]> {
    const relay = await UdpRelay.start(port);
    const datagrams: Buffer[] = [];
    relay.onFromEdge = (datagram) => datagrams.push(datagram);
    const client = await RawQuic.open(relay.port, tls, hello);
    await client.write(4, messageFrame("{}"));
    await client.settled();
    client.cut(1000, "");
    await client.ended();
    relay.stop();
    return datagrams;
}

/** Sends, and waits now and then until the listener has read so far: UDP would lose the rest. */
async function throwAt(socket: Socket, datagrams: readonly Buffer[]): Promise<void> {
    for (const [at, datagram] of datagrams.entries()) {
        socket.send(datagram, port, "127.0.0.1");
        if (at % 64 === 63) await readSoFar(socket);
    }
    await readSoFar(socket);
}

/** A question that any QUIC listener answers: a version that does not exist. */
async function readSoFar(socket: Socket): Promise<void> {
    const id = randomBytes(8);
    const question = Buffer.alloc(1_200);
    question.set([0xc0, 0xba, 0xba, 0xba, 0xba, 8], 0);
    question.set(id, 6);
    question[14] = 8;
    question.set(id, 15);
    await new Promise<void>((resolve) => {
        const ask = (): void => socket.send(question, port, "127.0.0.1");
        // UDP may lose the question or the answer.
        const again = setInterval(ask, 500);
        const listener = (answer: Buffer): void => {
            if (!answer.includes(id)) return;
            clearInterval(again);
            socket.off("message", listener);
            resolve();
        };
        socket.on("message", listener);
        ask();
    });
}

describe("whatever arrives at the QUIC port", { timeout: 900_000 }, () => {
    test("datagrams that are noise, look like QUIC, or were QUIC before they were changed", async () => {
        const originals = await recorded();
        expect(originals.length).toBeGreaterThan(3);
        const noise = fc.uint8Array({ maxLength: 1_500 }).map((bytes) => Buffer.from(bytes));
        const header = fc
            .tuple(
                fc.integer({ min: 0, max: 255 }),
                fc.constantFrom(0, 1, 0x6b3343cf, 0xff00001d, 0xbabababa),
                fc.uint8Array({ maxLength: 24 }),
                fc.uint8Array({ maxLength: 24 }),
                fc.uint8Array({ maxLength: 80 }),
                fc.boolean(),
            )
            .map(([first, version, dcid, scid, rest, padded]) => {
                const head = Buffer.from([first, 0, 0, 0, 0, dcid.length, ...dcid, scid.length, ...scid, ...rest]);
                head.writeUInt32BE(version, 1);
                return padded ? Buffer.concat([head, Buffer.alloc(Math.max(0, 1_200 - head.length))]) : head;
            });
        const changed = fc
            .tuple(
                fc.constantFrom(...originals),
                fc.array(fc.tuple(fc.nat(1_300), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
                fc.option(fc.nat(1_200)),
            )
            .map(([original, changes, length]) => {
                const datagram = Buffer.from(original);
                for (const [at, byte] of changes) datagram[at % datagram.length] = byte;
                return length === null ? datagram : datagram.subarray(0, length);
            });
        const datagrams = sample(fc.oneof(noise, header, { weight: 2, arbitrary: changed }), 0.25);
        const sockets = await Promise.all([bound(), bound(), bound()]);
        await withoutGrowth(async () => {
            for (const [n, socket] of sockets.entries()) {
                await throwAt(
                    socket,
                    datagrams.filter((_, at) => at % sockets.length === n),
                );
            }
        });
        for (const socket of sockets) socket.close();
        await expectAlive();
    });

    test("messages that are JSON, and some that are not, on good streams", async () => {
        const value = fc.jsonValue({ maxDepth: 3 });
        const field = fc.oneof(
            { weight: 3, arbitrary: fc.constantFrom("", "edged", "twin", "resource", "keepalive", "node", "query") },
            { weight: 1, arbitrary: value },
        );
        const envelope = fc.record(
            {
                header: fc.record({ msg_id: field, parent_msg_id: field, timestamp: value }, { requiredKeys: [] }),
                route: fc.record({ source: field, group: field, operation: field, resource: field }),
                content: value,
            },
            { requiredKeys: [] },
        );
        const text = fc.oneof(
            { weight: 60, arbitrary: fc.oneof(envelope, value).map((made) => JSON.stringify(made)) },
            { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
        );
        const messages = sample(fc.tuple(text, fc.constantFrom(0, 0, 0, 4)), 0.24);
        await withoutGrowth(async () => {
            let client = await RawQuic.open(port, tls, hello);
            for (const [at, [message, stream]] of messages.entries()) {
                if (client.over) client = await RawQuic.open(port, tls, hello);
                await client.write(stream, messageFrame(message));
                if (at % 100 === 99) await client.settled();
            }
            await client.settled();
            client.cut(1000, "");
            await client.ended();
        });
        await expectAlive();
    });

    test("frames, hellos and stream endings that nobody should send", async () => {
        const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
        const lied = fc.tuple(fc.integer({ min: 0, max: 0xffff_ffff }), bytes).map(([length, rest]) => {
            const frame = Buffer.concat([Buffer.alloc(4), rest]);
            frame.writeUInt32BE(length);
            return frame;
        });
        const goodbye = fc.oneof(fc.jsonValue(), fc.record({ code: fc.integer(), reason: fc.string() })).map((said) => {
            const frame = messageFrame(JSON.stringify(said));
            frame.writeUInt32BE((frame.length - 4 + 0x8000_0000) >>> 0);
            return frame;
        });
        const steps = fc.array(
            fc.record({
                what: fc.constantFrom("write", "write", "write", "last", "stop reading", "stop writing", "cut"),
                bytes: fc.oneof(bytes, lied, goodbye, fc.constant(messageFrame("{}"))),
                stream: fc.constantFrom(0, 0, 4, 8, 2, 1),
                code: fc.nat(0xffff),
            }),
            { minLength: 4, maxLength: 4 },
        );
        const sessions = sample(fc.record({ greeted: fc.boolean(), steps }), 0.02 / 4);
        const play = async ({ greeted, steps }: (typeof sessions)[number]): Promise<void> => {
            const client = await RawQuic.open(port, tls, greeted ? hello : undefined);
            for (const { what, bytes, stream, code } of steps) {
                if (what === "write" || what === "last") await client.write(stream, bytes, what === "last");
                else if (what === "cut") client.cut(code, "fuzz");
                else client.shutdown(stream, what === "stop reading" ? 0 : 1, code);
                await client.settled();
            }
            client.cut(1000, "");
            await client.ended();
        };
        await withoutGrowth(async () => {
            for (const session of sessions) await play(session);
        });
        await expectAlive();
    });
});
