// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../../src/cloud/cloudhub/index.ts";
import {
    EdgeController,
    type EdgeControllerConfig,
    edgeControllerConfig,
} from "../../../src/cloud/edgecontroller/index.ts";
import type { Component } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { errorText } from "../../../src/core/errors/redge-error.ts";
import { createLogger } from "../../../src/core/log.ts";
import { type Metrics, noMetrics } from "../../../src/core/metrics.ts";
import { decodeEnvelope, encodeEnvelope } from "../../../src/envelope/codec.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { Kinds } from "../../../src/kube/types.ts";
import type { Closed, LinkConnection } from "../../../src/link/transport/connection.ts";
import { dialWebSocket } from "../../../src/link/transport/dial.ts";
import { dialQuic } from "../../../src/link/transport/quic/dial.ts";
import { SOON, testPorts } from "../../support/link/ends.ts";
import { MemoryCluster } from "../../support/link/memory-cluster.ts";
import { dialOptions } from "../../support/link/pairs.ts";
import { TestPki } from "../../support/link/test-pki.ts";

const VALUE = "bm90IGZvciB5b3U=";
const pki = new TestPki();

/** One edge node that says what the test lets it say, and acknowledges what it is pushed. */
class Edge {
    readonly heard: Envelope[] = [];
    readonly closed: Promise<Closed>;
    readonly #connection: LinkConnection;
    #wake = (): void => {};

    constructor(connection: LinkConnection) {
        this.#connection = connection;
        this.closed = new Promise((resolve) =>
            connection.open({ message: (text) => this.#take(text), closed: resolve }),
        );
    }

    /** The answer, and how the connection ended if it did before the answer to another question came. */
    async ask(operation: string, resource: string, content: unknown = null): Promise<Envelope> {
        const request = newEnvelope({ route: { source: "edged", group: "meta", operation, resource }, content });
        this.#connection.send(encodeEnvelope(request));
        return await this.first(({ header }) => header.parent_msg_id === request.header.msg_id);
    }

    async first(fits: (envelope: Envelope) => boolean): Promise<Envelope> {
        for (;;) {
            const found = this.heard.find(fits);
            if (found !== undefined) return found;
            await new Promise<void>((resolve) => {
                this.#wake = resolve;
            });
        }
    }

    leave(): void {
        this.#connection.destroy();
    }

    #take(text: string): void {
        const envelope = decodeEnvelope(text);
        if (envelope.header.parent_msg_id === undefined)
            this.#connection.send(encodeEnvelope(responseTo(envelope, "OK")));
        this.heard.push(envelope);
        this.#wake();
    }
}

describe.each(["websocket", "quic"] as const)("over %s, a node that asks", (transport) => {
    let cluster: MemoryCluster;
    let hub: CloudHub;
    let controller: EdgeController;
    let said: string[];
    let counts: Map<string, number>;
    const started: Component[] = [];
    const edges: Edge[] = [];

    beforeEach(async () => {
        cluster = new MemoryCluster();
        for (const [name, nodeName] of [
            ["own", "edge-1"],
            ["other", "edge-2"],
        ] as const) {
            const metadata = { name, namespace: "default" };
            await cluster.create(Kinds.secret, { apiVersion: "v1", kind: "Secret", metadata, data: { word: VALUE } });
            await cluster.create(Kinds.configMap, { apiVersion: "v1", kind: "ConfigMap", metadata });
            await cluster.create(Kinds.serviceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata });
            await cluster.create(Kinds.pod, {
                apiVersion: "v1",
                kind: "Pod",
                metadata,
                spec: {
                    nodeName,
                    serviceAccountName: name,
                    containers: [
                        { name: "c", image: "none", envFrom: [{ secretRef: { name } }, { configMapRef: { name } }] },
                    ],
                },
            });
        }
        await startCloud();
    });

    afterEach(async () => {
        for (const edge of edges.splice(0)) edge.leave();
        await Promise.all(started.splice(0).map((component) => component.stop()));
    });

    async function startCloud(authorization: "node" | "kubeedge" = "node"): Promise<void> {
        await Promise.all(started.splice(0).map((component) => component.stop()));
        said = [];
        counts = new Map();
        const metrics: Metrics = {
            ...noMetrics,
            counter: (name) => ({ add: (by = 1) => counts.set(name, (counts.get(name) ?? 0) + by) }),
        };
        const log = createLogger((level, text, fields) => said.push(`${level} ${text} ${JSON.stringify(fields)}`));
        const ports = { ...testPorts, log, metrics, cluster };
        const raw = { websocketPort: 0, httpsPort: 0, quic: "on", quicPort: 0, authorization };
        const identity = pki.cloudIdentity();
        hub = new CloudHub(parseConfig<CloudHubConfig>(cloudHubConfig, raw), { ...ports, identity });
        controller = new EdgeController(
            parseConfig<EdgeControllerConfig>(edgeControllerConfig, { authorization }),
            ports,
        );
        hub.on("output", (output, envelope) => {
            if (output !== "nodes" && output !== "resources") return;
            // As the node in the flow does: what it did not take is an error of the message.
            controller.receive(envelope).catch((thrown: unknown) => log.error(errorText(thrown)));
        });
        controller.on("output", (_output, envelope) => void hub.receive(envelope));
        started.push(hub, controller);
        await controller.start();
        await hub.start();
    }

    async function join(): Promise<Edge> {
        const options = dialOptions(pki.node("edge-1"));
        const { websocket, quic = 0 } = hub.ports;
        const { connection } =
            transport === "quic"
                ? await dialQuic({ ...options, host: "127.0.0.1", port: quic })
                : await dialWebSocket({
                      ...options,
                      url: `wss://127.0.0.1:${websocket}`,
                      proxy: undefined,
                      ticket: undefined,
                      onTicket: () => {},
                  });
        const edge = new Edge(connection);
        edges.push(edge);
        return edge;
    }

    const token = async () => {
        const pod = await cluster.get({ type: Kinds.pod, namespace: "default", name: "other" });
        return { spec: { boundObjectRef: { kind: "Pod", name: "other", uid: pod.metadata.uid } } };
    };

    const strange: [string, string, string, () => unknown][] = [
        ["for another node's Secret", "query", "default/secret/other", () => null],
        ["for a Secret that there is not", "query", "default/secret/guessed", () => null],
        ["for another node's ConfigMap", "query", "default/configmap/other", () => null],
        ["for a token of another node's pod", "query", "default/serviceaccounttoken/other", token],
        ["for another Node", "query", "null/node/edge-2", () => null],
        ["to change another Node", "patch", "null/nodepatch/edge-2", () => "{}"],
        ["to renew another node's lease", "update", "kube-node-lease/lease/edge-2", () => ({})],
    ];

    test.each(strange)("%s is refused and cut off", async (_, operation, resource, content) => {
        const edge = await join();
        const answer = await edge.ask(operation, resource, await content());
        expect(JSON.stringify(answer.content)).toMatch(
            /may not (query|patch|update) .*(it is another node's|its pods)/,
        );
        expect((await edge.closed).code).toBe(1008);
        expect(hub.online).toEqual([]);
        const line = said.find((one) => one.startsWith("warn") && one.includes("cut off")) ?? "";
        expect(line).toContain('"node":"edge-1"');
        expect(line).toContain(resource);
        expect(said.join()).not.toContain(VALUE);
        expect(counts.get("redge_cloudhub_cut_off_total")).toBe(1);
        expect(counts.get("redge_edgecontroller_failures_total")).toBe(1);
        // It may come again, and gets what is its own.
        const again = await join();
        expect((await again.ask("query", "default/secret/own")).content).toMatchObject({ data: { word: VALUE } });
    });

    /** Refused with words and in the log, and still connected: it is answered when it asks for something else. */
    async function expectKept(edge: Edge): Promise<void> {
        const { route, content } = await edge.ask("query", "default/secret/own");
        expect({ operation: route.operation, content }).toEqual({
            operation: "error",
            content: expect.stringContaining("may not query default/secret/own"),
        });
        expect((await edge.ask("query", "default/configmap/second")).route.operation).toBe("response");
        expect(hub.online).toEqual(["edge-1"]);
        expect(said.filter((line) => line.includes("may not query default/secret/own"))).toHaveLength(1);
        expect(counts.get("redge_cloudhub_cut_off_total")).toBeUndefined();
    }

    async function secondPod(): Promise<void> {
        const metadata = { name: "second", namespace: "default" };
        await cluster.create(Kinds.configMap, { apiVersion: "v1", kind: "ConfigMap", metadata });
        const volumes = [{ name: "v", configMap: { name: "second" } }];
        const spec = { nodeName: "edge-1", containers: [], volumes };
        await cluster.create(Kinds.pod, { apiVersion: "v1", kind: "Pod", metadata, spec });
    }

    test("for what a pod of it used, is refused and kept", async () => {
        const edge = await join();
        await edge.first(({ route }) => route.resource === "default/pod/own");
        await secondPod();
        await cluster.delete({ type: Kinds.pod, namespace: "default", name: "own" });
        await edge.first(({ route }) => route.operation === "delete" && route.resource === "default/pod/own");
        await expectKept(edge);
    });

    test("for what it acknowledged before the cloud was started again, is refused and kept", async () => {
        const before = await join();
        await before.first(({ route }) => route.resource === "default/pod/own");
        const recorded = () => cluster.all(Kinds.objectSync).filter((record) => record["status"] !== undefined).length;
        await expect.poll(recorded, SOON).toBe(3);
        await cluster.delete({ type: Kinds.pod, namespace: "default", name: "own" });
        await secondPod();
        await startCloud();
        const edge = await join();
        await edge.first(({ route }) => route.operation === "delete" && route.resource === "default/secret/own");
        await expectKept(edge);
    });

    test("for what a pod needs that was bound this very moment, gets it", async () => {
        const edge = await join();
        await edge.first(({ route }) => route.resource === "default/pod/own");
        await cluster.create(Kinds.secret, {
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: "new", namespace: "default" },
        });
        const containers = [{ name: "c", envFrom: [{ secretRef: { name: "new" } }] }];
        const metadata = { name: "new", namespace: "default" };
        const asked = edge.ask("query", "default/secret/new");
        await cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata,
            spec: { nodeName: "edge-1", containers },
        });
        expect((await asked).content).toMatchObject({ kind: "Secret", metadata: { name: "new" } });
    });

    test("gets whatever it asks for and stays, where the rules are KubeEdge's", async () => {
        await startCloud("kubeedge");
        const edge = await join();
        expect((await edge.ask("query", "default/secret/other")).content).toMatchObject({ data: { word: VALUE } });
        expect((await edge.ask("query", "default/secret/own")).content).toMatchObject({ data: { word: VALUE } });
        expect(hub.online).toEqual(["edge-1"]);
    });
});
