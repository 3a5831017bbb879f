// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { CloudHub } from "../../src/cloud/cloudhub/index.ts";
import type { Component } from "../../src/core/component.ts";
import type { EdgeHub, EdgeHubConfig } from "../../src/edge/edgehub/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../src/envelope/envelope.ts";
import { Kinds } from "../../src/kube/types.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { STORE_ID } from "../../src/store/store-id.ts";
import { makeCloudHub, makeEdgeHub, SOON, Tap } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";
import { TestPki } from "../support/link/test-pki.ts";

const pki = new TestPki();
let transport: "websocket" | "quic" = "websocket";
const started: Component[] = [];

afterEach(async () => {
    await Promise.all(started.splice(0).map((component) => component.stop()));
});

async function up<T extends Component>(component: T): Promise<T> {
    started.push(component);
    await component.start();
    return component;
}

function configMap(name: string, version: string, uid = `uid-${name}`): Envelope {
    return newEnvelope({
        node: "edge-1",
        route: {
            source: "edgecontroller",
            group: "resource",
            operation: "update",
            resource: `default/configmap/${name}`,
        },
        resourceVersion: version,
        content: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { namespace: "default", name, uid, resourceVersion: version },
            data: { version },
        },
    });
}

/** Acknowledges every push, as MetaManager does after storing. */
function acknowledge(edge: EdgeHub): void {
    edge.on("output", (output, envelope) => {
        if (output !== "resources" || envelope.header.parent_msg_id !== undefined) return;
        void edge.receive(responseTo(envelope, "OK"));
    });
}

/** How an edge of this run reaches a CloudHub. */
const via = ({ ports }: CloudHub): Partial<EdgeHubConfig> => ({
    transport,
    ...(ports.quic ? { quicPort: ports.quic } : {}),
});

async function joined(cluster = new MemoryCluster(), store = new MemoryStore()) {
    const cloud = await up(makeCloudHub(pki, cluster, { quic: transport === "quic" ? "on" : "off", quicPort: 0 }));
    const fromCloud = new Tap(cloud);
    const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, via(cloud), store);
    const fromEdge = new Tap(edge);
    acknowledge(edge);
    await up(edge);
    await fromCloud.output("nodes", "connect", "node/edge-1");
    expect((await fromEdge.output("link", "connect", "link")).content).toMatchObject({ transport });
    return { cloud, edge, fromCloud, fromEdge, cluster, store };
}

async function recorded(cluster: MemoryCluster, count: number): Promise<readonly string[]> {
    const versions = (): string[] =>
        cluster.all(Kinds.objectSync).map((object) => {
            const { objectResourceVersion } = (object["status"] ?? {}) as { objectResourceVersion?: string };
            return `${object.metadata.name} ${objectResourceVersion}`;
        });
    await expect.poll(() => versions().length, SOON).toBe(count);
    await expect.poll(() => versions().every((line) => !line.endsWith("undefined")), SOON).toBe(true);
    return versions();
}

describe.each(["websocket", "quic"] as const)("a Redge edge on a Redge cloud over %s", (over) => {
    beforeAll(() => {
        transport = over;
    });

    test("joins, takes pushes in order and has its acknowledgements recorded", async () => {
        const { cloud, fromEdge, cluster } = await joined();
        for (let n = 1; n <= 20; n += 1) await cloud.receive(configMap(`c${n}`, String(100 + n)));
        await fromEdge.output("resources", "update", "default/configmap/c20");
        const order = fromEdge.taken.filter(({ output }) => output === "resources");
        expect(order.map(({ envelope }) => envelope.route.resource)).toEqual(
            Array.from({ length: 20 }, (_, n) => `default/configmap/c${n + 1}`),
        );
        expect(await recorded(cluster, 20)).toContain("edge-1.uid-c7 107");
    });

    test("is offered again only what differs, and told what is gone", async () => {
        const { cloud, edge, fromEdge, fromCloud, cluster, store } = await joined();
        await cloud.receive(configMap("kept", "5"));
        await cloud.receive(configMap("changed", "6"));
        await cloud.receive(configMap("gone", "7"));
        await recorded(cluster, 3);
        await edge.stop();
        await fromCloud.output("nodes", "disconnect", "node/edge-1");
        fromCloud.clear();

        const again = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, via(cloud), store);
        const fromAgain = new Tap(again);
        acknowledge(again);
        await up(again);
        await fromCloud.output("nodes", "connect", "node/edge-1");
        await cloud.receive(configMap("kept", "5"));
        await cloud.receive(configMap("changed", "8"));
        await cloud.receive(
            newEnvelope({
                node: "edge-1",
                route: { source: "edgecontroller", group: "resource", operation: "sync", resource: "node/edge-1" },
                content: { kinds: ["ConfigMap"], uids: ["uid-kept", "uid-changed"] },
            }),
        );
        const deletion = await fromAgain.output("resources", "delete", "default/configmap/gone");
        expect(deletion.content).toMatchObject({ metadata: { uid: "uid-gone", name: "gone", namespace: "default" } });
        const pushed = fromAgain.taken.filter(({ output }) => output === "resources");
        expect(pushed.map(({ envelope }) => envelope.route.resource)).toEqual([
            "default/configmap/changed",
            "default/configmap/gone",
        ]);
        await expect.poll(() => cluster.all(Kinds.objectSync).length, SOON).toBe(2);
        expect(fromEdge.taken.length).toBeGreaterThan(0);
    });

    test("is refilled when it lost its store", async () => {
        const { cloud, edge, fromCloud, cluster } = await joined();
        await cloud.receive(configMap("kept", "5"));
        await recorded(cluster, 1);
        await edge.stop();
        await fromCloud.output("nodes", "disconnect");
        fromCloud.clear();
        const wiped = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket, via(cloud));
        const fromWiped = new Tap(wiped);
        await up(wiped);
        await fromCloud.output("nodes", "connect");
        await cloud.receive(configMap("kept", "5"));
        await fromWiped.output("resources", "update", "default/configmap/kept");
    });

    test("is refilled at once when it says that it lost records", async () => {
        const { cloud, edge, fromCloud, fromEdge, cluster, store } = await joined();
        await cloud.receive(configMap("a", "101"));
        await recorded(cluster, 1);
        await store.write([{ op: "delete", key: STORE_ID }]);
        const route = { source: "metamanager", group: "hub", operation: "renew", resource: "store" };
        fromCloud.clear();
        fromEdge.clear();
        await edge.receive(newEnvelope({ route, content: null }));
        await fromCloud.output("nodes", "connect");
        await cloud.receive(configMap("a", "101"));
        await fromEdge.output("resources", "update", "default/configmap/a");
        expect(await store.get(STORE_ID)).toEqual(expect.any(String));
    });

    test("keeps its uplink over a cloud restart, in order, and only the cloud's answer empties it", async () => {
        const cluster = new MemoryCluster();
        const store = new MemoryStore();
        const { cloud, edge, fromCloud } = await joined(cluster, store);
        const { websocket: websocketPort, quic: quicPort = 0 } = cloud.ports;
        await cloud.stop();
        for (let n = 1; n <= 5; n += 1) await edge.receive(event(n));
        const next = makeCloudHub(pki, cluster, { websocketPort, quic: transport === "quic" ? "on" : "off", quicPort });
        const fromNext = new Tap(next);
        next.on("output", (output, envelope) => {
            if (output === "resources") void next.receive(responseTo(envelope, "OK"));
        });
        await up(next);
        await fromNext.output("resources", "insert", "default/event/e5");
        const events = fromNext.taken.filter(({ output }) => output === "resources").map(({ envelope }) => envelope);
        expect(events.map(({ route }) => route.resource)).toEqual([1, 2, 3, 4, 5].map((n) => `default/event/e${n}`));
        expect(events.every(({ header }) => header.sync === true)).toBe(true);
        await expect.poll(async () => (await store.scan("item/")).length, SOON).toBe(0);
        expect(fromCloud.taken.some(({ output }) => output === "resources")).toBe(false);
    });

    test("answers its own askers when the cloud does not", async () => {
        const edge = await up(makeEdgeHub(pki.edgeIdentity("edge-1"), 9, { requestTimeoutMs: 100 }));
        const fromEdge = new Tap(edge);
        const query = newEnvelope({
            route: { source: "edged", group: "meta", operation: "query", resource: "default/configmap/a" },
            content: null,
        });
        await edge.receive(query);
        const answer = await fromEdge.output("resources", "error", "default/configmap/a");
        expect(answer.header.parent_msg_id).toBe(query.header.msg_id);
    });

    test("hands requests and answers to and fro", async () => {
        const { cloud, edge, fromCloud, fromEdge } = await joined();
        const query = newEnvelope({
            route: { source: "edged", group: "meta", operation: "query", resource: "default/configmap/a" },
            content: null,
        });
        await edge.receive(query);
        const asked = await fromCloud.output("resources", "query", "default/configmap/a");
        expect(asked.node).toBe("edge-1");
        expect(asked.header.sync).toBeUndefined();
        await cloud.receive(responseTo(asked, { kind: "ConfigMap" }, { source: "edgecontroller", group: "resource" }));
        const answer = await fromEdge.output("resources", "response", "default/configmap/a");
        expect(answer.header.parent_msg_id).toBe(query.header.msg_id);
        expect(answer.content).toEqual({ kind: "ConfigMap" });
    });
});

function event(n: number): Envelope {
    return newEnvelope({
        route: { source: "edged", group: "meta", operation: "insert", resource: `default/event/e${n}` },
        content: { metadata: { name: `e${n}` } },
    });
}

describe("who may join", () => {
    async function refusedReason(cloud: CloudHub, edge: EdgeHub): Promise<string> {
        const reasons: string[] = [];
        edge.on("state", ({ text, params }) => {
            if (text === "offline") reasons.push(String(params?.["reason"]));
        });
        await up(edge);
        await expect.poll(() => reasons.length, SOON).toBeGreaterThan(0);
        expect(cloud.online).toEqual([]);
        return reasons[0] ?? "";
    }

    test("not with another node's certificate", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1", pki.node("edge-2")), cloud.ports.websocket);
        expect(await refusedReason(cloud, edge)).toContain("403");
    });

    test("not with another authority's certificate", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const stranger = { ...new TestPki().node("edge-1"), caPem: pki.caPem };
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1", stranger), cloud.ports.websocket);
        expect(await refusedReason(cloud, edge)).not.toBe("");
    });

    test("not with an expired certificate", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster()));
        const expired = pki.node("edge-1", { notAfterMs: Date.now() - 1000 });
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1", expired), cloud.ports.websocket);
        expect(await refusedReason(cloud, edge)).not.toBe("");
    });

    test("not beyond the node limit", async () => {
        const cloud = await up(makeCloudHub(pki, new MemoryCluster(), { nodeLimit: 1 }));
        const first = makeEdgeHub(pki.edgeIdentity("edge-1"), cloud.ports.websocket);
        const fromFirst = new Tap(first);
        await up(first);
        await fromFirst.output("link", "connect");
        const reasons: string[] = [];
        const second = makeEdgeHub(pki.edgeIdentity("edge-2"), cloud.ports.websocket);
        second.on("state", ({ text, params }) => {
            if (text === "offline") reasons.push(String(params?.["reason"]));
        });
        await up(second);
        await expect.poll(() => reasons[0], SOON).toContain("503");
        expect(cloud.online).toEqual(["edge-1"]);
    });
});

afterAll(() => {
    expect(started).toEqual([]);
});
