// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { type MetaServerConfig, metaServerConfig, ServingMetaManager } from "../../../src/edge/metaserver/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";

let folder: string;
let store: MemoryStore;
let meta: ServingMetaManager;
let clock: ManualClock;

async function start(more: Record<string, unknown> = {}): Promise<void> {
    const config = parseConfig<MetaServerConfig>(metaServerConfig, { folder, port: 0, ...more });
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5, store };
    meta = new ServingMetaManager(parseConfig(metaManagerConfig, {}), config, ports);
    await meta.start();
}

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "redge-metaserver-"));
    store = new MemoryStore();
    clock = new ManualClock(Date.now());
    await start();
});
afterEach(async () => {
    await meta.stop();
    rmSync(folder, { recursive: true, force: true });
});

const operatorToken = (): string => readFileSync(join(folder, "operator-token"), "utf8");
const ca = (): string => readFileSync(join(folder, "server.crt"), "utf8");

function object(kind: string, name: string, version: string, more: object = {}, namespace = "default"): KubeObject {
    return {
        apiVersion: "v1",
        kind,
        metadata: { name, namespace, uid: `uid-${name}`, resourceVersion: version },
        ...more,
    };
}

function push(operation: string, type: string, content: KubeObject): Promise<void> {
    const resource = `${content.metadata.namespace}/${type}/${content.metadata.name}`;
    return meta.receive(
        newEnvelope({ route: { source: "edgecontroller", group: "resource", operation, resource }, content }),
    );
}

function linkTo(up: boolean): Promise<void> {
    const operation = up ? "connect" : "disconnect";
    return meta.receive(newEnvelope({ route: { source: "edgehub", operation, resource: "link" }, content: null }));
}

function ask(path: string, token?: string, method = "GET", body?: string): Promise<{ code: number; text: string }> {
    return new Promise((resolve, reject) => {
        const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
        const headers = {
            ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
            ...(body === undefined ? {} : { "Content-Type": type }),
        };
        const sent = request(`${meta.server.url}${path}`, { method, ca: ca(), agent: false, headers }, (answer) => {
            let text = "";
            answer.on("data", (chunk: Buffer) => {
                text += chunk.toString();
            });
            answer.on("end", () => resolve({ code: answer.statusCode ?? 0, text }));
        });
        sent.on("error", reject);
        sent.end(body);
    });
}

/** As Edged gets a token: asks MetaManager, which asks the cloud, which answers. */
async function issueToken(namespace: string, account: string, token: string, expiresInS = 3600): Promise<void> {
    const asked = new Promise<Envelope>((resolve) => {
        const stop = meta.on("output", (output, envelope) => {
            if (output !== "edgehub" || !envelope.route.resource.includes("serviceaccounttoken")) return;
            stop();
            resolve(envelope);
        });
    });
    const resource = `${namespace}/serviceaccounttoken/${account}`;
    const content = { spec: { expirationSeconds: expiresInS } };
    await meta.receive(
        newEnvelope({ route: { source: "edged", group: "meta", operation: "query", resource }, content }),
    );
    const expirationTimestamp = new Date(clock.nowMs() + expiresInS * 1000).toISOString();
    await meta.receive(responseTo(await asked, { ...content, status: { token, expirationTimestamp } }));
}

describe("MetaServer", () => {
    it("offers what the cloud pushed: get, list with selectors, tables; also after a restart without the cloud", async () => {
        await push("update", "configmap", object("ConfigMap", "one", "5", { data: { a: "1" } }));
        await push(
            "update",
            "pod",
            object("Pod", "web", "6", { spec: { containers: [{ name: "c" }] }, status: { phase: "Running" } }),
        );
        const check = async (): Promise<void> => {
            const client = connect();
            const map = await client.get({ type: Kinds.configMap, namespace: "default", name: "one" });
            expect(map["data"]).toEqual({ a: "1" });
            const running = await client.list({ type: Kinds.pod, fieldSelector: "status.phase=Running" });
            expect(running.items.map(({ metadata }) => metadata.name)).toEqual(["web"]);
            expect((await client.list({ type: Kinds.pod, fieldSelector: "status.phase=Failed" })).items).toEqual([]);
            await client.close();
        };
        await check();
        await meta.stop();
        await start();
        await check();
    });

    it("tells changes to watchers, and tells them to list again after a restart", async () => {
        const client = connect();
        const from = (await client.list({ type: Kinds.configMap })).metadata.resourceVersion ?? "";
        const stopped = new AbortController();
        const seen: string[] = [];
        const done = (async () => {
            for await (const { type, object: changed } of client.watch(
                { type: Kinds.configMap, resourceVersion: from },
                stopped.signal,
            )) {
                seen.push(`${type} ${changed.metadata.name}`);
                if (seen.length === 3) return;
            }
        })();
        await push("insert", "configmap", object("ConfigMap", "one", "5"));
        await push("update", "configmap", object("ConfigMap", "one", "6", { data: { a: "2" } }));
        await push("delete", "configmap", object("ConfigMap", "one", "7"));
        await done;
        stopped.abort();
        expect(seen).toEqual(["ADDED one", "MODIFIED one", "DELETED one"]);
        await client.close();
        await meta.stop();
        await clock.advance(5);
        await start();
        expect((await ask(`/api/v1/configmaps?watch=1&resourceVersion=${from}`, operatorToken())).code).toBe(410);
    });

    it("knows the operator by the token in its own folder, and nobody without one", async () => {
        expect(statSync(join(folder, "operator-token")).mode & 0o777).toBe(0o600);
        expect(statSync(meta.server.kubeconfigPath).mode & 0o777).toBe(0o600);
        expect((await ask("/api/v1/pods", operatorToken())).code).toBe(200);
        expect((await ask("/api/v1/pods")).code).toBe(403);
        expect((await ask("/api/v1/pods", "guess")).code).toBe(401);
        expect((await ask("/healthz")).code).toBe(200);
    });

    it("lets a workload read its own namespace with the token the cloud issued, never Secrets, until it expires", async () => {
        await push("update", "configmap", object("ConfigMap", "mine", "5", {}, "shop"));
        await push("update", "secret", object("Secret", "hidden", "5", {}, "shop"));
        await issueToken("shop", "robot", "issued-token", 600);
        await linkTo(false);
        expect((await ask("/api/v1/namespaces/shop/configmaps/mine", "issued-token")).code).toBe(200);
        expect((await ask("/api/v1/namespaces/shop/secrets/hidden", "issued-token")).code).toBe(403);
        expect((await ask("/api/v1/namespaces/other/configmaps", "issued-token")).code).toBe(403);
        expect((await ask("/api/v1/configmaps", "issued-token")).code).toBe(403);
        expect((await ask("/api/v1/namespaces/shop/configmaps/mine", "issued-token", "DELETE")).code).toBe(403);
        await clock.advance(601_000);
        expect((await ask("/api/v1/namespaces/shop/configmaps/mine", "issued-token")).code).toBe(401);
    });

    it("lets a workload write without a link what the cluster let it write before, and nothing else", async () => {
        const path = "/api/v1/namespaces/shop/configmaps/mine";
        await push("update", "configmap", object("ConfigMap", "mine", "5", { data: { a: "1" } }, "shop"));
        await issueToken("shop", "robot", "issued-token");
        const asked: unknown[] = [];
        meta.on("output", (output, envelope) => {
            const content = envelope.content as { Verb?: string; Actor?: string; ReqBody?: string };
            if (output !== "edgehub" || envelope.route.source !== "metaserver") return;
            asked.push([content.Verb, content.Actor]);
            const made = JSON.parse(Buffer.from(content.ReqBody ?? "", "base64").toString()) as KubeObject;
            const answer = { ...made, metadata: { ...made.metadata, resourceVersion: "6" } };
            const RespBody = Buffer.from(JSON.stringify(answer)).toString("base64");
            setImmediate(() => void meta.receive(responseTo(envelope, { Status: "Approved", RespBody })));
        });
        const patch = (value: string) => ask(path, "issued-token", "PATCH", JSON.stringify({ data: { a: value } }));
        await linkTo(false);
        expect(await patch("2")).toMatchObject({ code: 403, text: expect.stringContaining("no link to the cluster") });
        await linkTo(true);
        expect((await patch("3")).code).toBe(200);
        expect(asked).toEqual([["update", "serviceaccount:shop:robot"]]);
        await linkTo(false);
        expect((await patch("4")).code).toBe(200);
        expect((await ask(path, "issued-token", "DELETE")).code).toBe(403);
        const other = "/api/v1/namespaces/shop/secrets/hidden";
        expect((await ask(other, "issued-token", "PATCH", "{}")).code).toBe(403);
        expect(await ask(path, "issued-token")).toMatchObject({ code: 200, text: expect.stringContaining('"a":"4"') });
    });

    it("tells a client when the cluster does not answer, and keeps what was", async () => {
        await push("update", "configmap", object("ConfigMap", "one", "5"));
        await linkTo(true);
        const deleted = ask("/api/v1/namespaces/default/configmaps/one", operatorToken(), "DELETE");
        await new Promise<void>((resolve) => {
            meta.on("output", (_, envelope) => {
                if (envelope.route.source === "metaserver") resolve();
            });
        });
        await linkTo(false);
        expect((await deleted).code).toBe(503);
        expect((await ask("/api/v1/namespaces/default/configmaps/one", operatorToken())).code).toBe(200);
    });

    it("binds a pod that is created here to this node, and refuses one of another", async () => {
        await push("update", "node", {
            ...object("Node", "edge-1", "3"),
            metadata: { name: "edge-1", uid: "n", resourceVersion: "3" },
        });
        await linkTo(false);
        const made = (nodeName?: string): string =>
            JSON.stringify({
                apiVersion: "v1",
                kind: "Pod",
                metadata: { name: `p-${nodeName ?? "here"}` },
                spec: { containers: [{ name: "c", image: "i" }], ...(nodeName === undefined ? {} : { nodeName }) },
            });
        const path = "/api/v1/namespaces/default/pods";
        const created = await ask(path, operatorToken(), "POST", made());
        expect(created.code).toBe(201);
        expect(JSON.parse(created.text)).toMatchObject({ spec: { nodeName: "edge-1" } });
        expect((await ask(path, operatorToken(), "POST", made("edge-2"))).code).toBe(422);
    });

    it("reads logs from Edged, without a cloud", async () => {
        const kubelet = createServer((asked, answer) => answer.end(`log of ${asked.url}`));
        await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
        await meta.stop();
        await start({ kubelet: `http://127.0.0.1:${(kubelet.address() as AddressInfo).port}` });
        await push("update", "pod", object("Pod", "web", "6", { spec: { containers: [{ name: "c" }] } }));
        const log = await ask("/api/v1/namespaces/default/pods/web/log?tailLines=3", operatorToken());
        expect(log.text).toBe("log of /containerLogs/default/web/c?tailLines=3");
        expect((await ask("/api/v1/namespaces/default/pods/nobody/log", operatorToken())).code).toBe(404);
        kubelet.closeAllConnections();
        kubelet.close();
    });

    it("does not keep MetaManager from working when its port is taken", async () => {
        const taken = Number(new URL(meta.server.url).port);
        const config = parseConfig<MetaServerConfig>(metaServerConfig, { folder: join(folder, "second"), port: taken });
        const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5, store: new MemoryStore() };
        const second = new ServingMetaManager(parseConfig(metaManagerConfig, {}), config, ports);
        await expect(second.start()).resolves.toBeUndefined();
        await second.stop();
    });
});

function connect() {
    const token = operatorToken();
    return createKubeClient(
        { server: meta.server.url, caPem: ca(), token: async () => token },
        { clock, random: () => 0.5 },
    );
}
