// SPDX-License-Identifier: Apache-2.0
import { createServer as createHttpServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { CloudHub } from "../../src/cloud/cloudhub/index.ts";
import type { Component, ComponentState } from "../../src/core/component.ts";
import type { EdgeHub } from "../../src/edge/edgehub/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../src/envelope/envelope.ts";
import { Kinds } from "../../src/kube/types.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { makeCloudHub, makeEdgeHub, SOON, Tap } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";
import { Relay } from "../support/link/relay.ts";
import { TestPki } from "../support/link/test-pki.ts";

const pki = new TestPki();
const started: Component[] = [];
const cleanup: (() => Promise<unknown>)[] = [];

afterEach(async () => {
    await Promise.all(started.splice(0).map((component) => component.stop()));
    await Promise.all(cleanup.splice(0).map((clean) => clean()));
});

async function up<T extends Component>(component: T): Promise<T> {
    started.push(component);
    await component.start();
    return component;
}

function acknowledge(edge: EdgeHub): void {
    edge.on("output", (output, envelope) => {
        if (output === "resources" && envelope.header.parent_msg_id === undefined) {
            void edge.receive(responseTo(envelope, "OK"));
        }
    });
}

function configMap(name: string, version: string): Envelope {
    return newEnvelope({
        node: "edge-1",
        route: {
            source: "edgecontroller",
            group: "resource",
            operation: "update",
            resource: `default/configmap/${name}`,
        },
        resourceVersion: version,
        content: { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", uid: `uid-${name}` } },
    });
}

function upload(n: number): Envelope {
    return newEnvelope({ route: { source: "bus", group: "user", operation: "upload", resource: "t" }, content: n });
}

async function deleteNode(cloud: CloudHub): Promise<void> {
    const route = { source: "edgecontroller", group: "resource", operation: "delete", resource: "null/node/edge-1" };
    await cloud.receive(newEnvelope({ node: "edge-1", route, content: null }));
}

describe("two CloudHubs behind one address", () => {
    test("an edge that lands on the other one gets only what differs", async () => {
        const cluster = new MemoryCluster();
        const [a, b] = [await up(makeCloudHub(pki, cluster)), await up(makeCloudHub(pki, cluster))];
        const [fromA, fromB] = [new Tap(a), new Tap(b)];
        const relay = new Relay(a.ports.websocket);
        await relay.start();
        cleanup.push(() => relay.stop());
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), relay.port);
        const fromEdge = new Tap(edge);
        acknowledge(edge);
        await up(edge);
        await fromA.output("nodes", "connect");
        await a.receive(configMap("same", "3"));
        await a.receive(configMap("changed", "4"));
        await expect
            .poll(() => cluster.all(Kinds.objectSync).map((object) => JSON.stringify(object["status"] ?? {})), SOON)
            .toHaveLength(2);
        await expect
            .poll(() => cluster.all(Kinds.objectSync).every((object) => object["status"] !== undefined), SOON)
            .toBe(true);

        relay.target = b.ports.websocket;
        fromEdge.clear();
        relay.cut();
        await fromB.output("nodes", "connect");
        await fromA.output("nodes", "disconnect");
        await b.receive(configMap("same", "3"));
        await b.receive(configMap("changed", "5"));
        await fromEdge.output("resources", "update", "default/configmap/changed");
        const pushed = fromEdge.taken.filter(({ output }) => output === "resources");
        expect(pushed.map(({ envelope }) => envelope.route.resource)).toEqual(["default/configmap/changed"]);
        await a.receive(configMap("changed", "6"));
        expect(b.online).toEqual(["edge-1"]);
        expect(a.online).toEqual([]);
    });
});

describe("a session", () => {
    test("gives way to a newer connection of the same node, which stays", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const fromCloud = new Tap(cloud);
        const reasons: string[] = [];
        const old = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, {
            reconnectFirstMs: 60_000,
            reconnectMaxMs: 60_000,
        });
        old.on("output", (output, { route, content }) => {
            if (output === "link" && route.operation === "disconnect")
                reasons.push((content as { reason: string }).reason);
        });
        await up(old);
        await fromCloud.output("nodes", "connect");
        fromCloud.clear();
        await up(makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket));
        await fromCloud.output("nodes", "connect");
        await expect
            .poll(() => reasons, SOON)
            .toEqual(["not connected yet", "another connection of this node took over"]);
        expect(cloud.online).toEqual(["edge-1"]);
        expect(fromCloud.taken.filter(({ envelope }) => envelope.route.operation === "disconnect")).toEqual([]);
    });

    test("ends when the Node is deleted, with everything on record about it", async () => {
        const cluster = new MemoryCluster();
        const cloud = await up(makeCloudHub(pki, cluster));
        const fromCloud = new Tap(cloud);
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket);
        acknowledge(edge);
        await up(edge);
        await fromCloud.output("nodes", "connect");
        await cloud.receive(configMap("a", "1"));
        await expect.poll(() => cluster.all(Kinds.objectSync).length, SOON).toBe(1);
        await deleteNode(cloud);
        const left = await fromCloud.output("nodes", "disconnect");
        expect(left.content).toMatchObject({ code: 4003 });
        await expect.poll(() => cluster.all(Kinds.objectSync).length, SOON).toBe(0);
    });

    test("ends without keepalives", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster(), { keepaliveIntervalMs: 1_000 }));
        const fromCloud = new Tap(cloud);
        await up(
            makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, {
                heartbeatMs: 29_000,
                reconnectFirstMs: 60_000,
                reconnectMaxMs: 60_000,
            }),
        );
        const left = await fromCloud.output("nodes", "disconnect");
        expect(left.content).toMatchObject({ code: 4002 });
    });

    test("is held back when it floods, loses nothing by it, and the status line says so", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster(), { messagesPerSecond: 200 }));
        const fromCloud = new Tap(cloud);
        const states: ComponentState[] = [];
        cloud.on("state", (state) => states.push(state));
        const edge = await up(makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket));
        await Promise.all(Array.from({ length: 500 }, (_, n) => edge.receive(upload(n))));
        await expect.poll(() => fromCloud.taken.filter(({ output }) => output === "user").length, SOON).toBe(500);
        const numbers = fromCloud.taken
            .filter(({ output }) => output === "user")
            .map(({ envelope }) => envelope.content);
        expect(numbers).toEqual(Array.from({ length: 500 }, (_, n) => n));
        await expect.poll(() => states.some(({ text }) => text === "flooded"), SOON).toBe(true);
    });
});

describe("EdgeHub", () => {
    test("reaches the cloud through an HTTP forward proxy, with its password", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const asked: (string | undefined)[] = [];
        const proxy = await forwardProxy((authority, credentials) => {
            asked.push(authority, credentials);
        });
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, {
            proxy: `http://ann:s%40cret@127.0.0.1:${proxy}`,
        });
        const tap = new Tap(edge);
        await up(edge);
        await tap.output("link", "connect");
        const basic = `Basic ${Buffer.from("ann:s@cret").toString("base64")}`;
        expect(asked).toEqual([`127.0.0.1:${cloud.ports.websocket}`, basic]);
    });

    test("uses one port for certificates and messages when the cloud has one", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster(), { singlePort: true }));
        expect(cloud.ports.https).toBe(cloud.ports.websocket);
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket);
        const tap = new Tap(edge);
        await up(edge);
        await tap.output("link", "connect");
        const stranger = { ...new TestPki().node("edge-2"), caPem: pki.caPem };
        const refused: string[] = [];
        const other = makeEdgeHub(pki.edgeIdentity("edge-2", stranger), cloud.ports.websocket);
        other.on("state", ({ params }) => refused.push(String(params?.["reason"] ?? "")));
        await up(other);
        await expect.poll(() => refused.some((reason) => reason.includes("401")), SOON).toBe(true);
    });

    test("is back by itself after an outage, and asks its queries again", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const fromCloud = new Tap(cloud);
        const relay = new Relay(cloud.ports.websocket);
        await relay.start();
        cleanup.push(() => relay.stop());
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), relay.port, { reconnectFirstMs: 250 });
        const fromEdge = new Tap(edge);
        await up(edge);
        await fromEdge.output("link", "connect");
        const route = { source: "edged", group: "meta", operation: "query", resource: "default/configmap/a" };
        await edge.receive(newEnvelope({ route, content: null }));
        await fromCloud.output("resources", "query");
        const patch = { source: "edged", group: "meta", operation: "patch", resource: "null/nodepatch/edge-1" };
        await edge.receive(newEnvelope({ route: patch, content: "{}" }));
        await fromCloud.output("resources", "patch");
        fromCloud.clear();
        await relay.stop();
        await fromEdge.output("resources", "error", "null/nodepatch/edge-1");
        fromEdge.clear();
        const endedMs = performance.now();
        await relay.start();
        await fromEdge.output("link", "connect");
        console.log(`back ${Math.round(performance.now() - endedMs)} ms after an outage ended`);
        await fromCloud.output("resources", "query");
    });

    test("keeps its outbox when the process ends", async () => {
        const store = new MemoryStore();
        const edge = await up(makeEdgeHub(pki.edgeIdentity("edge-1"), 9, {}, store));
        await edge.receive(upload(1));
        await edge.stop();
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const fromCloud = new Tap(cloud);
        await up(makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, {}, store));
        expect((await fromCloud.output("user", "upload")).content).toBe(1);
    });
});

async function forwardProxy(
    asked: (authority: string | undefined, credentials: string | undefined) => void,
): Promise<number> {
    const server: Server = createHttpServer();
    server.on("connect", (request, client, head) => {
        asked(request.url, request.headers["proxy-authorization"]);
        const [host = "", port] = (request.url ?? "").split(":");
        const target = connect(Number(port), host, () => {
            client.write("HTTP/1.1 200 Connection established\r\n\r\n");
            target.write(head);
            client.pipe(target).pipe(client);
        });
        for (const end of [client, target]) end.on("error", () => {});
        cleanup.push(async () => target.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanup.push(async () => server.close());
    return (server.address() as AddressInfo).port;
}
