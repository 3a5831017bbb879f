// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePorts } from "./free-ports.ts";

export const root = resolve(import.meta.dirname, "../..");
const READY_TIMEOUT_MS = 300_000;

const PORT_VARIABLES = [
    "REDGE_CLOUD_EDITOR_PORT",
    "REDGE_EDGE_EDITOR_PORT",
    "REDGE_API_PORT",
    "REDGE_CLOUDHUB_PORT",
    "REDGE_CLOUDHUB_HTTPS_PORT",
    "REDGE_STREAM_PORT",
    "REDGE_TUNNEL_PORT",
    "REDGE_MQTT_PORT",
    "REDGE_BOILER_PORT",
    "REDGE_METASERVER_PORT",
] as const;

export interface CommandResult {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** A whole site as `redge site` starts it, on free ports and in a home of its own. */
export class TestSite {
    readonly home: string;
    readonly env: NodeJS.ProcessEnv;
    #process: ChildProcess | undefined;
    readonly #ends: (() => Promise<void>)[] = [];
    output = "";

    private constructor(home: string, env: NodeJS.ProcessEnv) {
        this.home = home;
        this.env = env;
    }

    static async create(extra: NodeJS.ProcessEnv = {}): Promise<TestSite> {
        const home = mkdtempSync(join(tmpdir(), "redge-site-"));
        const ports = await freePorts(PORT_VARIABLES.length);
        const env: NodeJS.ProcessEnv = { ...process.env, REDGE_HOME: home, ...extra };
        for (const [index, name] of PORT_VARIABLES.entries()) env[name] = String(ports[index]);
        return new TestSite(home, env);
    }

    port(name: (typeof PORT_VARIABLES)[number]): number {
        return Number(this.env[name]);
    }

    get kubeconfig(): string {
        if (this.env["REDGE_CLUSTER"] === "kubeconfig") return this.env["KUBECONFIG"] ?? "";
        return join(this.home, "cloud", "redge", "kubeconfig");
    }

    /** Starts it and waits for the line that says it is ready; rejects with what it printed when it ends before. */
    async start(): Promise<void> {
        this.output = "";
        const child = spawn(process.execPath, [join(root, "dist/cli/redge.js"), "site"], {
            env: this.env,
            stdio: ["ignore", "pipe", "pipe"],
        });
        this.#process = child;
        await new Promise<void>((ready, failed) => {
            const late = setTimeout(() => failed(new Error(`not ready in time:\n${this.output}`)), READY_TIMEOUT_MS);
            const note = (chunk: Buffer): void => {
                this.output += chunk.toString();
                if (!this.output.includes("Redge is ready")) return;
                clearTimeout(late);
                ready();
            };
            child.stdout?.on("data", note);
            child.stderr?.on("data", note);
            child.once("exit", (code) => {
                clearTimeout(late);
                failed(new Error(`redge site ended with ${code}:\n${this.output}`));
            });
        });
    }

    /** As Ctrl-C does. Answers how long it took and the exit code. */
    async stop(): Promise<{ readonly tookMs: number; readonly code: number | null }> {
        const child = this.#process;
        if (child === undefined || child.exitCode !== null) return { tookMs: 0, code: child?.exitCode ?? null };
        const startedMs = performance.now();
        const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
        child.kill("SIGINT");
        const code = await exited;
        return { tookMs: performance.now() - startedMs, code };
    }

    /** Process ids of the two roles, by what their command line says. */
    async pids(): Promise<{ readonly cloud: number | undefined; readonly edge: number | undefined }> {
        const { stdout } = await run("ps", ["-o", "pid=,args=", "--ppid", String(this.#process?.pid)], process.env);
        const find = (role: string): number | undefined => {
            const line = stdout.split("\n").find((text) => new RegExp(`redge\\.js ${role}\\b`).test(text));
            return line === undefined ? undefined : Number(line.trim().split(" ")[0]);
        };
        return { cloud: find("cloud"), edge: find("edge") };
    }

    /** Runs kubectl against this site; never throws for an exit code. */
    kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
        return run("kubectl", args, { ...this.env, KUBECONFIG: this.kubeconfig }, input);
    }

    /** Runs kubectl and throws what it said when it fails. */
    async kubectlOk(args: readonly string[], input?: string): Promise<string> {
        const { code, stdout, stderr } = await this.kubectl(args, input);
        if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
        return stdout;
    }

    async json<T>(args: readonly string[]): Promise<T> {
        return JSON.parse(await this.kubectlOk([...args, "-o", "json"])) as T;
    }

    /** Ends with `remove` what was started for this site beside it, the last first. */
    onRemove(end: () => Promise<void>): void {
        this.#ends.push(end);
    }

    async remove(): Promise<void> {
        for (const end of this.#ends.splice(0).reverse()) await end();
        rmSync(this.home, { recursive: true, force: true, maxRetries: 20 });
    }
}

export function run(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    input?: string,
): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
        const child = execFile(
            command,
            [...args],
            { env, maxBuffer: 64 * 1024 * 1024, timeout: 120_000 },
            (error, stdout, stderr) => {
                const code = error === null ? 0 : (error as { code?: unknown }).code;
                if (typeof code === "string") reject(error);
                else resolve({ code: Number(code ?? 1), stdout, stderr });
            },
        );
        // A program that ends before it has read its input tells why by its exit code.
        child.stdin?.on("error", () => {});
        child.stdin?.end(input ?? "");
    });
}
