// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type RequestOptions, request } from "node:https";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudStream, type CloudStreamConfig, cloudStreamConfig } from "../../../src/cloud/cloudstream/index.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { EdgeStream } from "../../../src/edge/edgestream/index.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { testPorts } from "../../support/link/ends.ts";
import { MemoryCluster } from "../../support/link/memory-cluster.ts";
import { TestPki } from "../../support/link/test-pki.ts";

export interface Answer {
    readonly status: number;
    readonly headers: NodeJS.Dict<string | string[]>;
    readonly body: string;
}

/** A cloud with CloudStream, one gateway with EdgeStream, and an HTTP server in Edged's place. */
export class Streams {
    readonly pki = new TestPki();
    readonly cluster = new MemoryCluster();
    /** Answers at the gateway; set its listeners before asking. */
    readonly kubelet: Server = createServer();
    readonly #edges: EdgeStream[] = [];
    cloud: CloudStream | undefined;
    folder = "";

    async start(config: Partial<CloudStreamConfig> = {}): Promise<void> {
        this.folder = await mkdtemp(join(tmpdir(), "redge-streams-"));
        await new Promise<void>((resolve) => this.kubelet.listen(this.kubeletPath, resolve));
        await this.cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "hello", namespace: "default" },
            spec: { nodeName: "edge-1" },
        });
        await this.startCloud(config);
    }

    async startCloud(config: Partial<CloudStreamConfig> = {}): Promise<void> {
        const given = { tunnelPort: 0, streamPort: 0, ...config };
        const parsed = parseConfig<CloudStreamConfig>(cloudStreamConfig, given);
        const ports = { ...testPorts, identity: this.pki.cloudIdentity(), cluster: this.cluster };
        this.cloud = new CloudStream(parsed, ports);
        await this.cloud.start();
    }

    get kubeletPath(): string {
        return join(this.folder, "kubelet.sock");
    }

    get tunnelUrl(): string {
        return `wss://127.0.0.1:${this.cloud?.ports.tunnel}`;
    }

    /** Starts an EdgeStream and waits for its tunnel. */
    async connectEdge(
        node = "edge-1",
        cloudUrl = this.tunnelUrl,
        proxy?: string,
        kubeletPath = this.kubeletPath,
    ): Promise<EdgeStream> {
        const given = { cloudUrl, kubelet: `unix:${kubeletPath}`, nodeAddress: "192.0.2.2" };
        const config = proxy === undefined ? given : { ...given, proxy };
        const edge = new EdgeStream(config, { ...testPorts, identity: this.pki.edgeIdentity(node) });
        this.#edges.push(edge);
        const connected = new Promise<void>((resolve) => {
            edge.on("state", ({ level }) => {
                if (level === "ready") resolve();
            });
        });
        await edge.start();
        await connected;
        return edge;
    }

    /** Asks as the API server does. */
    options(path: string, options: RequestOptions = {}): RequestOptions {
        const port = this.cloud?.ports.stream;
        return { host: "127.0.0.1", port, path, agent: false, rejectUnauthorized: false, ...options };
    }

    ask(path: string, options: RequestOptions = {}): Promise<Answer> {
        return new Promise((resolve, reject) => {
            const sent = request(this.options(path, options), (answer) => {
                let body = "";
                answer.setEncoding("latin1");
                answer.on("data", (chunk: string) => {
                    body += chunk;
                });
                answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
                answer.on("error", reject);
            });
            sent.on("error", reject);
            sent.end();
        });
    }

    /** Upgrades as the API server does for exec; answers the 101's headers and the socket behind it. */
    upgrade(path: string): Promise<{ readonly headers: NodeJS.Dict<string | string[]>; readonly socket: Socket }> {
        return new Promise((resolve, reject) => {
            const headers = { Connection: "Upgrade", Upgrade: "SPDY/3.1" };
            const sent = request(this.options(path, { method: "POST", headers }));
            sent.on("upgrade", (answer, socket) => resolve({ headers: answer.headers, socket }));
            sent.on("response", (answer) => reject(new Error(`answered ${answer.statusCode}`)));
            sent.on("error", reject);
            sent.end();
        });
    }

    async stop(): Promise<void> {
        await Promise.all(this.#edges.map((edge) => edge.stop()));
        await this.cloud?.stop();
        this.kubelet.closeAllConnections();
        this.kubelet.close();
        await rm(this.folder, { recursive: true });
    }
}
