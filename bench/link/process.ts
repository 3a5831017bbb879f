// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLOUD_NODE_FLAGS, MALLOC_FOR_MANY_CONNECTIONS } from "../../cli/host/cloud-heap.ts";
import type { TestPki } from "../../test/support/link/test-pki.ts";
import type { ApiKind } from "./cluster.ts";
import type { Job } from "./server-jobs.ts";
import { load } from "./transport.ts";

export interface ServerOptions {
    readonly authorization?: "node" | "kubeedge";
    /** CloudHub alone, without controllers. */
    readonly bare?: boolean;
    readonly api?: ApiKind;
    /** The API server and nothing else. */
    readonly apiOnly?: boolean;
}

/** The serving process: started, asked, killed, started again on the same port. */
export class ServerProcess {
    readonly #pki: TestPki;
    readonly #options: ServerOptions;
    readonly #folder = mkdtempSync(join(tmpdir(), "redge-bench-"));
    readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
    readonly #tls;
    #child: ChildProcess | undefined;
    #lastId = 0;
    port = 0;
    /** When the load goes over QUIC. */
    quicPort: number | undefined;
    what = "";
    /** Of an administrator of the embedded API server. */
    kubeconfig = "";

    constructor(pki: TestPki, options: ServerOptions = {}) {
        this.#pki = pki;
        this.#options = options;
        this.#tls = this.#pki.server();
    }

    async start(): Promise<void> {
        const path = join(this.#folder, "options.json");
        const options = {
            authorization: "node",
            bare: false,
            apiOnly: false,
            api: "memory",
            ...this.#options,
            port: this.port,
            quic: load.transport === "quic" ? "on" : "off",
            quicPort: this.quicPort ?? 0,
            tls: this.#tls,
        };
        writeFileSync(path, JSON.stringify(options), { mode: 0o600 });
        const child = fork(process.argv[1] ?? "", ["--serve", path], {
            // As `redge cloud` starts.
            execArgv: ["--expose-gc", ...CLOUD_NODE_FLAGS],
            env: { ...MALLOC_FOR_MANY_CONNECTIONS, ...process.env },
        });
        this.#child = child;
        child.on("message", (message: { id: number; result?: unknown; failure?: string }) => {
            const waiting = this.#waiting.get(message.id);
            this.#waiting.delete(message.id);
            if (message.failure === undefined) waiting?.resolve(message.result as never);
            else waiting?.reject(new Error(message.failure));
        });
        child.on("exit", (code) => {
            for (const { reject } of this.#waiting.values()) reject(new Error(`the server ended (${code})`));
            this.#waiting.clear();
        });
        const ready = await this.#wait<{ port: number; quicPort?: number; what: string; kubeconfig?: string }>(0);
        this.port = ready.port;
        this.quicPort = ready.quicPort;
        this.what = ready.what;
        this.kubeconfig = ready.kubeconfig ?? "";
    }

    ask<T>(job: Job): Promise<T> {
        this.#lastId += 1;
        const answer = this.#wait<T>(this.#lastId);
        this.#child?.send({ ...job, id: this.#lastId });
        return answer;
    }

    async kill(): Promise<void> {
        const child = this.#child;
        this.#child = undefined;
        this.#waiting.clear();
        if (child === undefined || child.exitCode !== null) return;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
    }

    async remove(): Promise<void> {
        await this.kill();
        rmSync(this.#folder, { recursive: true, force: true });
    }

    #wait<T>(id: number): Promise<T> {
        return new Promise<T>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    }
}
