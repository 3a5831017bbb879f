// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";

/** A daemon of a test: started in its own process group, ended with the test. */
export class Daemon {
    readonly #program: string;
    readonly #args: readonly string[];
    readonly #logPath: string;
    #child: ChildProcess | undefined;

    constructor(program: string, args: readonly string[], logPath: string) {
        this.#program = program;
        this.#args = args;
        this.#logPath = logPath;
    }

    start(env: NodeJS.ProcessEnv = process.env): void {
        const log = openSync(this.#logPath, "a");
        this.#child = spawn(this.#program, this.#args, { stdio: ["ignore", log, log], detached: true, env });
    }

    get pid(): number | undefined {
        return this.#child?.pid;
    }

    /** Resolves when the process is gone. */
    async end(signal: NodeJS.Signals): Promise<void> {
        const child = this.#child;
        this.#child = undefined;
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, "exit");
        child.kill(signal);
        await gone;
    }
}

/** Looks until it answers true, at most `withinMs`. */
export async function ready(what: string, look: () => Promise<boolean>, withinMs = 90_000): Promise<void> {
    const endMs = Date.now() + withinMs;
    while (!(await look().catch(() => false))) {
        if (Date.now() > endMs) throw new Error(`${what} was not ready within ${withinMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}
