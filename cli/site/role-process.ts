// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { ReportedFailure } from "../failure.ts";

/** A role that ends this often within a minute of its start is given up. */
const QUICK_ENDS_LIMIT = 5;
const QUICK_END_MS = 60_000;
const KILL_AFTER_MS = 4_500;

export interface RoleProcessOptions {
    readonly role: string;
    readonly nodeFlags: readonly string[];
    readonly args: readonly string[];
    readonly env: () => NodeJS.ProcessEnv;
    readonly clock: Clock;
    readonly say: (line: string) => void;
}

/** One role of a site as a child process: started, watched, started again when it dies, stopped. */
export class RoleProcess {
    readonly #options: RoleProcessOptions;
    readonly #ended = new AbortController();
    #child: ChildProcess | undefined;
    #quickEnds = 0;

    constructor(options: RoleProcessOptions) {
        this.#options = options;
    }

    get pid(): number | undefined {
        return this.#child?.pid;
    }

    /**
     * Starts it and waits until it is ready. From then on it is kept running.
     * @throws ReportedFailure when it ends before it was ready (it has said why itself)
     */
    async start(): Promise<void> {
        const child = this.#spawn();
        const code = await new Promise<number | undefined>((resolve) => {
            child.once("exit", (exitCode) => resolve(exitCode ?? 1));
            child.on("message", (message) => {
                if ((message as { type?: string }).type === "ready") resolve(undefined);
            });
        });
        if (code !== undefined) throw new ReportedFailure(`the ${this.#options.role} side did not start`);
        void this.#keepRunning(child);
    }

    /** Ends it within five seconds. Idempotent. */
    async stop(): Promise<void> {
        this.#ended.abort();
        const child = this.#child;
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
        child.kill("SIGTERM");
        const bound = this.#options.clock.after(KILL_AFTER_MS, () => child.kill("SIGKILL"));
        await exited;
        bound.cancel();
    }

    #spawn(): ChildProcess {
        const { nodeFlags, args, env } = this.#options;
        const [script = ""] = process.argv.slice(1);
        this.#child = spawn(process.execPath, [...nodeFlags, script, ...args], {
            stdio: ["ignore", "inherit", "inherit", "ipc"],
            env: env(),
        });
        return this.#child;
    }

    async #keepRunning(first: ChildProcess): Promise<void> {
        const { role, clock, say } = this.#options;
        let child = first;
        while (!this.#ended.signal.aborted) {
            const startedMs = clock.monotonicMs();
            const how = await endOf(child);
            if (this.#ended.signal.aborted) return;
            this.#quickEnds = clock.monotonicMs() - startedMs < QUICK_END_MS ? this.#quickEnds + 1 : 0;
            if (this.#quickEnds >= QUICK_ENDS_LIMIT) {
                const reason = `it ended ${QUICK_ENDS_LIMIT} times within a minute of its start (${how})`;
                say(new RedgeError("REDGE_CLI_START_FAILED", { role, reason }).message);
                return;
            }
            say(`the ${role} side ended (${how}), starting it again`);
            await sleep(clock, 2 ** this.#quickEnds * 250, this.#ended.signal);
            if (!this.#ended.signal.aborted) child = this.#spawn();
        }
    }
}

function endOf(child: ChildProcess): Promise<string> {
    const text = (code: number | null, signal: string | null): string => signal ?? `exit code ${code}`;
    if (child.exitCode !== null || child.signalCode !== null)
        return Promise.resolve(text(child.exitCode, child.signalCode));
    return new Promise((resolve) => child.once("exit", (code, signal) => resolve(text(code, signal))));
}
