// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { errorText } from "../../src/core/errors/redge-error.ts";
import { fetchCa, orderCertificate } from "../../src/link/identity/bootstrap-client.ts";
import { splitToken } from "../../src/link/identity/join-token.ts";
import { keyPem, newKey } from "../../src/link/identity/key-pair.ts";
import type { TlsMaterial } from "../../src/link/identity/ports.ts";
import { createCsr, toPem } from "../../src/link/identity/x509.ts";
import { freePorts } from "../../test/support/free-ports.ts";
import { pause, pki } from "./harness.ts";
import { ServerProcess } from "./process.ts";

const READY_MS = 60_000;

/** A stock CloudCore on Redge's embedded API server, each a process of its own, for the same load. */
export class StockCloud {
    readonly api: ServerProcess;
    readonly port: number;
    readonly #child: ChildProcess;
    readonly #folder: string;
    readonly #url: string;
    readonly #jwt: string;
    readonly #caPem: string;

    private constructor(api: ServerProcess, child: ChildProcess, folder: string, ports: Ports, token: Token) {
        this.api = api;
        this.#child = child;
        this.#folder = folder;
        this.port = ports.websocket;
        this.#url = `https://127.0.0.1:${ports.https}`;
        this.#jwt = token.jwt;
        this.#caPem = token.caPem;
    }

    /** @param binary path of CloudCore v1.23 */
    static async start(binary: string, nodeLimit: number): Promise<StockCloud> {
        const api = new ServerProcess(pki, { api: "embedded", apiOnly: true });
        const folder = mkdtempSync(join(tmpdir(), "redge-bench-cloudcore-"));
        await api.start();
        const [websocket = 0, https = 0, monitor = 0, router = 0, tunnel = 0] = await freePorts(5);
        const ports = { websocket, https };
        const places = { folder, kubeconfig: api.kubeconfig, monitor, router, tunnel, ...ports };
        const config = configOf({ nodeLimit, ...places });
        writeFileSync(join(folder, "cloudcore.yaml"), stringify(config), { mode: 0o600 });
        const child = spawn(binary, ["--config", join(folder, "cloudcore.yaml")], {
            stdio: ["ignore", "pipe", "pipe"],
        });
        const log = join(folder, "log");
        const written = createWriteStream(log);
        child.stdout.pipe(written);
        child.stderr.pipe(written);
        try {
            const token = await ready(api, child, `https://127.0.0.1:${https}`);
            return new StockCloud(api, child, folder, ports, token);
        } catch (thrown) {
            child.kill("SIGKILL");
            await api.remove();
            const last = readFileSync(log, "utf8").split("\n").slice(-15).join("\n");
            rmSync(folder, { recursive: true, force: true });
            throw new Error(`CloudCore did not start: ${errorText(thrown)}\n${last}`);
        }
    }

    /** A certificate as an EdgeCore gets its own: with the join token and a request of its own key. */
    async certificate(node: string): Promise<TlsMaterial> {
        const { key } = newKey();
        const csrDer = createCsr(
            [
                ["O", "system:nodes"],
                ["CN", `system:node:${node}`],
            ],
            key,
        );
        const order = { nodeName: node, csrDer, caPem: this.#caPem, proof: { jwt: this.#jwt } };
        const issued = await orderCertificate({ url: this.#url }, order);
        return { certPem: toPem("CERTIFICATE", issued), keyPem: keyPem(key), caPem: this.#caPem };
    }

    /** What CloudCore's process uses: resident bytes, and milliseconds of processor time so far. */
    used(): { readonly rss: number; readonly cpuMs: number } {
        const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
        const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        // utime and stime (proc_pid_stat(5)), in ticks of 10 ms.
        const ticks = Number(fields[11]) + Number(fields[12]);
        return { rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024, cpuMs: ticks * 10 };
    }

    async remove(): Promise<void> {
        if (this.#child.exitCode === null && this.#child.signalCode === null) {
            const ended = new Promise((resolve) => this.#child.once("exit", resolve));
            this.#child.kill("SIGKILL");
            await ended;
        }
        await this.api.remove();
        rmSync(this.#folder, { recursive: true, force: true });
    }
}

interface Ports {
    readonly websocket: number;
    readonly https: number;
}

interface Token {
    readonly jwt: string;
    readonly caPem: string;
}

/** Waits until CloudCore has put its join token into the API and serves the CA that the token vouches for. */
async function ready(api: ServerProcess, child: ChildProcess, url: string): Promise<Token> {
    let last: unknown;
    for (const began = performance.now(); performance.now() - began < READY_MS; await pause(250)) {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        try {
            const data = await api.ask<Record<string, string>>({
                job: "secret",
                namespace: "kubeedge",
                name: "tokensecret",
            });
            const { caHash, jwt } = splitToken(Buffer.from(data["tokendata"] ?? "", "base64").toString());
            return { jwt, caPem: toPem("CERTIFICATE", await fetchCa({ url }, caHash)) };
        } catch (thrown) {
            last = thrown;
        }
    }
    throw last;
}

interface Places extends Ports {
    readonly nodeLimit: number;
    readonly folder: string;
    readonly kubeconfig: string;
    readonly monitor: number;
    readonly router: number;
    readonly tunnel: number;
}

function configOf({ nodeLimit, folder, kubeconfig, websocket, https, monitor, router, tunnel }: Places) {
    const on = (port: number) => ({ enable: true, address: "127.0.0.1", port });
    return {
        apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
        kind: "CloudCore",
        kubeAPIConfig: { kubeConfig: kubeconfig, contentType: "application/json", qps: 5000, burst: 10_000 },
        modules: {
            cloudHub: {
                enable: true,
                advertiseAddress: ["127.0.0.1"],
                // Not more than needed: CloudCore sets aside memory for each edge in proportion to it.
                nodeLimit,
                https: on(https),
                websocket: on(websocket),
                unixsocket: { enable: false, address: `unix://${folder}/kubeedge.sock` },
                quic: { enable: false },
                tlsCAFile: join(folder, "ca/rootCA.crt"),
                tlsCAKeyFile: join(folder, "ca/rootCA.key"),
                tlsCertFile: join(folder, "certs/server.crt"),
                tlsPrivateKeyFile: join(folder, "certs/server.key"),
                tlsStreamCAFile: join(folder, "ca/streamCA.crt"),
            },
            cloudStream: { enable: false },
            router: { ...on(router), enable: false },
            edgeController: { enable: true, nodeUpdateFrequency: 10 },
            deviceController: { enable: true },
            syncController: { enable: true },
            dynamicController: { enable: true },
            nodeUpgradeJobController: { enable: false },
            iptablesManager: { enable: false },
        },
        commonConfig: {
            tunnelPort: tunnel,
            monitorServer: { bindAddress: `127.0.0.1:${monitor}`, enableProfiling: false },
        },
    };
}
