// SPDX-License-Identifier: Apache-2.0
import type { ContainerRecord, ContainerSpec, PodRuntime } from "../../../../src/edge/edged/runtimes/runtime.ts";

/** A shell that prints the lines, then waits for /tmp/end and leaves with the exit code in it. */
export function printing(lines: readonly string[]): Pick<ContainerSpec, "command" | "args"> {
    const echo = lines.map((line) => `echo ${line}`).join("; ");
    const wait = "trap 'exit 0' TERM; while [ ! -f /tmp/end ]; do sleep 0.1; done; exit $(cat /tmp/end)";
    return { command: ["sh", "-c"], args: [`${echo}; ${wait}`] };
}

export async function crash(runtime: PodRuntime, { id }: ContainerRecord, exitCode: number): Promise<void> {
    const command = ["sh", "-c", `echo ${exitCode} > /tmp/end.new; mv /tmp/end.new /tmp/end`];
    const session = await runtime.exec({ containerId: id, command, stdin: false, tty: false });
    await session.exit;
}
