// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import type { RequestOptions } from "node:https";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { CloudStreamConfig } from "../../../src/cloud/cloudstream/index.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../src/kube/types.ts";
import type { TlsMaterial } from "../../../src/link/identity/ports.ts";
import { decodeTunnelMessage, encodeTunnelMessage, TunnelType } from "../../../src/link/tunnel/message.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { Streams } from "./harness.ts";

const NODES = "/apis/metrics.k8s.io/v1beta1/nodes";
const PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods";
const apiService: ResourceType = {
    group: "apiregistration.k8s.io",
    version: "v1",
    kind: "APIService",
    plural: "apiservices",
    namespaced: false,
};
const service = { type: Kinds.service, namespace: "kubeedge", name: "redge-metrics" };
const endpoints = { ...service, type: Kinds.endpoints };
const registered = { type: apiService, name: "v1beta1.metrics.k8s.io" };

const proxies = new TestPki();
const summary = (node: string, millicores: number): string =>
    JSON.stringify({
        node: {
            nodeName: node,
            cpu: { usageNanoCores: millicores * 1e6 },
            memory: { workingSetBytes: 64 * 2 ** 20 },
        },
        pods: [
            {
                podRef: { name: "hello", namespace: "default" },
                containers: [{ name: "main", cpu: { usageNanoCores: 1e6 }, memory: { workingSetBytes: 2 ** 20 } }],
            },
        ],
    });

let streams: Streams;
beforeEach(() => {
    streams = new Streams();
});
afterEach(() => streams.stop());

/** With an API server that says by whom it will be known. */
async function start(config: Partial<CloudStreamConfig> = {}): Promise<void> {
    await streams.cluster.create(Kinds.configMap, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: "kube-system", name: "extension-apiserver-authentication" },
        data: {
            "requestheader-client-ca-file": proxies.caPem,
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
        },
    });
    for (const name of ["edge-1", "edge-2", "edge-3"])
        await streams.cluster.create(Kinds.node, { apiVersion: "v1", kind: "Node", metadata: { name } });
    await streams.start({ metricsApi: "on", ...config });
}
const certificate = ({ certPem, keyPem }: TlsMaterial): RequestOptions => ({ cert: certPem, key: keyPem });
const admin = { "X-Remote-User": "admin", "X-Remote-Group": "system:masters" };
async function list(path: string): Promise<KubeObject[]> {
    const headers = admin;
    const answer = await streams.ask(path, { ...certificate(proxies.client("front-proxy-client")), headers });
    expect(answer, answer.body).toMatchObject({ status: 200 });
    return (JSON.parse(answer.body) as { items: KubeObject[] }).items;
}

describe("metrics.k8s.io at CloudStream", () => {
    test("tells what gateways tell; one that talks nonsense, or has no tunnel, hides nobody else", async () => {
        await start();
        streams.kubelet.on("request", (_asked, response) => response.end(summary("edge-1", 250)));
        await streams.connectEdge("edge-1");
        // A stock edge relays the body alone.
        const { certPem, keyPem, caPem } = streams.pki.node("edge-2");
        const stock = new WebSocket(`${streams.tunnelUrl}/v1/kubeedge/connect`, {
            cert: certPem,
            key: keyPem,
            ca: caPem,
            headers: { SessionHostNameOverride: "edge-2" },
        });
        let stockSays = summary("edge-2", 750);
        stock.on("message", (raw: Buffer) => {
            const { connectId = 0, type, data } = decodeTunnelMessage(raw) ?? {};
            if (type !== TunnelType.metrics) return;
            expect(JSON.parse(String(data))).toMatchObject({ url: { Path: "/stats/summary" } });
            for (const [kind, text] of [
                [TunnelType.data, stockSays],
                [TunnelType.remove, ""],
            ] as const)
                stock.send(encodeTunnelMessage({ connectId, type: kind, data: Buffer.from(text) }), { binary: false });
        });
        await once(stock, "open");
        const usage = async (): Promise<Record<string, unknown>> =>
            Object.fromEntries((await list(NODES)).map(({ metadata, usage: used }) => [metadata.name, used]));
        expect(await usage()).toEqual({
            "edge-1": { cpu: "250000000n", memory: "65536Ki" },
            "edge-2": { cpu: "750000000n", memory: "65536Ki" },
        });
        // The pod is on edge-1: what another node says of it does not count.
        expect(await list(PODS)).toMatchObject([
            {
                metadata: { name: "hello" },
                containers: [{ name: "main", usage: { cpu: "1000000n", memory: "1024Ki" } }],
            },
        ]);
        stockSays = "nonsense";
        expect(Object.keys(await usage())).toEqual(["edge-1"]);
        stock.close();
    });

    test("believes nobody but the API server, and serves nothing when it is off", async () => {
        await start();
        const status = async (material: TlsMaterial | undefined): Promise<number> => {
            const shown = material === undefined ? {} : certificate(material);
            return (await streams.ask(NODES, { ...shown, headers: admin })).status;
        };
        expect(await status(proxies.client("front-proxy-client"))).toBe(200);
        expect(await status(proxies.client("somebody"))).toBe(401);
        expect(await status(new TestPki().client("front-proxy-client"))).toBe(401);
        expect(await status(proxies.server())).toBe(401);
        expect(await status(undefined)).toBe(401);
        const nobody = await streams.ask(NODES, certificate(proxies.client("front-proxy-client")));
        expect(nobody.status).toBe(401);
        await streams.cloud?.stop();
        await streams.startCloud();
        expect(await status(proxies.client("front-proxy-client"))).toBe(404);
    });

    test("is registered where the API server reaches it, and moves with it", async () => {
        await start({ streamAddress: "127.0.0.1:10003" });
        const { cluster } = streams;
        const found = async (): Promise<KubeObject | undefined> =>
            (await cluster.list({ type: apiService })).items.find(({ metadata }) => metadata.name === registered.name);
        await expect
            .poll(() => found().then((one) => one?.["spec"]))
            .toMatchObject({
                service: { name: "redge-metrics", namespace: "kubeedge", port: 10003 },
            });
        expect((await cluster.get(service))["spec"]).toMatchObject({ type: "ExternalName", externalName: "localhost" });
        const before = (await cluster.get(registered))["spec"] as { caBundle: string };
        await streams.cloud?.stop();
        await streams.startCloud({ metricsApi: "on", streamAddress: "192.0.2.7:10003" });
        await expect
            .poll(() => found().then((one) => one?.["spec"]))
            .toMatchObject({
                service: { port: 443 },
            });
        const after = (await cluster.get(registered))["spec"] as { caBundle: string };
        expect(after.caBundle).not.toBe(before.caBundle);
        expect((await cluster.get(service))["spec"]).toMatchObject({ type: "ClusterIP" });
        expect((await cluster.get(endpoints))["subsets"]).toEqual([
            { addresses: [{ ip: "192.0.2.7" }], ports: [{ name: "https", port: 10003, protocol: "TCP" }] },
        ]);
        await streams.cloud?.stop();
        await streams.startCloud();
        await expect.poll(() => found()).toBeUndefined();
    });
});
