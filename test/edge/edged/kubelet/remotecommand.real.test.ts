// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import {
    type ExecOptions,
    RemoteCommandServer,
    type RemoteCommandTarget,
} from "../../../../src/edge/edged/kubelet/remotecommand/index.ts";
import type { ExecSession } from "../../../../src/edge/edged/runtimes/runtime.ts";
import { describeWith, program } from "../../../support/requires.ts";

/** Runs commands on this machine: what matters here is how they are reached. */
class Commands implements RemoteCommandTarget {
    readonly sizes: string[] = [];

    async exec(_namespace: string, _pod: string, container: string, options: ExecOptions): Promise<ExecSession> {
        if (container !== "main") throw new Error(`container ${container} is not running`);
        const [command = "", ...args] = options.command;
        const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
        return this.#session(child);
    }

    async attach(): Promise<ExecSession> {
        return this.#session(
            spawn("sh", ["-c", "read line; echo attached $line"], { stdio: ["pipe", "pipe", "pipe"] }),
        );
    }

    async portForward(_namespace: string, _pod: string, port: number): Promise<NodeJS.ReadWriteStream> {
        return await new Promise((resolve, reject) => {
            const socket = connect({ port, host: "127.0.0.1" }, () => resolve(socket));
            socket.on("error", reject);
        });
    }

    #session(child: ChildProcess): ExecSession {
        const { stdin, stdout, stderr } = child;
        if (stdin === null || stdout === null || stderr === null) throw new Error("no pipes");
        return {
            stdin,
            stdout,
            stderr,
            resize: async (width, height) => void this.sizes.push(`${width}x${height}`),
            exit: new Promise((resolve, reject) => {
                child.on("exit", (code) => resolve(code ?? 137));
                child.on("error", reject);
            }),
            close: () => void child.kill("SIGKILL"),
        };
    }
}

/** As much of an API server as kubectl needs to find a pod; streams go to the kubelet's handler. */
function apiServer(kubelet: RemoteCommandServer): Server {
    const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "hello", namespace: "default" },
        spec: {
            containers: [
                { name: "main", image: "none", stdin: true },
                { name: "other", image: "none" },
            ],
        },
        status: { phase: "Running" },
    };
    const answers: Record<string, unknown> = {
        "/api": { kind: "APIVersions", versions: ["v1"] },
        "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
        "/api/v1": {
            kind: "APIResourceList",
            groupVersion: "v1",
            resources: [{ name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs: ["get", "list"] }],
        },
        "/api/v1/namespaces/default/pods/hello": pod,
    };
    const server = createServer((request, response) => {
        const answer = answers[request.url?.split("?")[0] ?? ""];
        response.writeHead(answer === undefined ? 404 : 200, { "Content-Type": "application/json" });
        response.end(JSON.stringify(answer ?? { kind: "Status", status: "Failure", code: 404 }));
    });
    server.on("upgrade", (request: IncomingMessage, socket, head) => {
        const url = new URL(request.url ?? "/", "http://kubelet");
        const container = url.searchParams.get("container") ?? "main";
        const verb = url.pathname.split("/").at(-1);
        const path = verb === "portforward" ? "/portForward/default/hello" : `/${verb}/default/hello/${container}`;
        request.url = `${path}?${url.searchParams}`;
        if (!kubelet.upgrade(request, socket, head)) socket.destroy();
    });
    return server;
}

describeWith([program("kubectl")], "kubectl's streams", () => {
    const commands = new Commands();
    const server = apiServer(new RemoteCommandServer(commands, { clock: systemClock, log: silentLogger }));
    const home = mkdtempSync(join(tmpdir(), "redge-kubectl-"));

    beforeAll(async () => {
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    });
    afterAll(() => {
        server.closeAllConnections();
        server.close();
        rmSync(home, { recursive: true });
    });

    function kubectl(transport: string, ...args: string[]): ChildProcess {
        const isWebSocket = String(transport === "WebSocket");
        const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        return spawn("kubectl", ["--server", address, "--kubeconfig", "/dev/null", "--cache-dir", home, ...args], {
            env: {
                ...process.env,
                HOME: home,
                KUBECTL_REMOTE_COMMAND_WEBSOCKETS: isWebSocket,
                KUBECTL_PORT_FORWARD_WEBSOCKETS: isWebSocket,
            },
            stdio: ["pipe", "pipe", "pipe"],
        });
    }

    async function run(child: ChildProcess, input: string | Buffer = "") {
        child.stdin?.end(input);
        const code = new Promise<number | null>((resolve) => child.on("exit", resolve));
        const [out, err] = await Promise.all([child.stdout, child.stderr].map((s) => (s === null ? "" : text(s))));
        return { code: await code, out, err };
    }

    const transports = ["WebSocket", "SPDY"];

    test.each(transports)("exec over %s: output, errors and the exit code", async (transport) => {
        const script = "echo out; echo err >&2; exit 3";
        const { code, out, err } = await run(kubectl(transport, "exec", "hello", "--", "sh", "-c", script));
        expect({ code, out }).toEqual({ code: 3, out: "out\n" });
        expect(err).toContain("err\n");
        expect(err).toContain("exit code 3");
        expect(await run(kubectl(transport, "exec", "hello", "--", "true"))).toMatchObject({
            code: 0,
            err: expect.not.stringContaining("error"),
        });
    });

    test.each(transports)("exec over %s: a megabyte through stdin and back, and its end", async (transport) => {
        const input = Buffer.alloc(1_000_000, "0123456789abcdef\n");
        const { code, out } = await run(kubectl(transport, "exec", "-i", "hello", "--", "cat"), input);
        expect(code).toBe(0);
        expect(out === input.toString()).toBe(true);
    });

    test.each(transports)("exec over %s: what cannot run is told", async (transport) => {
        const { code, err } = await run(kubectl(transport, "exec", "hello", "-c", "other", "--", "true"));
        expect(code).toBe(1);
        expect(err).toContain("container other is not running");
    });

    test.each(transports)("attach over %s", async (transport) => {
        const { out } = await run(kubectl(transport, "attach", "-i", "hello", "-c", "main"), "here\n");
        expect(out).toContain("attached here\n");
    });

    test.each(transports)("exec over %s: the command ends when the client goes", async (transport) => {
        const child = kubectl(transport, "exec", "hello", "--", "sh", "-c", "echo $$; exec sleep 300");
        const pid = await new Promise<number>((resolve) => {
            child.stdout?.once("data", (chunk: Buffer) => resolve(Number(chunk)));
        });
        child.kill("SIGKILL");
        const isAlive = () => {
            try {
                return process.kill(pid, 0);
            } catch {
                return false;
            }
        };
        await expect.poll(isAlive).toBe(false);
    });

    test.each(transports)("port-forward over %s: several connections, refused ones told", async (transport) => {
        const echo = createTcpServer((socket) => void socket.pipe(socket));
        await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
        const { port } = echo.address() as AddressInfo;
        const child = kubectl(transport, "port-forward", "pod/hello", `:${port}`);
        const local = await new Promise<number>((resolve, reject) => {
            let said = "";
            child.stdout?.on("data", (chunk: Buffer) => {
                said += chunk.toString();
                const found = /127\.0\.0\.1:(\d+) ->/.exec(said);
                if (found !== null) resolve(Number(found[1]));
            });
            child.on("exit", () => reject(new Error(`kubectl said ${said}`)));
        });
        const ask = async (word: string): Promise<string> => {
            const socket = connect({ port: local, host: "127.0.0.1" });
            socket.end(word);
            return await text(socket);
        };
        const words = Array.from({ length: 5 }, (_, n) => `${n}`.repeat(50_000));
        expect(await Promise.all(words.map(ask))).toEqual(words);
        await new Promise((resolve) => echo.close(resolve));
        expect(await ask("nobody")).toBe("");
        child.kill();
    });
});
