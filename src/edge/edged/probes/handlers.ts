// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from "node:http";
import { connect as http2Connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { Container, Handler, Probe } from "../podspec/types.ts";
import { runCommand } from "../runtimes/run-command.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";

export interface HandlerTarget {
    readonly runtime: PodRuntime;
    readonly container: Container;
    readonly containerId: string;
    /** Where the pod's ports are reached. */
    readonly host: string;
}

/** Tries a probe: undefined when it succeeded, else why not, in the kubelet's words. */
export async function tryProbe(target: HandlerTarget, probe: Probe, timeoutMs: number): Promise<string | undefined> {
    try {
        if (probe.grpc !== undefined) return await grpcHealth(target.host, probe.grpc, timeoutMs);
        return await runHandler(target, probe, timeoutMs);
    } catch (thrown) {
        return errorText(thrown);
    }
}

/** Runs a probe's or a life cycle hook's action: undefined when it succeeded, else why not. */
export async function runHandler(
    target: HandlerTarget,
    handler: Handler,
    timeoutMs: number,
): Promise<string | undefined> {
    const { runtime, containerId, container, host } = target;
    if (handler.exec !== undefined) {
        const result = await runCommand(runtime, containerId, handler.exec.command ?? [], timeoutMs);
        if (result.timedOut) return `command timed out after ${timeoutMs / 1000}s`;
        return result.exitCode === 0 ? undefined : result.output.slice(0, 1024) || `exit code ${result.exitCode}`;
    }
    if (handler.httpGet !== undefined) return httpGet(host, container, handler.httpGet, timeoutMs);
    if (handler.tcpSocket !== undefined) {
        const { host: other, port } = handler.tcpSocket;
        return tcp(other ?? host, portNumber(container, port), timeoutMs);
    }
    return undefined;
}

function portNumber(container: Container, port: number | string): number {
    if (typeof port === "number") return port;
    return container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
}

function httpGet(
    host: string,
    container: Container,
    get: NonNullable<Handler["httpGet"]>,
    timeoutMs: number,
): Promise<string | undefined> {
    return new Promise((resolve) => {
        const secure = get.scheme === "HTTPS";
        const headers: Record<string, string> = { "user-agent": "kube-probe/1.32", accept: "*/*", connection: "close" };
        for (const { name, value } of get.httpHeaders ?? []) headers[name.toLowerCase()] = value;
        const options = {
            host: get.host ?? host,
            port: portNumber(container, get.port),
            path: `/${(get.path ?? "/").replace(/^\//, "")}`,
            headers,
            signal: AbortSignal.timeout(timeoutMs),
            // Probes ask whether it answers, not who it is (as the kubelet).
            rejectUnauthorized: false,
        };
        const request = (secure ? httpsRequest : httpRequest)(options, (response) => {
            response.resume();
            const code = response.statusCode ?? 0;
            resolve(code >= 200 && code < 400 ? undefined : `HTTP probe failed with statuscode: ${code}`);
            request.destroy();
        });
        const url = `${secure ? "https" : "http"}://${hostPort(options.host, options.port)}${options.path}`;
        request.on("error", (error) => {
            const timedOut = error.name === "TimeoutError" || error.name === "AbortError";
            const why = timedOut ? "context deadline exceeded" : dialError(options.host, options.port, error);
            resolve(`Get "${url}": ${why}`);
        });
        request.end();
    });
}

function tcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
        const socket = connect({ host, port });
        const end = (failure: string | undefined): void => {
            socket.destroy();
            resolve(failure);
        };
        socket.setTimeout(timeoutMs, () => end(`dial tcp ${hostPort(host, port)}: i/o timeout`));
        socket.once("connect", () => end(undefined));
        socket.once("error", (error) => end(dialError(host, port, error)));
    });
}

const DIAL: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    EHOSTUNREACH: "no route to host",
    ENETUNREACH: "network is unreachable",
    ETIMEDOUT: "connection timed out",
};

function hostPort(host: string, port: number): string {
    return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Why no connection came about, as events of kubelets say it. */
function dialError(host: string, port: number, error: NodeJS.ErrnoException): string {
    const known = DIAL[error.code ?? ""];
    if (known === undefined) return error.message;
    return `dial tcp ${hostPort(host, port)}: connect: ${known}`;
}

/** A stream of a connection that did not come about fails of its own; the connection's error says why. */
function causeOf(error: Error): Error {
    return error.cause instanceof Error ? error.cause : error;
}

/** grpc.health.v1.Health/Check, written out: one field each way does not need a library. */
function grpcHealth(
    host: string,
    grpc: { readonly port: number; readonly service?: string },
    timeoutMs: number,
): Promise<string | undefined> {
    return new Promise((resolve) => {
        const session = http2Connect(`http://${hostPort(host, grpc.port)}`);
        const timer = setTimeout(
            () => end(`timeout: health rpc did not complete within ${timeoutMs / 1000}s`),
            timeoutMs,
        );
        const end = (failure: string | undefined): void => {
            clearTimeout(timer);
            session.destroy();
            resolve(failure);
        };
        session.on("error", (error) => end(dialError(host, grpc.port, error)));
        const stream = session.request({
            ":method": "POST",
            ":path": "/grpc.health.v1.Health/Check",
            "content-type": "application/grpc",
            te: "trailers",
        });
        const chunks: Buffer[] = [];
        let status = "";
        const note = (headers: Record<string, unknown>): void => {
            if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
        };
        stream.on("response", note);
        stream.on("trailers", note);
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", (error) => end(dialError(host, grpc.port, causeOf(error))));
        stream.on("end", () => {
            const body = Buffer.concat(chunks);
            if (status !== "" && status !== "0") end(`gRPC status ${status}`);
            else end(body[5] === 0x08 && body[6] === 1 ? undefined : "service unhealthy (responded with NOT_SERVING)");
        });
        const service = Buffer.from(grpc.service ?? "");
        const message =
            service.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, service.length]), service]);
        const frame = Buffer.alloc(5);
        frame.writeUInt32BE(message.length, 1);
        stream.end(Buffer.concat([frame, message]));
    });
}
