// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../test/support/free-ports.ts";
import { unmountBelow } from "../test/support/mounts.ts";
import { root, run, type TestSite } from "../test/support/site.ts";

const READY_MS = 90_000;

/** A stock EdgeCore v1.23 in the cloud of a site, as the node `name`, on a containerd of its own. */
export class StockEdge {
    readonly name = "stock";
    readonly #child: ChildProcess;
    readonly #folder: string;

    private constructor(child: ChildProcess, folder: string) {
        this.#child = child;
        this.#folder = folder;
    }

    /** Resolves when its node is Ready. */
    static async start(binary: string, site: TestSite, engineSocket: string): Promise<StockEdge> {
        const folder = mkdtempSync(join(tmpdir(), "redge-bench-edgecore-"));
        const token = await run(process.execPath, [join(root, "dist/cli/redge.js"), "token"], site.env);
        const [kubelet = 0, readOnly = 0] = await freePorts(2);
        const config = configOf({ folder, site, engineSocket, token: token.stdout.trim(), kubelet, readOnly });
        writeFileSync(join(folder, "edgecore.yaml"), JSON.stringify(config), { mode: 0o600 });
        const log = createWriteStream(join(folder, "log"));
        const child = spawn(binary, ["--config", join(folder, "edgecore.yaml")], { stdio: ["ignore", "pipe", "pipe"] });
        child.stdout.pipe(log);
        child.stderr.pipe(log);
        const edge = new StockEdge(child, folder);
        for (const began = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 250))) {
            const path = '{.status.conditions[?(@.type=="Ready")].status}';
            const { stdout } = await site.kubectl(["get", "node", edge.name, "-o", `jsonpath=${path}`]);
            if (stdout === "True") return edge;
            if (child.exitCode === null && performance.now() - began < READY_MS) continue;
            const last = readFileSync(join(folder, "log"), "utf8").split("\n").slice(-15).join("\n");
            await edge.stop();
            throw new Error(`EdgeCore did not become Ready:\n${last}`);
        }
    }

    get pid(): number {
        return this.#child.pid ?? 0;
    }

    async stop(): Promise<void> {
        if (this.#child.exitCode === null && this.#child.signalCode === null) {
            const ended = new Promise((resolve) => this.#child.once("exit", resolve));
            this.#child.kill("SIGKILL");
            await ended;
        }
        unmountBelow(this.#folder);
        rmSync(this.#folder, { recursive: true, force: true });
    }
}

interface Places {
    readonly folder: string;
    readonly site: TestSite;
    readonly engineSocket: string;
    readonly token: string;
    readonly kubelet: number;
    readonly readOnly: number;
}

/** What `edgecore --minconfig` prints, with the ports of the site and everything below one folder. */
function configOf({ folder, site, engineSocket, token, kubelet, readOnly }: Places): object {
    const endpoint = `unix://${engineSocket}`;
    return {
        apiVersion: "edgecore.config.kubeedge.io/v1alpha2",
        kind: "EdgeCore",
        database: { aliasName: "default", dataSource: join(folder, "edgecore.db"), driverName: "sqlite3" },
        modules: {
            edgeHub: {
                enable: true,
                heartbeat: 15,
                httpServer: `https://127.0.0.1:${site.port("REDGE_CLOUDHUB_HTTPS_PORT")}`,
                tlsCaFile: join(folder, "ca/rootCA.crt"),
                tlsCertFile: join(folder, "certs/server.crt"),
                tlsPrivateKeyFile: join(folder, "certs/server.key"),
                token,
                quic: { enable: false },
                websocket: { enable: true, server: `127.0.0.1:${site.port("REDGE_CLOUDHUB_PORT")}` },
            },
            edgeStream: { enable: false },
            edged: {
                enable: true,
                hostnameOverride: "stock",
                nodeIP: "127.0.0.1",
                rootDirectory: join(folder, "edged"),
                tailoredKubeletConfig: {
                    address: "127.0.0.1",
                    port: kubelet,
                    readOnlyPort: readOnly,
                    cgroupDriver: "cgroupfs",
                    // A kubelet ends what it does not know below its own.
                    cgroupRoot: "/",
                    cgroupsPerQOS: false,
                    enforceNodeAllocatable: [],
                    containerRuntimeEndpoint: endpoint,
                    imageServiceEndpoint: endpoint,
                    failCgroupV1: false,
                    failSwapOn: false,
                    podLogsDir: join(folder, "podlogs"),
                    staticPodPath: join(folder, "static"),
                },
            },
            eventBus: { enable: false },
            metaManager: { enable: true, metaServer: { enable: false } },
            deviceTwin: { enable: true, dmiSockPath: join(folder, "dmi.sock") },
            serviceBus: { enable: false },
            taskManager: { enable: false },
        },
    };
}
