// SPDX-License-Identifier: Apache-2.0
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { RedgeError } from "../../../../core/errors/redge-error.ts";
import type { ExecRequest, ExecSession } from "../runtime.ts";
import { engineCall } from "./docker-errors.ts";
import { frames } from "./docker-logs.ts";

type Hijacked = NodeJS.ReadWriteStream & AsyncIterable<Buffer> & { destroy(): void };

/** A command in a running container. */
export async function execSession(docker: Docker, request: ExecRequest): Promise<ExecSession> {
    return engineCall("exec", async () => {
        const exec = await docker.getContainer(request.containerId).exec({
            Cmd: [...request.command],
            AttachStdin: request.stdin,
            AttachStdout: true,
            AttachStderr: true,
            Tty: request.tty,
        });
        const socket = (await exec.start({
            hijack: true,
            stdin: request.stdin,
            Tty: request.tty,
        })) as unknown as Hijacked;
        const exitCode = async (): Promise<number> => (await exec.inspect()).ExitCode ?? 0;
        const resize = async (width: number, height: number): Promise<void> => {
            await exec.resize({ w: width, h: height });
        };
        return session(socket, request, exitCode, resize);
    });
}

/**
 * The container's own process.
 * @throws REDGE_RUNTIME_FAILED when it does not run: an engine would wait for its next start, which never comes
 */
export async function attachSession(
    docker: Docker,
    id: string,
    options: { readonly stdin: boolean; readonly tty: boolean },
): Promise<ExecSession> {
    return engineCall("attach", async () => {
        const container = docker.getContainer(id);
        const attach = { stream: true, hijack: true, stdin: options.stdin, stdout: true, stderr: true };
        const socket = (await container.attach(attach)) as unknown as Hijacked;
        // Only one that still runs after the attachment is sure to end it.
        const { State } = await container.inspect();
        if (!State.Running) {
            socket.destroy();
            throw new RedgeError("REDGE_RUNTIME_FAILED", { what: "attach", reason: `container ${id} does not run` });
        }
        const resize = async (width: number, height: number): Promise<void> => {
            await container.resize({ w: width, h: height });
        };
        return session(socket, options, async () => 0, resize);
    });
}

function session(
    socket: Hijacked,
    options: { readonly stdin: boolean; readonly tty: boolean },
    exitCode: () => Promise<number>,
    resize: (width: number, height: number) => Promise<void>,
): ExecSession {
    const stdout = new PassThrough();
    const stderr = options.tty ? undefined : new PassThrough();
    const exit = pump(socket, options.tty, stdout, stderr).then(exitCode, async (thrown: unknown) => {
        stdout.end();
        stderr?.end();
        if (closed) return -1;
        throw thrown;
    });
    exit.catch(() => undefined);
    let closed = false;
    return {
        stdin: options.stdin ? socket : undefined,
        stdout,
        stderr,
        resize,
        exit,
        close: () => {
            closed = true;
            socket.destroy();
        },
    };
}

/** Slow readers hold the engine back: nothing is gathered here. */
async function pump(
    socket: Hijacked,
    tty: boolean,
    stdout: PassThrough,
    stderr: PassThrough | undefined,
): Promise<void> {
    for await (const { stream, data } of frames(socket, tty)) {
        const target = stream === "stderr" && stderr !== undefined ? stderr : stdout;
        if (!target.write(data)) await new Promise((resolve) => target.once("drain", resolve));
    }
    stdout.end();
    stderr?.end();
}
