// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiServer } from "../../../../src/cloud/controlplane/apiserver/api-server.ts";
import { loadPki, type Pki } from "../../../../src/cloud/controlplane/apiserver/pki.ts";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { authenticated, MASTERS } from "../../../../src/kube/authz/user.ts";
import type { KubeClient } from "../../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../../src/kube/client/https-client.ts";
import { RestClient } from "../../../../src/kube/client/rest-client.ts";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../../src/store/store.ts";

export interface RawAnswer {
    readonly code: number;
    readonly headers: Record<string, unknown>;
    readonly text: string;
    readonly json: Record<string, never> & { readonly [field: string]: unknown };
}

export interface RawRequest {
    readonly method?: string;
    readonly body?: unknown;
    readonly headers?: Record<string, string>;
    /** Without the administrator's certificate. */
    readonly anonymous?: boolean;
}

/** An API server alone (no controllers), on a free port, over a store that outlives it. */
export class ApiHarness {
    readonly store: DocumentStore;
    readonly folder = mkdtempSync(join(tmpdir(), "redge-api-"));
    readonly #clock: Clock;
    #server: ApiServer | undefined;
    #client: KubeClient | undefined;
    #pki: Pki | undefined;

    constructor(store: DocumentStore = new MemoryStore(), clock: Clock = systemClock) {
        this.store = store;
        this.#clock = clock;
    }

    async start(): Promise<void> {
        this.#pki = await loadPki(join(this.folder, "pki"), ["127.0.0.1", "localhost"], systemClock);
        const ports = {
            clock: this.#clock,
            log: silentLogger,
            metrics: noMetrics,
            random: Math.random,
            store: this.store,
        };
        this.#server = new ApiServer({ host: "127.0.0.1", port: 0, pki: this.#pki }, ports);
        await this.#server.start();
        const { admin, caPem } = this.#pki;
        const connection = { server: this.#server.url, caPem, certPem: admin.certPem, keyPem: admin.keyPem };
        this.#client = createKubeClient(connection, { clock: systemClock, random: Math.random });
    }

    async stop(): Promise<void> {
        await this.#client?.close();
        await this.#server?.stop();
    }

    async dispose(): Promise<void> {
        await this.stop();
        rmSync(this.folder, { recursive: true, force: true });
    }

    async restart(): Promise<void> {
        await this.stop();
        await this.start();
    }

    get client(): KubeClient {
        if (this.#client === undefined) throw new Error("not started");
        return this.#client;
    }

    /** The administrator within this process, without a connection. */
    local(): KubeClient {
        if (this.#server === undefined) throw new Error("not started");
        const transport = this.#server.transport(authenticated("kubernetes-admin", [MASTERS]));
        return new RestClient(transport, { clock: systemClock, random: Math.random });
    }

    get url(): string {
        return this.#server?.url ?? "";
    }

    get pki(): Pki {
        if (this.#pki === undefined) throw new Error("not started");
        return this.#pki;
    }

    async namespace(name: string): Promise<void> {
        await this.client.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }

    raw(path: string, { method = "GET", body, headers = {}, anonymous = false }: RawRequest = {}): Promise<RawAnswer> {
        const { caPem, admin } = this.pki;
        const credentials = anonymous ? {} : { cert: admin.certPem, key: admin.keyPem };
        return new Promise((resolve, reject) => {
            const sent = request(
                `${this.url}${path}`,
                { method, ca: caPem, agent: false, headers, ...credentials },
                (answer) => {
                    let text = "";
                    answer.setEncoding("utf8");
                    answer.on("data", (chunk: string) => {
                        text += chunk;
                    });
                    answer.on("end", () => {
                        let json = {};
                        try {
                            json = JSON.parse(text) as object;
                        } catch {
                            json = {};
                        }
                        resolve({
                            code: answer.statusCode ?? 0,
                            headers: answer.headers,
                            text,
                            json: json as RawAnswer["json"],
                        });
                    });
                },
            );
            sent.on("error", reject);
            sent.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
        });
    }
}

export const configMap = (name: string, data: Record<string, string> = {}, namespace = "default"): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
    data,
});

export const pod = (name: string, spec: Record<string, unknown> = {}, namespace = "default"): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: { containers: [{ name: "main", image: "busybox:1.36" }], ...spec },
});
