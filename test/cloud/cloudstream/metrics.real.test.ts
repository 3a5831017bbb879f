// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request } from "node:https";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CloudStream, type CloudStreamConfig, cloudStreamConfig } from "../../../src/cloud/cloudstream/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { ComponentState } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { eventually } from "../../support/eventually.ts";
import { kubectl, type RealKube, realKube, startRealKube } from "../../support/kube.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { testPorts } from "../../support/link/ends.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";
import { Streams } from "./harness.ts";

const PUBLISHED = { type: Kinds.configMap, namespace: "kube-system", name: "extension-apiserver-authentication" };
const APISERVICE = "v1beta1.metrics.k8s.io";

/** An address beyond loopback, which Endpoints may have. */
function ownAddress(): string | undefined {
    const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return found.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

const network = {
    name: "a network",
    probe: () => (ownAddress() === undefined ? "this machine has no address beyond loopback" : undefined),
};

/** What a kubelet tells: `millicores` of the node, a tenth of it by the container "main" of each pod. */
function kubeletOf(node: string, millicores: number, ...pods: string[]) {
    const usage = (share: number) => ({
        cpu: { usageNanoCores: millicores * share * 1e6 },
        memory: { workingSetBytes: 256 * share * 2 ** 20 },
    });
    const summary = {
        node: { nodeName: node, ...usage(1) },
        pods: pods.map((name) => ({
            podRef: { name, namespace: "default", uid: name },
            containers: [{ name: "main", ...usage(0.1) }],
        })),
    };
    return createServer((asked, response) => {
        if (asked.url === "/stats/summary") response.end(JSON.stringify(summary));
        else response.end(`${asked.url} of ${node}, authorization ${asked.headers.authorization}\n`);
    });
}

describeWith([realKube, kubectl, network], "kubectl top behind a kube-apiserver", () => {
    const clients = new TestPki();
    const proxies = new TestPki();
    const streams = new Streams();
    const gateways = [kubeletOf("edge-1", 500, "hello"), kubeletOf("edge-2", 100, "bye")];
    let kube: RealKube;
    let cluster: KubeClient;
    let asked: Kubectl;
    let cloud: CloudStream;
    const states: string[] = [];

    async function startCloud(config: Partial<CloudStreamConfig>): Promise<CloudStream> {
        const given = { tunnelPort: 0, streamHost: "0.0.0.0", streamPort: 0, ...config };
        const ports = { ...testPorts, identity: streams.pki.cloudIdentity(), cluster };
        const started = new CloudStream(parseConfig<CloudStreamConfig>(cloudStreamConfig, given), ports);
        started.on("state", ({ text }: ComponentState) => states.push(text));
        await started.start();
        return started;
    }
    /** As somebody who reaches the port without being the API server. */
    function ask(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
        return new Promise((resolve, reject) => {
            const options = { host: "127.0.0.1", port: cloud.ports.stream, path, headers, rejectUnauthorized: false };
            const sent = request(options, (answer) => {
                let body = "";
                answer.on("data", (chunk: Buffer) => {
                    body += chunk.toString();
                });
                answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
            });
            sent.on("error", reject);
            sent.end();
        });
    }

    beforeAll(async () => {
        await streams.start();
        const write = (name: string, text: string): string => {
            const path = join(streams.folder, name);
            writeFileSync(path, text, { mode: 0o600 });
            return path;
        };
        const proxy = proxies.client("front-proxy-client");
        kube = await startRealKube({
            scheduler: false,
            controllers: false,
            apiServerFlags: [
                `--client-ca-file=${write("clients.crt", clients.caPem)}`,
                `--requestheader-client-ca-file=${write("proxies.crt", proxies.caPem)}`,
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                `--proxy-client-cert-file=${write("proxy.crt", proxy.certPem)}`,
                `--proxy-client-key-file=${write("proxy.key", proxy.keyPem)}`,
                // As a kube-proxy would lead the Service's address to its endpoint.
                "--enable-aggregator-routing=true",
            ],
        });
        asked = new Kubectl(kube.kubeconfig);
        cluster = createKubeClient(kube.connection, { clock: systemClock, random: Math.random });
        await eventually(() => cluster.get(PUBLISHED));
        await asked.run("create", "namespace", "kubeedge");
        for (const [name, pod] of Object.entries({ "edge-1": "hello", "edge-2": "bye" })) {
            await asked.apply({ apiVersion: "v1", kind: "Node", metadata: { name, labels: { site: name } } });
            const status = { allocatable: { cpu: "1", memory: "1Gi", pods: "10" } };
            await cluster.patch({ type: Kinds.node, name }, { status }, "strategic", { subresource: "status" });
            const spec = { nodeName: name, containers: [{ name: "main", image: "none" }] };
            await asked.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: pod, namespace: "default" }, spec });
        }
        await asked.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "offline" } });
    });
    afterAll(async () => {
        await cloud?.stop();
        await cluster?.close();
        await kube?.stop();
        for (const gateway of gateways) gateway.close();
        await streams.stop();
    });

    test("leaves a metrics-server alone that is registered already", async () => {
        await asked.apply({
            apiVersion: "apiregistration.k8s.io/v1",
            kind: "APIService",
            metadata: { name: APISERVICE },
            spec: {
                group: "metrics.k8s.io",
                version: "v1beta1",
                groupPriorityMinimum: 100,
                versionPriority: 100,
                insecureSkipTLSVerify: true,
                service: { name: "metrics-server", namespace: "kube-system" },
            },
        });
        cloud = await startCloud({ metricsApi: "on", streamAddress: `${ownAddress()}:1` });
        await expect.poll(() => states.at(-1)).toBe("tunnelsMetricsElsewhere");
        await cloud.stop();
        const { spec } = await asked.json<{ spec: { service: unknown } }>("get", "apiservice", APISERVICE);
        expect(spec.service).toMatchObject({ name: "metrics-server" });
        await asked.run("delete", "apiservice", APISERVICE);
    });

    test("top node, top pod: of every gateway with a tunnel", async () => {
        cloud = await startCloud({ metricsApi: "on", streamPort: 0, streamAddress: `${ownAddress()}:1` });
        const { stream } = cloud.ports;
        await expect.poll(() => states.at(-1)).toBe("tunnelsMetrics");
        await cloud.stop();
        // The address changes, as that of a pod does that is started again: the next start tells the API server.
        cloud = await startCloud({ metricsApi: "on", streamPort: stream, streamAddress: `${ownAddress()}:${stream}` });
        const tunnel = `wss://127.0.0.1:${cloud.ports.tunnel}`;
        for (const [index, gateway] of gateways.entries()) {
            const path = join(streams.folder, `kubelet-${index}.sock`);
            await new Promise<void>((listening) => gateway.listen(path, listening));
            await streams.connectEdge(`edge-${index + 1}`, tunnel, undefined, path);
        }
        await asked.run("wait", "--for=condition=Available", `apiservice/${APISERVICE}`, "--timeout=120s");
        const rows = async (...args: string[]): Promise<string[][]> =>
            (await asked.run("top", ...args, "--no-headers"))
                .trim()
                .split("\n")
                .map((line) => line.trim().split(/\s+/));
        // Available is said a moment before requests are led there.
        await eventually(async () => {
            expect(await rows("node", "edge-1")).toEqual([["edge-1", "500m", "50%", "256Mi", "25%"]]);
        });
        expect(await rows("node", "-l", "site=edge-2")).toEqual([["edge-2", "100m", "10%", "256Mi", "25%"]]);
        expect(await rows("pod")).toEqual([
            ["bye", "10m", "25Mi"],
            ["hello", "50m", "25Mi"],
        ]);
        expect(await rows("pod", "-A", "--containers")).toEqual(
            expect.arrayContaining([["default", "hello", "main", "50m", "25Mi"]]),
        );
        expect(await rows("pod", "bye")).toEqual([["bye", "10m", "25Mi"]]);
        const missing = await asked.try(["top", "node", "offline"]);
        expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("not found") });
    });

    test("who may not read pods.metrics.k8s.io does not, and nobody but the API server says who asks", async () => {
        await asked.run("create", "serviceaccount", "plain");
        const as = (...more: string[]) =>
            asked.try(["top", "pod", "--as=system:serviceaccount:default:plain", ...more]);
        expect(await as()).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot list resource") });
        await asked.run("create", "role", "usage", "--verb=get,list", "--resource=pods.metrics.k8s.io");
        await asked.run("create", "rolebinding", "usage", "--role=usage", "--serviceaccount=default:plain");
        await eventually(async () => expect((await as()).stdout).toContain("hello"));
        const forged = { "X-Remote-User": "admin", "X-Remote-Group": "system:masters" };
        const path = "/apis/metrics.k8s.io/v1beta1/nodes";
        expect((await ask(path, forged)).status).toBe(401);
    });

    test("usage as metrics-server reads it: by the Node's path, with a token that may get nodes/metrics", async () => {
        const token = (name: string): Promise<string> => {
            const type = { ...Kinds.serviceAccount, kind: "TokenRequest" };
            const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata: { name }, spec: {} };
            return cluster
                .create(type, { ...body, metadata: { name, namespace: "default" } }, { name: "token", of: name })
                .then((made) => String((made["status"] as { token?: unknown }).token));
        };
        await asked.run("create", "serviceaccount", "scraper");
        await asked.run("create", "clusterrole", "scraper", "--verb=get", "--resource=nodes/metrics");
        await asked.run(
            "create",
            "clusterrolebinding",
            "scraper",
            "--clusterrole=scraper",
            "--serviceaccount=default:scraper",
        );
        const path = "/metrics/nodes/edge-2/metrics/resource";
        const bearer = { Authorization: `Bearer ${await token("scraper")}` };
        await eventually(async () => {
            // The token stays in the cloud.
            const body = "/metrics/resource of edge-2, authorization undefined\n";
            expect(await ask(path, bearer)).toEqual({ status: 200, body });
        });
        expect((await ask("/metrics/nodes/edge-1/stats/summary", bearer)).status).toBe(403);
        expect((await ask("/containerLogs/default/hello/main", bearer)).status).toBe(403);
        const plain = { Authorization: `Bearer ${await token("plain")}` };
        expect(await ask(path, plain)).toMatchObject({ status: 403, body: expect.stringContaining("nodes/metrics") });
        expect((await ask(path, { Authorization: "Bearer nonsense" })).status).toBe(403);
        expect((await ask(path)).status).toBe(403);
    });

    test("switched off, it takes its registration away", async () => {
        await cloud.stop();
        cloud = await startCloud({ metricsApi: "off" });
        await eventually(async () => {
            expect((await asked.try(["get", "apiservice", APISERVICE])).stderr).toContain("not found");
            expect((await asked.try(["-n", "kubeedge", "get", "service,endpoints"])).stdout).toBe("");
        });
    });
});
