// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { errorText } from "../../../core/errors/redge-error.ts";
import { asRecord, asRecords, asText } from "../../../core/json.ts";
import { badRequest, notFound, StatusError, unavailable } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { PemPair } from "./pki.ts";

const DEFAULT_KUBELET_PORT = 10250;
/** Annotation by which the cloud side names the address of its stream server, when the node itself is out of reach. */
const CLOUDCORE_ANNOTATION = "cloudcore";
const CONNECT_TIMEOUT_MS = 10_000;
/** Tells CloudStream, which is the endpoint of many nodes, what was asked of the API server. */
const FORWARDED_URI = "x-forwarded-uri";
const HOP_HEADERS = new Set([
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "authorization",
    "host",
    "content-length",
]);

export interface KubeletEndpoint {
    readonly host: string;
    readonly port: number;
}

/** Reaches the kubelet endpoints of nodes (at the edge: through CloudStream) for logs, exec, attach and port-forward. */
export class KubeletProxy {
    readonly #reader: ObjectReader;
    readonly #agent: Agent;
    /** Connections of clients that are joined with a node's. */
    readonly #joined = new Set<Duplex>();

    /** A kubelet's certificate is its own and not verified, as a kube-apiserver without --kubelet-certificate-authority. */
    constructor(reader: ObjectReader, client: PemPair) {
        this.#reader = reader;
        this.#agent = new Agent({
            cert: client.certPem,
            key: client.keyPem,
            rejectUnauthorized: false,
            keepAlive: false,
        });
    }

    close(): void {
        this.#agent.destroy();
        for (const socket of this.#joined) socket.destroy();
    }

    /** @throws 404 when the pod is unknown, 400 when no node has it yet */
    async podEndpoint(
        namespace: string,
        name: string,
    ): Promise<{ readonly pod: KubeObject; readonly endpoint: KubeletEndpoint }> {
        const pod = await this.#reader.get({ group: "", plural: "pods", namespace, name });
        if (pod === undefined) throw notFound({ group: "", plural: "pods" }, name);
        const nodeName = asText(asRecord(pod.object["spec"])["nodeName"]);
        if (nodeName === undefined) throw badRequest(`pod ${name} does not have a host assigned`);
        return { pod: pod.object, endpoint: await this.nodeEndpoint(nodeName) };
    }

    async nodeEndpoint(name: string): Promise<KubeletEndpoint> {
        const node = await this.#reader.get({ group: "", plural: "nodes", namespace: "", name });
        if (node === undefined) throw notFound({ group: "", plural: "nodes" }, name);
        const status = asRecord(node.object["status"]);
        const addresses = asRecords(status["addresses"]);
        const address = (type: string): string | undefined =>
            asText(addresses.find((one) => one["type"] === type)?.["address"]);
        const host =
            node.object.metadata.annotations?.[CLOUDCORE_ANNOTATION] ??
            address("InternalIP") ??
            address("Hostname") ??
            name;
        const port = asRecord(asRecord(status["daemonEndpoints"])["kubeletEndpoint"])["Port"];
        return { host, port: typeof port === "number" && port > 0 ? port : DEFAULT_KUBELET_PORT };
    }

    /** A JSON answer of a node's kubelet endpoint. @throws 503 when the node does not answer in time */
    async getJson(node: string, path: string): Promise<unknown> {
        const { host, port } = await this.nodeEndpoint(node);
        const headers = { [FORWARDED_URI]: `/api/v1/nodes/${node}/proxy${path}` };
        const answer = await new Promise<IncomingMessage>((resolve, reject) => {
            const asked = httpsRequest({ host, port, path, headers, agent: this.#agent, timeout: CONNECT_TIMEOUT_MS });
            asked.on("timeout", () => asked.destroy(new Error("no answer in time")));
            asked.on("response", resolve);
            asked.on("error", (error) => reject(unreachable(host, port, error)));
            asked.end();
        });
        if ((answer.statusCode ?? 502) >= 400) throw await refused(answer, answer.statusCode ?? 502);
        const chunks: Buffer[] = [];
        for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
        return JSON.parse(Buffer.concat(chunks).toString());
    }

    /** Passes a request on and streams the answer back as it comes. @throws 503 when the node does not answer */
    async forward(
        { host, port }: KubeletEndpoint,
        path: string,
        request: IncomingMessage,
        response: ServerResponse,
    ): Promise<void> {
        const passedOn = Object.entries(request.headers).filter(([name]) => !HOP_HEADERS.has(name));
        const headers = { ...Object.fromEntries(passedOn), [FORWARDED_URI]: request.url?.split("?")[0] ?? "/" };
        const upstream = httpsRequest({
            host,
            port,
            path,
            method: request.method ?? "GET",
            headers,
            agent: this.#agent,
        });
        upstream.setTimeout(CONNECT_TIMEOUT_MS, () => {
            if (upstream.reusedSocket !== true && !response.headersSent)
                upstream.destroy(new Error("the node does not answer"));
        });
        response.on("close", () => upstream.destroy());
        const answer = await new Promise<IncomingMessage>((resolve, reject) => {
            upstream.on("response", resolve);
            upstream.on("error", (error) => reject(unreachable(host, port, error)));
            if (request.method === "GET" || request.method === "HEAD") upstream.end();
            else request.pipe(upstream);
        });
        upstream.setTimeout(0);
        const status = answer.statusCode ?? 502;
        if (status >= 400) throw await refused(answer, status);
        const passed = Object.entries(answer.headers).filter(
            ([name]) => !HOP_HEADERS.has(name) || name === "content-length",
        );
        response.writeHead(status, Object.fromEntries(passed));
        response.flushHeaders();
        answer.on("error", () => response.destroy());
        answer.pipe(response);
    }

    /** Passes an upgrade (SPDY/3.1 or WebSocket) on and joins the two connections byte by byte. */
    async upgrade(
        { host, port }: KubeletEndpoint,
        path: string,
        request: IncomingMessage,
        socket: Duplex,
        head: Buffer,
    ): Promise<void> {
        const headers = { ...request.headers };
        delete headers.authorization;
        headers.host = `${host}:${port}`;
        headers[FORWARDED_URI] = request.url?.split("?")[0] ?? "/";
        const upstream = httpsRequest({
            host,
            port,
            path,
            method: request.method ?? "GET",
            headers,
            agent: this.#agent,
        });
        await new Promise<void>((resolve, reject) => {
            upstream.on("error", (error) => reject(unreachable(host, port, error)));
            upstream.on("response", (answer) => {
                refused(answer, answer.statusCode ?? 502).then(reject, reject);
            });
            upstream.on("upgrade", (answer, far: Duplex, farHead: Buffer) => {
                writeSwitch(socket, answer);
                if (farHead.length > 0) socket.write(farHead);
                if (head.length > 0) far.write(head);
                this.#joined.add(socket);
                socket.on("close", () => this.#joined.delete(socket));
                join(socket, far);
                resolve();
            });
            upstream.end();
        });
    }
}

function unreachable(host: string, port: number, error: Error): StatusError {
    return unavailable(`the kubelet endpoint ${host}:${port} of the node cannot be reached: ${errorText(error)}`);
}

const MAX_REASON_BYTES = 4096;

/** A kubelet's refusal as a Status; one that is a Status already keeps its words. */
async function refused(answer: IncomingMessage, code: number): Promise<StatusError> {
    let text = "";
    for await (const chunk of answer as AsyncIterable<Buffer>)
        if (text.length < MAX_REASON_BYTES) text += chunk.toString();
    try {
        const status = asRecord(JSON.parse(text));
        if (status["kind"] === "Status")
            return new StatusError(
                code,
                asText(status["reason"]) ?? "InternalError",
                asText(status["message"]) ?? text,
            );
    } catch {
        // Plain text, as kubelets answer: told as it is.
    }
    const reason =
        code === 404 ? "NotFound" : code === 400 ? "BadRequest" : code === 403 ? "Forbidden" : "InternalError";
    return new StatusError(code, reason, text.trim() || `the node answered ${code}`);
}

function writeSwitch(socket: Duplex, answer: IncomingMessage): void {
    const lines = [`HTTP/1.1 ${answer.statusCode ?? 101} ${answer.statusMessage ?? "Switching Protocols"}`];
    for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2)
        lines.push(`${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}`);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
}

/** Two-way, until either side ends. What a side said before its end still reaches the other, however slow that is. */
function join(near: Duplex, far: Duplex): void {
    relay(near, far);
    relay(far, near);
}

function relay(from: Duplex, to: Duplex): void {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => {
        if (!from.readableEnded) {
            to.destroy();
            return;
        }
        to.end();
        // Words left unread would make a reset of the end, and that would take the last of the data with it.
        to.resume();
    });
}
