// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Timer } from "../../../src/core/clock.ts";
import type { Ports } from "../../../src/core/component.ts";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import type { FlowHost, FlowHostListener, FlowUnit } from "../../../src/edge/edged/index.ts";
import type { FromChild, ToChild } from "./isolated-protocol.ts";
import { ModuleFolders } from "./palette-modules.ts";
import { podNodes } from "./pod-flow.ts";
import { podPrefix, stripPodId } from "./pod-flow-ids.ts";
import { processUsage } from "./process-usage.ts";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 1_000;
const MEMORY_CHECK_MS = 1_000;
/** What a Node.js process needs beside its JavaScript heap. */
const NATIVE_BYTES = 64 * 2 ** 20;
const SMALLEST_HEAP_MB = 32;
const OOM = { exitCode: 137, reason: "OOMKilled", message: "" } as const;

export interface IsolatedHostOptions {
    /** Folder for the processes' own user directories. */
    readonly dir: string;
    /** Folder for the palette modules that pods list. */
    readonly modulesDir: string;
    /** Where palette modules of the gateway are installed, for flows that need them. */
    readonly paletteDir?: string | undefined;
    /** The script that a process runs. */
    readonly child: string;
}

interface Running {
    readonly unit: FlowUnit;
    readonly child: ChildProcess;
    timer: Timer | undefined;
    end: { readonly exitCode: number; readonly reason: string; readonly message: string } | undefined;
    removed: boolean;
}

/**
 * Gives every unit a headless Node-RED in a process of its own, with the unit's memory limit: a flow that throws, blocks or
 * leaks harms nobody else. Works in every installation; the price is a process of some 90 MB a pod.
 */
export class IsolatedFlowHost implements FlowHost {
    readonly handler = "node-red-isolated";
    readonly #options: IsolatedHostOptions;
    readonly #ports: Pick<Ports, "clock" | "log">;
    /** By prefix. */
    readonly #units = new Map<string, Running>();
    readonly #modules: ModuleFolders;
    #nodeRed: string | undefined;
    #version = "0";
    #listener: FlowHostListener | undefined;

    constructor(options: IsolatedHostOptions, ports: Pick<Ports, "clock" | "log">) {
        this.#options = options;
        this.#ports = ports;
        this.#modules = new ModuleFolders(options.modulesDir);
    }

    async start(listener: FlowHostListener): Promise<void> {
        this.#listener = listener;
        mkdirSync(this.#options.dir, { recursive: true });
        this.#nodeRed = findNodeRed();
        if (this.#nodeRed !== undefined) this.#version = versionOf(this.#nodeRed);
        this.#endOrphans();
        await this.#modules.prune(this.#ports.clock.nowMs());
    }

    async stop(): Promise<void> {
        await Promise.all([...this.#units.values()].map((running) => this.#end(running)));
        this.#units.clear();
    }

    problem(): string | undefined {
        return this.#nodeRed === undefined ? "the node-red package was not found" : undefined;
    }

    version(): string {
        return this.#version;
    }

    async deploy(unit: FlowUnit): Promise<void> {
        const nodes = podNodes(unit);
        const known = this.#units.get(podPrefix(unit.id));
        if (known?.unit.id === unit.id) return this.#ask(known, { kind: "deploy", nodes });
        if (known !== undefined) await this.remove(known.unit.id);
        if (this.#nodeRed === undefined)
            throw new RedgeError("REDGE_FLOW_HOST_UNAVAILABLE", { reason: this.problem() ?? "" });
        const userDir = this.#userDir(unit, await this.#palette(unit));
        const running = this.#spawn(unit, userDir);
        this.#units.set(podPrefix(unit.id), running);
        try {
            await this.#ask(running, { kind: "start", nodes, userDir, nodeRed: this.#nodeRed });
        } catch (thrown) {
            this.#units.delete(podPrefix(unit.id));
            await this.#end(running);
            throw thrown;
        }
    }

    async remove(unitId: string): Promise<void> {
        const prefix = podPrefix(unitId);
        const running = this.#units.get(prefix);
        if (running?.unit.id !== unitId) return;
        this.#units.delete(prefix);
        await this.#end(running);
        rmSync(join(this.#options.dir, prefix), { recursive: true, force: true });
    }

    async usage(unitId: string): Promise<{ cpuNanoseconds: number; memoryBytes: number } | undefined> {
        const pid = this.#units.get(podPrefix(unitId))?.child.pid;
        return pid === undefined ? undefined : processUsage(pid);
    }

    /** The node_modules that the flow sees: its own list's where it has one, so that it runs alike everywhere. */
    async #palette(unit: FlowUnit): Promise<string | undefined> {
        if (unit.modules.length > 0) return join(await this.#modules.get(unit.modules), "node_modules");
        const { paletteDir } = this.#options;
        return paletteDir === undefined ? undefined : join(paletteDir, "node_modules");
    }

    #userDir(unit: FlowUnit, palette: string | undefined): string {
        const userDir = join(this.#options.dir, podPrefix(unit.id));
        const link = join(userDir, "node_modules");
        mkdirSync(userDir, { recursive: true });
        rmSync(link, { force: true });
        if (palette !== undefined && existsSync(palette)) symlinkSync(palette, link);
        return userDir;
    }

    #spawn(unit: FlowUnit, userDir: string): Running {
        const limit = unit.memoryLimitBytes;
        const heapMb =
            limit === undefined ? [] : [Math.max(SMALLEST_HEAP_MB, Math.floor((limit - NATIVE_BYTES) / 2 ** 20))];
        const child = fork(this.#options.child, [], {
            cwd: userDir,
            // The gateway's own environment may hold secrets: a pod gets what its spec says.
            env: { PATH: process.env["PATH"] ?? "", HOME: userDir, ...Object.fromEntries(unit.env) },
            execArgv: ["--max-semi-space-size=1", ...heapMb.map((mb) => `--max-old-space-size=${mb}`)],
            stdio: ["ignore", "pipe", "pipe", "ipc"],
        });
        const running: Running = { unit, child, timer: undefined, end: undefined, removed: false };
        if (child.pid !== undefined) writeFileSync(join(userDir, "pid"), String(child.pid));
        this.#follow(running);
        if (limit !== undefined) this.#watchMemory(running, limit);
        return running;
    }

    #follow(running: Running): void {
        const { child, unit } = running;
        let heapFull = false;
        for (const stream of ["stdout", "stderr"] as const) {
            let rest = "";
            child[stream]?.on("data", (data: Buffer) => {
                const lines = (rest + data.toString("utf8")).split("\n");
                rest = lines.pop() ?? "";
                if (lines.some((line) => line.includes("heap out of memory"))) heapFull = true;
                for (const line of lines) this.#listener?.log(unit.id, stream, line);
            });
        }
        child.on("message", (message: FromChild) => {
            if (message.kind === "log") this.#listener?.log(unit.id, message.stream, message.text);
            else if (message.kind === "status")
                this.#listener?.status(unit.id, stripPodId(message.nodeId), message.status);
        });
        child.on("exit", (code, signal) => {
            running.timer?.cancel();
            const exitCode = code ?? (signal === "SIGKILL" ? 137 : signal === "SIGABRT" ? 134 : 143);
            running.end ??= heapFull ? OOM : { exitCode, reason: exitCode === 0 ? "Completed" : "Error", message: "" };
            if (running.removed || this.#units.get(podPrefix(unit.id)) !== running) return;
            this.#units.delete(podPrefix(unit.id));
            const { exitCode: ended, reason, message } = running.end;
            this.#listener?.ended(unit.id, ended, reason, message);
        });
    }

    #watchMemory(running: Running, limit: number): void {
        running.timer = this.#ports.clock.after(MEMORY_CHECK_MS, () => {
            const { pid } = running.child;
            const usage = pid === undefined ? undefined : processUsage(pid);
            if (usage !== undefined && usage.memoryBytes > limit) {
                running.end = OOM;
                running.child.kill("SIGKILL");
            } else this.#watchMemory(running, limit);
        });
    }

    /** Resolves when the process says that the flows run. */
    #ask({ child }: Running, command: ToChild): Promise<void> {
        return new Promise((resolve, reject) => {
            const failed = (reason: string): void =>
                settle(() => reject(new RedgeError("REDGE_FLOW_FAILED", { reason })));
            const onMessage = (message: FromChild): void => {
                if (message.kind === "started") settle(resolve);
                else if (message.kind === "failed" && message.code === "missing-types") {
                    settle(() => reject(new RedgeError("REDGE_FLOW_TYPES_MISSING", { types: message.reason })));
                } else if (message.kind === "failed") failed(message.reason);
            };
            const onExit = (code: number | null, signal: string | null): void =>
                failed(`its process ended (${code ?? signal})`);
            const timer = this.#ports.clock.after(START_TIMEOUT_MS, () => failed("it did not start in time"));
            const settle = (then: () => void): void => {
                timer.cancel();
                child.off("message", onMessage);
                child.off("exit", onExit);
                then();
            };
            child.on("message", onMessage);
            child.on("exit", onExit);
            child.send(command, (error) => {
                if (error !== null) failed(error.message);
            });
        });
    }

    /** Resolves when the process is gone. */
    async #end(running: Running): Promise<void> {
        const { child } = running;
        running.removed = true;
        running.timer?.cancel();
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
        child.kill("SIGTERM");
        const timer = this.#ports.clock.after(STOP_TIMEOUT_MS, () => child.kill("SIGKILL"));
        await gone;
        timer.cancel();
    }

    /** A process whose flow blocks does not notice that the gateway was killed: it is ended at the next start. */
    #endOrphans(): void {
        for (const name of readdirSync(this.#options.dir)) {
            const pidFile = join(this.#options.dir, name, "pid");
            if (!existsSync(pidFile)) continue;
            const pid = Number(readFileSync(pidFile, "utf8"));
            if (commandOf(pid).includes(this.#options.child)) process.kill(pid, "SIGKILL");
            rmSync(pidFile, { force: true });
        }
    }
}

function commandOf(pid: number): string {
    try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch (thrown) {
        if (["ENOENT", "ESRCH"].includes((thrown as NodeJS.ErrnoException).code ?? "")) return "";
        throw thrown;
    }
}

/** The node-red package that this process runs, or the one beside ours. */
function findNodeRed(): string | undefined {
    for (const from of [__filename, process.argv[1], require.main?.filename]) {
        if (from === undefined) continue;
        try {
            return createRequire(from).resolve("node-red");
        } catch (thrown) {
            if ((thrown as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw thrown;
        }
    }
    return undefined;
}

function versionOf(nodeRed: string): string {
    return (createRequire(nodeRed)("node-red/package.json") as { version: string }).version;
}
