// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { ReportedFailure } from "../failure.ts";

/** A role that ends this often in a row without having been ready is given up. */
const FAILED_STARTS_LIMIT = 5;
const RESTART_DELAY_MS = 250;
const RESTART_DELAY_MAX_MS = 5_000;
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

    constructor(options: RoleProcessOptions) {
        this.#options = options;
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
                if (isReadyMessage(message)) resolve(undefined);
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
        let isReady = true;
        let failedStarts = 0;
        while (!this.#ended.signal.aborted) {
            const { code, text: how } = await endOf(child);
            if (this.#ended.signal.aborted) return;
            failedStarts = isReady ? 0 : failedStarts + 1;
            // One that ends itself each time has a reason that another start will not mend; one that is killed has not.
            if (code !== null && failedStarts >= FAILED_STARTS_LIMIT) {
                const reason = `${failedStarts} starts in a row failed (${how})`;
                say(new RedgeError("REDGE_CLI_START_FAILED", { role, reason }).message);
                return;
            }
            say(`the ${role} side ended (${how}), starting it again`);
            const delayMs = Math.min(RESTART_DELAY_MS * 2 ** failedStarts, RESTART_DELAY_MAX_MS);
            await sleep(clock, delayMs, this.#ended.signal);
            if (this.#ended.signal.aborted) return;
            child = this.#spawn();
            isReady = false;
            child.on("message", (message) => {
                if (isReadyMessage(message)) isReady = true;
            });
        }
    }
}

function isReadyMessage(message: unknown): boolean {
    return (message as { type?: string } | null)?.type === "ready";
}

interface End {
    /** Null when a signal ended it. */
    readonly code: number | null;
    readonly text: string;
}

function endOf(child: ChildProcess): Promise<End> {
    const end = (code: number | null, signal: string | null): End => ({ code, text: signal ?? `exit code ${code}` });
    if (child.exitCode !== null || child.signalCode !== null)
        return Promise.resolve(end(child.exitCode, child.signalCode));
    return new Promise((resolve) => child.once("exit", (code, signal) => resolve(end(code, signal))));
}
