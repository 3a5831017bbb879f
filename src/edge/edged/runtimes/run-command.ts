// SPDX-License-Identifier: Apache-2.0
import type { PodRuntime } from "./runtime.ts";

const OUTPUT_LIMIT_BYTES = 16 * 1024;

export interface CommandResult {
    readonly exitCode: number;
    readonly timedOut: boolean;
    /** Both streams, at most 16 KiB. */
    readonly output: string;
}

/** Executes a command in a container and waits for it, at most `timeoutMs`. */
export async function runCommand(
    runtime: PodRuntime,
    containerId: string,
    command: readonly string[],
    timeoutMs: number,
): Promise<CommandResult> {
    const session = await runtime.exec({ containerId, command, stdin: false, tty: false });
    let output = "";
    const collect = (data: Buffer): void => {
        if (output.length < OUTPUT_LIMIT_BYTES) output += data.toString("utf8");
    };
    session.stdout.on("data", collect);
    session.stderr?.on("data", collect);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), timeoutMs);
    });
    try {
        const exitCode = await Promise.race([session.exit, timeout]);
        return { exitCode: exitCode ?? -1, timedOut: exitCode === undefined, output };
    } finally {
        clearTimeout(timer);
        session.close();
    }
}
