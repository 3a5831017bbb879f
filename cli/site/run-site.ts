// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { CLOUD_NODE_FLAGS, MALLOC_FOR_MANY_CONNECTIONS } from "../host/cloud-heap.ts";
import { EDGE_MALLOC, EDGE_NODE_FLAGS } from "../host/edge-heap.ts";
import { BOILER_PORT, claimPorts, kubeconfigPath, localCloudUrls, redgeHome } from "../host/environment.ts";
import { checkPorts } from "../host/ports.ts";
import { ADMIN_USER, ensureFolder, keptSecret } from "../host/secrets.ts";
import { applyDemo } from "./demo.ts";
import { createSiteToken } from "./join-token.ts";
import { waitForNode } from "./node-ready.ts";
import { RoleProcess } from "./role-process.ts";
import { readSiteRecord, writeSiteRecord } from "./site-record.ts";
import { siteSummary } from "./summary.ts";

const NODE_NAME = "edge";
const NODE_READY_TIMEOUT_MS = 120_000;

/**
 * Runs a cloud side and an edge gateway until a signal; answers the exit code.
 * @throws RedgeError, ReportedFailure when either does not start
 */
export async function runSite(options: { readonly demo: boolean }): Promise<number> {
    const startedMs = systemClock.monotonicMs();
    const home = redgeHome();
    ensureFolder(home);
    process.env["REDGE_NODE_NAME"] ??= NODE_NAME;
    const demo = options.demo || readSiteRecord(home).demoApplied;
    await checkPorts([...claimPorts("cloud"), ...claimPorts("edge", demo ? [BOILER_PORT] : [])]);

    const stopping = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopping.abort());
    const say = (line: string): void => void process.stderr.write(`redge: ${line}\n`);
    const shared = { clock: systemClock, say };
    const cloud = new RoleProcess({
        ...shared,
        role: "cloud",
        nodeFlags: CLOUD_NODE_FLAGS,
        args: ["cloud"],
        env: () => ({ ...MALLOC_FOR_MANY_CONNECTIONS, ...process.env }),
    });
    const edgeArgs = demo ? ["edge", "--demo"] : ["edge"];
    const edgeEnv: NodeJS.ProcessEnv = { ...EDGE_MALLOC, ...process.env };
    const edge = new RoleProcess({
        ...shared,
        role: "edge",
        nodeFlags: EDGE_NODE_FLAGS,
        args: edgeArgs,
        env: () => edgeEnv,
    });
    const ended = new Promise<void>((resolve) => {
        stopping.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
        await Promise.race([
            ended,
            bringUp({ home, demo, cloud, edge, edgeEnv, clock: systemClock }).then((password) => {
                const seconds = (systemClock.monotonicMs() - startedMs) / 1000;
                process.stdout.write(summaryOf(home, demo, password, seconds));
            }),
        ]);
        await ended;
        return 0;
    } finally {
        await Promise.all([edge.stop(), cloud.stop()]);
    }
}

interface BringUp {
    readonly home: string;
    readonly demo: boolean;
    readonly cloud: RoleProcess;
    readonly edge: RoleProcess;
    readonly edgeEnv: NodeJS.ProcessEnv;
    readonly clock: Clock;
}

/** Cloud first, then a token if the gateway has no certificate yet, then the gateway; answers the editors' password. */
async function bringUp({ home, demo, cloud, edge, edgeEnv, clock }: BringUp): Promise<string> {
    await cloud.start();
    const connection = await connectionFromKubeconfig(kubeconfigPath(home));
    const client: KubeClient = createKubeClient(connection, { clock, random: Math.random });
    try {
        const urls = localCloudUrls();
        edgeEnv["REDGE_CLOUD_URL"] ??= urls.join;
        edgeEnv["REDGE_CLOUDHUB_URL"] ??= urls.hub;
        edgeEnv["REDGE_TUNNEL_URL"] ??= urls.tunnel;
        const nodeName = process.env["REDGE_NODE_NAME"] ?? NODE_NAME;
        if (!existsSync(join(home, "edge", "redge", "identity", "certs", "server.crt"))) {
            edgeEnv["REDGE_JOIN_TOKEN"] = await createSiteToken(client, nodeName);
        }
        await edge.start();
        if (!(await waitForNode(client, nodeName, clock, NODE_READY_TIMEOUT_MS))) {
            const reason = `Node ${nodeName} is not Ready in the API`;
            throw new RedgeError("REDGE_CLI_NOT_READY", {
                role: "edge",
                seconds: NODE_READY_TIMEOUT_MS / 1000,
                reason,
            });
        }
        if (demo && !readSiteRecord(home).demoApplied) {
            await applyDemo(client, {
                nodeName,
                boilerPort: process.env[BOILER_PORT.name] ?? String(BOILER_PORT.port),
            });
            writeSiteRecord(home, { demoApplied: true });
        }
    } finally {
        await client.close();
    }
    return keptSecret(home, "admin-password", 12);
}

function summaryOf(home: string, demo: boolean, password: string, seconds: number): string {
    const host = process.env["REDGE_EDITOR_HOST"] ?? "127.0.0.1";
    return siteSummary({
        cloudEditor: `http://${host}:${process.env["REDGE_CLOUD_EDITOR_PORT"]}`,
        edgeEditor: `http://${host}:${process.env["REDGE_EDGE_EDITOR_PORT"]}`,
        user: ADMIN_USER,
        password,
        kubeconfig: kubeconfigPath(home),
        nodeName: process.env["REDGE_NODE_NAME"] ?? NODE_NAME,
        demo,
        seconds,
    });
}
