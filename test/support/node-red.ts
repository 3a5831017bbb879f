// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const packageRoot = resolve(import.meta.dirname, "../..");

/** What the shipped flows serve takes a free port, unless a test says which. */
const freePortsEnv = Object.fromEntries(
    ["MQTT", "METASERVER", "SERVICEBUS", "API", "CLOUDHUB", "CLOUDHUB_HTTPS", "STREAM", "TUNNEL", "ROUTER"].map(
        (name) => [`REDGE_${name}_PORT`, "0"],
    ),
);

interface Happening {
    readonly event: "listening" | "flows:started" | "status" | "missing-types" | "log";
    readonly port?: number;
    readonly types?: readonly string[];
    readonly id?: string;
    readonly status?: { readonly fill?: string; readonly shape?: string; readonly text?: string };
    readonly level?: number;
    readonly text?: string;
}

export interface NodeRedOptions {
    /** A package name that resolves to Node-RED: "node-red" or "node-red-v4". */
    readonly nodeRed?: string;
    /** Where that name is resolved; the repository unless told otherwise. */
    readonly resolveFrom?: string;
    readonly flows?: readonly object[];
    readonly userDir?: string;
    readonly settings?: Readonly<Record<string, unknown>>;
    readonly env?: Readonly<Record<string, string>>;
}

/** A running Node-RED for tests, in a process and user directory of its own. */
export class TestNodeRed {
    readonly userDir: string;
    readonly statuses = new Map<string, NonNullable<Happening["status"]>>();
    readonly log: { readonly level: number; readonly text: string }[] = [];
    missingTypes: readonly string[] = [];
    url = "";
    readonly #ownsUserDir: boolean;
    readonly #child: ChildProcess;
    readonly #listeners = new Set<(happening: Happening) => void>();

    private constructor(options: NodeRedOptions) {
        this.#ownsUserDir = options.userDir === undefined;
        this.userDir = options.userDir ?? mkdtempSync(join(tmpdir(), "redge-node-red-"));
        if (options.flows !== undefined) {
            writeFileSync(join(this.userDir, "flows.json"), JSON.stringify(options.flows));
        }
        const argument = JSON.stringify({
            nodeRed: options.nodeRed ?? "node-red",
            resolveFrom: options.resolveFrom ?? join(packageRoot, "package.json"),
            settings: { userDir: this.userDir, flowFile: "flows.json", nodesDir: packageRoot, ...options.settings },
        });
        this.#child = fork(join(import.meta.dirname, "node-red-child.mjs"), [argument], {
            env: { ...process.env, ...freePortsEnv, ...options.env },
            execArgv: [],
            stdio: ["ignore", "ignore", "inherit", "ipc"],
        });
        this.#child.on("message", (message) => this.#take(message as Happening));
    }

    /** Resolves when the flows run, or are known not to for want of node types. */
    static async start(options: NodeRedOptions = {}): Promise<TestNodeRed> {
        const started = new TestNodeRed(options);
        await started.until(({ event }) => event === "flows:started" || event === "missing-types");
        return started;
    }

    async until(fits: (happening: Happening) => boolean): Promise<void> {
        await new Promise<void>((resolve, reject) => {
            const exited = (code: number | null): void => reject(new Error(`Node-RED ended with code ${code}`));
            this.#child.once("exit", exited);
            const listener = (happening: Happening): void => {
                if (!fits(happening)) return;
                this.#listeners.delete(listener);
                this.#child.off("exit", exited);
                resolve();
            };
            this.#listeners.add(listener);
        });
    }

    /** Resolves when a node's status fits, now or later. */
    async untilStatus(id: string, fits: (status: NonNullable<Happening["status"]>) => boolean): Promise<void> {
        const shown = this.statuses.get(id);
        if (shown !== undefined && fits(shown)) return;
        await this.until(
            (happening) => happening.id === id && happening.status !== undefined && fits(happening.status),
        );
    }

    async json(path: string): Promise<unknown> {
        const response = await fetch(new URL(path, this.url), { headers: { accept: "application/json" } });
        if (!response.ok) throw new Error(`${path} answered ${response.status}`);
        return response.json();
    }

    /** Resolves when the flows run, or are known not to for want of node types. */
    async deploy(flows: readonly object[], type: "full" | "nodes" = "full"): Promise<void> {
        this.missingTypes = [];
        const started = this.until(({ event }) => event === "flows:started" || event === "missing-types");
        const headers = { "content-type": "application/json", "Node-RED-Deployment-Type": type };
        const response = await fetch(new URL("/flows", this.url), {
            method: "POST",
            headers,
            body: JSON.stringify(flows),
        });
        if (!response.ok) throw new Error(`the deploy answered ${response.status}`);
        await started;
    }

    async stop(): Promise<void> {
        if (this.#child.exitCode === null && this.#child.signalCode === null) {
            const exited = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
            const bound = setTimeout(() => this.#child.kill("SIGKILL"), 60_000);
            if (this.#child.connected) this.#child.disconnect();
            await exited;
            clearTimeout(bound);
        }
        if (this.#ownsUserDir) rmSync(this.userDir, { recursive: true, force: true, maxRetries: 20 });
    }

    #take(happening: Happening): void {
        if (happening.event === "listening") this.url = `http://127.0.0.1:${happening.port}`;
        if (happening.event === "missing-types") this.missingTypes = happening.types ?? [];
        if (happening.event === "log") this.log.push({ level: happening.level ?? 0, text: happening.text ?? "" });
        if (happening.event === "status" && happening.id !== undefined) {
            this.statuses.set(happening.id, happening.status ?? {});
        }
        for (const listener of [...this.#listeners]) listener(happening);
    }
}
