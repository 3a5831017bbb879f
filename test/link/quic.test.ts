// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import type { CloudHub, CloudHubConfig } from "../../src/cloud/cloudhub/index.ts";
import type { Component } from "../../src/core/component.ts";
import type { EdgeHub, EdgeHubConfig } from "../../src/edge/edgehub/index.ts";
import type { EdgeIdentity, TlsMaterial } from "../../src/link/identity/ports.ts";
import type { Dialled, DialOptions } from "../../src/link/transport/dial.ts";
import { dialQuic } from "../../src/link/transport/quic/dial.ts";
import { findQuiche, loadQuiche } from "../../src/link/transport/quic/library.ts";
import { QuicPeer } from "../../src/link/transport/quic/peer.ts";
import { makeCloudHub, makeEdgeHub, SOON, Tap } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";
import { dialOptions, Ear } from "../support/link/pairs.ts";
import { TestPki } from "../support/link/test-pki.ts";
import { bound, UdpRelay } from "../support/link/udp-relay.ts";

const pki = new TestPki();
const started: Component[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
    await Promise.all(started.splice(0).map((component) => component.stop()));
    for (const socket of sockets.splice(0)) socket.close();
});

async function up<T extends Component>(component: T): Promise<T> {
    started.push(component);
    await component.start();
    return component;
}

const quicCloud = (raw: Partial<CloudHubConfig> = {}): Promise<CloudHub> =>
    up(makeCloudHub(pki, new MemoryCluster(), { quic: "on", quicPort: 0, ...raw }));

const edgeOf = (
    cloud: CloudHub,
    raw: Partial<EdgeHubConfig> = {},
    identity: EdgeIdentity = pki.edgeIdentity("edge-1"),
) => makeEdgeHub(identity, cloud.ports.websocket, { transport: "quic", quicPort: cloud.ports.quic ?? 0, ...raw });

/** A UDP port where nobody answers: as if something on the way let nothing through. */
async function silentPort(): Promise<number> {
    const socket = await bound();
    sockets.push(socket);
    return socket.address().port;
}

function dial(port: number | undefined, tls: TlsMaterial, more: Partial<DialOptions> = {}): Promise<Dialled> {
    return dialQuic({ ...dialOptions(tls), ...more, host: "127.0.0.1", port: port ?? 0 });
}

function query(n: number): string {
    const route = { source: "edged", group: "meta", operation: "query", resource: "default/configmap/a" };
    return JSON.stringify({ header: { msg_id: `q${n}`, timestamp: 1 }, route, content: null });
}

/** Resolves with the error code that the cloud ends the connection with. */
async function handshakeWithoutCertificate(port: number): Promise<number> {
    const quiche = await loadQuiche();
    const config = quiche.Config.withBoringSslCtx(true, false, Buffer.from(pki.caPem), null, null, null);
    config.setApplicationProtos(["redge-link/1"]);
    const socket = await bound();
    const remote = { host: "127.0.0.1", port };
    const local = { host: "127.0.0.1", port: socket.address().port };
    const native = quiche.Connection.connect(null, randomBytes(16), local, remote, config);
    await new Promise<void>((resolve) => {
        const peer = new QuicPeer(native, local, (datagram) => socket.send(datagram, port, "127.0.0.1"), {
            established: () => {},
            progress: () => {},
            ended: () => resolve(),
        });
        socket.on("message", (datagram) => peer.receive(datagram, remote));
    });
    socket.close();
    return native.peerError()?.errorCode ?? 0;
}

const hello = (nodeName: string): Pick<DialOptions, "hello"> => ({
    hello: { nodeName, projectId: "p", session: { version: 1, store: "s", window: 16 } },
});

describe("who may join over QUIC", () => {
    test("a node with its certificate; not without one of this CA, not with an expired one, not as another node", async () => {
        const cloud = await quicCloud();
        const { quic } = cloud.ports;
        const good = await dial(quic, pki.node("edge-1"));
        expect(good.redge).toEqual({ version: 1, window: 1024 });
        good.connection.destroy();

        const strange = { ...new TestPki().node("edge-1"), caPem: pki.caPem };
        await expect(dial(quic, strange)).rejects.toThrow(/unknown_ca/);
        const expired = pki.node("edge-1", { notAfterMs: Date.now() - 1_000 });
        await expect(dial(quic, expired)).rejects.toThrow(/certificate_expired/);
        // A certificate for servers is none for a node.
        await expect(dial(quic, pki.server())).rejects.toThrow(/unsupported_certificate/);
        await expect(dial(quic, pki.node("edge-2"))).rejects.toMatchObject({
            code: "REDGE_LINK_REFUSED",
            message: expect.stringContaining("403"),
        });
        await expect(dial(quic, pki.node("edge-1"), hello(""))).rejects.toThrow(/400/);
        await expect.poll(() => cloud.online, SOON).toEqual([]);
    });

    test("nobody without a certificate", async () => {
        const { ports } = await quicCloud();
        await expect(handshakeWithoutCertificate(ports.quic ?? 0)).resolves.toBe(0x100 + 116);
    });

    test("an edge does not talk to a cloud of another CA, nor to one of another name", async () => {
        const { ports } = await quicCloud();
        const other = { ...pki.node("edge-1"), caPem: new TestPki().caPem };
        await expect(dial(ports.quic, other)).rejects.toThrow(/unknown_ca/);
        const named = pki.cloudIdentity(["cloud.example"]);
        const elsewhere = makeCloudHub(pki, new MemoryCluster(), { quic: "on", quicPort: 0 }, named);
        await up(elsewhere);
        await expect(dial(elsewhere.ports.quic, pki.node("edge-1"))).rejects.toThrow(/not for 127\.0\.0\.1/);
    });

    test("not beyond the node limit", async () => {
        const cloud = await quicCloud({ nodeLimit: 1 });
        const first = await dial(cloud.ports.quic, pki.node("edge-1"));
        await expect(dial(cloud.ports.quic, pki.node("edge-2"), hello("edge-2"))).rejects.toThrow(/503/);
        expect(cloud.online).toEqual(["edge-1"]);
        first.connection.destroy();
    });
});

describe("a session over QUIC", () => {
    test("is replaced by the node's newer connection, whichever transport that has", async () => {
        const cloud = await quicCloud();
        const first = new Ear((await dial(cloud.ports.quic, pki.node("edge-1"))).connection);
        const second = new Ear((await dial(cloud.ports.quic, pki.node("edge-1"))).connection);
        await first.until(() => first.endings.length > 0);
        expect(first.endings[0]?.code).toBe(4001);
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket);
        const tap = new Tap(edge);
        await up(edge);
        await tap.output("link", "connect");
        await second.until(() => second.endings.length > 0);
        expect(second.endings[0]?.code).toBe(4001);
        expect(cloud.online).toEqual(["edge-1"]);
    });

    test("that sends too fast is slowed, and nothing of it is lost", async () => {
        const cloud = await quicCloud({ messagesPerSecond: 50 });
        const tap = new Tap(cloud);
        const { connection } = await dial(cloud.ports.quic, pki.node("edge-1"));
        new Ear(connection);
        const throttled = new Promise<void>((resolve) => {
            cloud.on("state", ({ text }) => {
                if (text === "flooded") resolve();
            });
        });
        for (let n = 0; n < 100; n += 1) connection.send(query(n));
        await tap.first(({ envelope }) => envelope.header.msg_id === "q99");
        await throttled;
        const order = tap.taken
            .filter(({ output }) => output === "resources")
            .map(({ envelope }) => envelope.header.msg_id);
        expect(order).toEqual(Array.from({ length: 100 }, (_, n) => `q${n}`));
    });

    test("of which the cloud knows nothing any more after a kill is told so, and comes back", async () => {
        const cluster = new MemoryCluster();
        const identity = pki.cloudIdentity();
        const before = makeCloudHub(pki, cluster, { quic: "on", quicPort: 0 }, identity);
        await before.start();
        const port = before.ports.quic ?? 0;
        // In the way of what the ending cloud would say: the edge must not hear it.
        const relay = await UdpRelay.start(port);
        const { connection } = await dial(relay.port, pki.node("edge-1"));
        const ear = new Ear(connection);
        relay.deaf = true;
        await before.stop();
        relay.deaf = false;
        await up(makeCloudHub(pki, cluster, { quic: "on", quicPort: port }, identity));
        connection.ping();
        await ear.until(() => ear.endings.length > 0);
        expect(ear.endings[0]?.code).toBe(1006);
        relay.stop();
    });
});

describe("when QUIC does not get through", () => {
    async function connected(edge: EdgeHub): Promise<unknown> {
        const tap = new Tap(edge);
        await up(edge);
        return (await tap.output("link", "connect")).content;
    }

    test("the link is WebSocket, says so, and changes to QUIC when that works", async () => {
        const cloud = await quicCloud();
        const relay = await UdpRelay.start(cloud.ports.quic ?? 0);
        relay.deaf = true;
        const edge = edgeOf(cloud, { quicPort: relay.port, quicTimeoutMs: 200, quicRetryMs: 300 });
        const states: string[] = [];
        edge.on("state", ({ level, text }) => states.push(`${level} ${text}`));
        const tap = new Tap(edge);
        expect(await connected(edge)).toMatchObject({ transport: "websocket" });
        await expect.poll(() => states, SOON).toContain("busy fallback");
        relay.deaf = false;
        await tap.first(({ envelope }) => (envelope.content as { transport?: string }).transport === "quic");
        await expect.poll(() => states, SOON).toContain("ready quic");
        expect(cloud.online).toEqual(["edge-1"]);
        relay.stop();
    });

    test("nor when the CloudHub does not listen for it", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        expect(cloud.ports.quic).toBeUndefined();
        const edge = edgeOf(cloud, { quicPort: await silentPort(), quicTimeoutMs: 200 });
        expect(await connected(edge)).toMatchObject({ transport: "websocket" });
    });

    test("but a refusal is a refusal", async () => {
        const cloud = await quicCloud();
        const edge = edgeOf(cloud, {}, pki.edgeIdentity("edge-1", pki.node("edge-2")));
        const reasons: string[] = [];
        edge.on("state", ({ level, text, params }) => {
            if (text === "offline") reasons.push(`${level} ${params?.["reason"]}`);
        });
        await up(edge);
        await expect.poll(() => reasons[0], SOON).toMatch(/^disconnected .*quic:.*403/);
    });

    test("a port that is taken keeps QUIC alone from working", async () => {
        const states: string[] = [];
        const cloud = makeCloudHub(pki, new MemoryCluster(), { quic: "on", quicPort: await silentPort() });
        cloud.on("state", ({ level, text, params }) => states.push(`${level} ${text} ${params?.["reason"] ?? ""}`));
        await up(cloud);
        await expect.poll(() => states.at(-1), SOON).toMatch(/^busy lacking .*cannot listen on .*udp/);
        expect(await connected(edgeOf(cloud, { quicPort: 9, quicTimeoutMs: 200 }))).toMatchObject({
            transport: "websocket",
        });
    });
});

describe("the QUIC library", () => {
    test("is said to be missing in words that help, and looked for under both names", async () => {
        const asked: string[] = [];
        const missing = findQuiche(async (name) => {
            asked.push(name);
            throw new Error(`Cannot find package '${name}'`);
        });
        await expect(missing).rejects.toMatchObject({
            code: "REDGE_LINK_QUIC_LIBRARY",
            message: expect.stringMatching(/@matrixai\/quic/),
        });
        expect(asked).toHaveLength(2);
        const real = { quiche: await loadQuiche() };
        const second = findQuiche(async (name) => {
            if (name.startsWith("@matrixai")) throw new Error("no build");
            return real;
        });
        expect(await second).toBe(real.quiche);
    });
});
