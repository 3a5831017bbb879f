// SPDX-License-Identifier: Apache-2.0
import { request as requestTo } from "node:http";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import { decodeKubeletRequest, type KubeletRequest } from "../../link/tunnel/kubelet-request.ts";
import { TunnelType } from "../../link/tunnel/message.ts";
import type { TunnelStream } from "../../link/tunnel/stream.ts";

/** Answers the cloud's connections from Edged's kubelet endpoint (wire protocol, section 7.4). */
export class KubeletSide {
    readonly #kubelet: string;
    readonly #target: NetConnectOpts;
    readonly #log: Logger;

    /** @param kubelet "unix:/path" or "http://host:port" */
    constructor(kubelet: string, log: Logger) {
        this.#kubelet = kubelet;
        this.#target = targetOf(kubelet);
        this.#log = log;
    }

    serve(type: number, data: Buffer, stream: TunnelStream): void {
        if (type === TunnelType.http) {
            this.#raw(stream, undefined);
            return;
        }
        const request = decodeKubeletRequest(data);
        if (request !== undefined && (type === TunnelType.exec || type === TunnelType.attach)) {
            this.#raw(stream, request);
        } else if (request !== undefined && (type === TunnelType.logs || type === TunnelType.metrics)) {
            this.#body(stream, request, type === TunnelType.metrics);
        } else {
            this.#log.warn("the cloud asked for what is not known here", { type });
            stream.destroy();
        }
    }

    /** Bytes both ways. With a request given it is written first, as KubeEdge's edge does. */
    #raw(stream: TunnelStream, request: KubeletRequest | undefined): void {
        let isConnected = false;
        const socket: Socket = connect(this.#target, () => {
            isConnected = true;
        });
        if (request !== undefined) socket.write(headOf(request));
        stream.pipe(socket);
        socket.pipe(stream, { end: false });
        socket.on("end", () => stream.end());
        socket.on("error", (error) => {
            // The caller waits for HTTP: tell it in HTTP what is wrong, as long as nothing else was said.
            if (isConnected) stream.destroy();
            else stream.end(this.#badGateway(error));
        });
        stream.on("close", () => socket.destroy());
    }

    /** The body of the answer alone: all that a stock CloudCore takes for logs and metrics. */
    #body(stream: TunnelStream, { target, header }: KubeletRequest, isPlain: boolean): void {
        const headers = { ...header, Connection: ["close"], ...(isPlain ? { "Accept-Encoding": ["identity"] } : {}) };
        const createConnection = (): Socket => connect(this.#target);
        const sent = requestTo({ createConnection, path: target, headers, method: "GET" }, (answer) => {
            pipeline(answer, stream, () => void stream.destroy());
        });
        sent.on("error", (error) => {
            this.#log.warn("Edged does not answer", { kubelet: this.#kubelet, reason: errorText(error) });
            stream.destroy();
        });
        stream.on("close", () => sent.destroy());
        stream.resume(); // Nothing comes from the cloud but the end.
        sent.end();
    }

    #badGateway(error: Error): string {
        const { message } = new RedgeError("REDGE_STREAM_KUBELET", { kubelet: this.#kubelet, reason: error.message });
        this.#log.warn(message);
        const body = `${message}\n`;
        const headers = `Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n`;
        return `HTTP/1.1 502 Bad Gateway\r\n${headers}\r\n${body}`;
    }
}

function headOf({ method, target, header }: KubeletRequest): string {
    const fields = Object.entries({ Host: ["127.0.0.1:10350"], ...header });
    const lines = fields.flatMap(([name, values]) => values.map((value) => `${name}: ${value}\r\n`));
    return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** @throws REDGE_CONFIG_INVALID */
export function targetOf(kubelet: string): NetConnectOpts {
    if (kubelet.startsWith("unix:")) return { path: kubelet.slice("unix:".length).replace(/^\/\/(?=\/)/, "") };
    const url = URL.canParse(kubelet) ? new URL(kubelet) : undefined;
    if (url?.protocol === "http:") return { host: url.hostname, port: Number(url.port || 80) };
    throw new RedgeError("REDGE_CONFIG_INVALID", {
        field: "kubelet",
        reason: 'is neither "unix:/path" nor "http://…"',
    });
}
