// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ClusterConnection } from "../../src/kube/client/connection.ts";
import { eventually } from "./eventually.ts";
import { freePorts } from "./free-ports.ts";
import type { Part } from "./requires.ts";

const ASSETS = resolve(import.meta.dirname, "../../../shared/kube/assets");

/** kube-apiserver, kube-scheduler and kube-controller-manager 1.20.2, and etcd. */
export const realKube: Part = {
    name: "real Kubernetes control plane",
    probe: () => {
        if (!existsSync(ASSETS)) return "no Kubernetes binaries beside the project (../shared/kube)";
        return spawnSync("sh", ["-c", "command -v etcd"]).status === 0 ? undefined : "etcd is not installed";
    },
};

/** kubectl, for what users type. */
export const kubectl: Part = {
    name: "kubectl",
    probe: () => (spawnSync("sh", ["-c", "command -v kubectl"]).status === 0 ? undefined : "kubectl is not installed"),
};

export interface RealKubeOptions {
    /** Run kube-scheduler; default true. */
    readonly scheduler?: boolean;
    /** Run kube-controller-manager; default true. */
    readonly controllers?: boolean;
    /** Serve the kinds of deploy/crds too, by aggregation (see redge-apis.ts); default false. */
    readonly redgeApis?: boolean;
    readonly apiServerFlags?: readonly string[];
}

export interface RealKube {
    readonly server: string;
    readonly connection: ClusterConnection;
    /** Of an administrator (system:masters). */
    readonly kubeconfig: string;
    /** What the processes wrote, for a failing test to show. */
    readonly logFolder: string;
    /** Kills the API server; the function it answers starts it again, at the same address on the same data. */
    killApiServer(): Promise<() => void>;
    stop(): Promise<void>;
}

/** Starts a real control plane on free loopback ports with all it keeps in a folder of its own. */
export async function startRealKube(options: RealKubeOptions = {}): Promise<RealKube> {
    const folder = await mkdtemp(join(tmpdir(), "redge-kube-"));
    const binaries = assets();
    const processes: ChildProcess[] = [];
    const apis = options.redgeApis ? await (await import("./redge-apis.ts")).RedgeApis.start() : undefined;
    // A test that ran out of time is cut off before it stops what it started.
    const killAll = (): void => {
        for (const child of processes) child.kill("SIGKILL");
    };
    process.once("exit", killAll);
    const stop = async (): Promise<void> => {
        process.off("exit", killAll);
        // In reverse: a controller manager without its API server writes pages of complaints.
        for (const child of processes.reverse()) await ended(child);
        await apis?.stop();
        await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    };
    const run = (name: string, flags: readonly string[]): ChildProcess => {
        const child = spawn(join(binaries, name), flags, { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
        const log = createWriteStream(join(folder, `${name}.log`), { flags: "a" });
        child.stdout?.pipe(log);
        child.stderr?.pipe(log);
        processes.push(child);
        return child;
    };
    try {
        const [client, peer, api, scheduler, manager] = (await freePorts(5)) as [
            number,
            number,
            number,
            number,
            number,
        ];
        const token = randomUUID();
        await writeSecrets(folder, token);
        run("etcd", etcdFlags(folder, client, peer));
        const proxy = apis === undefined ? [] : await proxyFlags(folder, apis.proxyCertificate);
        const flags = [...apiServerFlags(folder, client, api), ...proxy, ...(options.apiServerFlags ?? [])];
        let apiServer = run("kube-apiserver", flags);
        const killApiServer = async (): Promise<() => void> => {
            processes.splice(processes.indexOf(apiServer), 1);
            await ended(apiServer);
            return () => {
                apiServer = run("kube-apiserver", flags);
            };
        };
        const server = `https://127.0.0.1:${api}`;
        const certificate = join(folder, "certs", "apiserver.crt");
        const { createKubeClient } = await import("../../src/kube/client/https-client.ts");
        const { systemClock } = await import("../../src/core/clock.ts");
        const { Kinds } = await import("../../src/kube/types.ts");
        const connection = await eventually(async () => {
            for (const child of processes) if (child.exitCode !== null) throw new Error(await logOf(folder));
            const caPem = await readFile(certificate, "utf8");
            const ready: ClusterConnection = { server, caPem, token: async () => token };
            const probe = createKubeClient(ready, { clock: systemClock, random: Math.random });
            // Priority classes and namespaces are made after the first answers: pods are refused before.
            await probe.get({ type: PRIORITY_CLASS, name: "system-node-critical" });
            await probe.get({ type: Kinds.namespace, name: "default" });
            await probe.close();
            return ready;
        }, 180_000);
        const kubeconfig = join(folder, "kubeconfig");
        await writeFile(kubeconfig, kubeconfigText(server, connection.caPem ?? "", token), { mode: 0o600 });
        if (options.scheduler !== false) run("kube-scheduler", [...commonFlags(kubeconfig, scheduler), "--port=0"]);
        if (options.controllers !== false) {
            run("kube-controller-manager", [...commonFlags(kubeconfig, manager), ...managerFlags(folder, certificate)]);
        }
        if (apis !== undefined) {
            const admin = createKubeClient(connection, { clock: systemClock, random: Math.random });
            await apis.join(admin);
        }
        return { server, connection, kubeconfig, logFolder: folder, killApiServer, stop };
    } catch (failure) {
        await stop();
        throw failure;
    }
}

const PRIORITY_CLASS = {
    group: "scheduling.k8s.io",
    version: "v1",
    kind: "PriorityClass",
    plural: "priorityclasses",
    namespaced: false,
} as const;

function assets(): string {
    const found = spawnSync("bash", [ASSETS], { encoding: "utf8" });
    if (found.status !== 0) throw new Error(`${ASSETS}: ${found.stderr}`);
    return found.stdout.trim();
}

async function writeSecrets(folder: string, token: string): Promise<void> {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", {
        modulusLength: 2048,
        privateKeyEncoding: { type: "pkcs1", format: "pem" },
        publicKeyEncoding: { type: "spki", format: "pem" },
    });
    await writeFile(join(folder, "sa.key"), privateKey, { mode: 0o600 });
    await writeFile(join(folder, "sa.pub"), publicKey);
    await writeFile(join(folder, "tokens.csv"), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
}

function etcdFlags(folder: string, client: number, peer: number): string[] {
    return [
        `--data-dir=${join(folder, "etcd")}`,
        `--listen-client-urls=http://127.0.0.1:${client}`,
        `--advertise-client-urls=http://127.0.0.1:${client}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-cluster=default=http://127.0.0.1:${peer}`,
        // Durability is not what is tested with it.
        "--unsafe-no-fsync",
    ];
}

function apiServerFlags(folder: string, etcd: number, port: number): string[] {
    return [
        `--etcd-servers=http://127.0.0.1:${etcd}`,
        `--secure-port=${port}`,
        "--insecure-port=0",
        "--bind-address=127.0.0.1",
        `--cert-dir=${join(folder, "certs")}`,
        `--service-account-key-file=${join(folder, "sa.pub")}`,
        `--service-account-signing-key-file=${join(folder, "sa.key")}`,
        "--service-account-issuer=https://kubernetes.default",
        "--authorization-mode=Node,RBAC",
        `--token-auth-file=${join(folder, "tokens.csv")}`,
        "--service-cluster-ip-range=10.96.0.0/16",
        "--kubelet-preferred-address-types=InternalIP",
        // Pods of tests have no service account token to mount; the accounts themselves are made.
        "--disable-admission-plugins=ServiceAccount",
    ];
}

/** The certificate that the aggregator shows to extension API servers. */
async function proxyFlags(folder: string, pair: { certPem: string; keyPem: string }): Promise<string[]> {
    await writeFile(join(folder, "proxy.crt"), pair.certPem);
    await writeFile(join(folder, "proxy.key"), pair.keyPem, { mode: 0o600 });
    return [
        `--proxy-client-cert-file=${join(folder, "proxy.crt")}`,
        `--proxy-client-key-file=${join(folder, "proxy.key")}`,
    ];
}

function commonFlags(kubeconfig: string, port: number): string[] {
    return [
        `--kubeconfig=${kubeconfig}`,
        `--authentication-kubeconfig=${kubeconfig}`,
        `--authorization-kubeconfig=${kubeconfig}`,
        "--bind-address=127.0.0.1",
        `--secure-port=${port}`,
        "--leader-elect=false",
    ];
}

function managerFlags(folder: string, certificate: string): string[] {
    return [
        "--port=0",
        `--cert-dir=${join(folder, "manager-certs")}`,
        `--service-account-private-key-file=${join(folder, "sa.key")}`,
        `--root-ca-file=${certificate}`,
        "--use-service-account-credentials=false",
        "--controllers=*,-cloud-node-lifecycle,-attachdetach,-persistentvolume-binder,-ttl",
    ];
}

function kubeconfigText(server: string, caPem: string, token: string): string {
    return JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [
            { name: "real", cluster: { server, "certificate-authority-data": Buffer.from(caPem).toString("base64") } },
        ],
        users: [{ name: "admin", user: { token } }],
        contexts: [{ name: "admin", context: { cluster: "real", user: "admin" } }],
        "current-context": "admin",
    });
}

async function logOf(folder: string): Promise<string> {
    const log = await readFile(join(folder, "kube-apiserver.log"), "utf8").catch(() => "");
    return `the control plane ended: ${log.slice(-2000)}`;
}

function ended(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGKILL");
    });
}
