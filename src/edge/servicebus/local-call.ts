// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import { errorText } from "../../core/errors/redge-error.ts";
import { asRecord } from "../../core/json.ts";

/** HTTPResponse of KubeEdge (device reference, section 7.4). */
export interface HttpAnswer {
    readonly header: Readonly<Record<string, readonly string[]>>;
    readonly status_code: number;
    /** base64 */
    readonly body: string;
}

const BODY_LIMIT_BYTES = 5_000_000;
const HOP_HEADERS = new Set([
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "content-length",
    "host",
]);

/**
 * Carries a request of the cloud out at a service of this machine: `<port>:<path>`, content HTTPRequest. Never rejects:
 * what goes wrong is an answer too, 400 for a request that is none, 502 or 504 for a service that does not answer.
 */
export async function callService(
    method: string,
    resource: string,
    content: unknown,
    timeoutMs: number,
): Promise<HttpAnswer> {
    const [, port, path] = /^(\d{1,5}):(\/[^:]*)$/.exec(resource) ?? [];
    if (port === undefined || path === undefined || Number(port) < 1 || Number(port) > 65_535) {
        return failure(400, `${resource} is not <port>:/<path>`);
    }
    if (!/^[A-Z]{3,10}$/.test(method)) return failure(400, `${method} is no method`);
    const { header, body } = asRecord(content);
    const outgoing = { method, port: Number(port), path, headers: headersOf(header), body: bodyOf(body) };
    try {
        return await send(outgoing, timeoutMs);
    } catch (thrown) {
        const late = thrown instanceof Error && thrown.name === "TimeoutError";
        return failure(
            late ? 504 : 502,
            `the service at port ${port}: ${late ? "no answer in time" : errorText(thrown)}`,
        );
    }
}

interface Outgoing {
    readonly method: string;
    readonly port: number;
    readonly path: string;
    readonly headers: Record<string, string[]>;
    readonly body: Buffer;
}

function send({ body, headers, ...to }: Outgoing, timeoutMs: number): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
        const signal = AbortSignal.timeout(timeoutMs);
        const options = {
            ...to,
            host: "127.0.0.1",
            headers: { ...headers, "content-length": body.byteLength },
            signal,
            agent: false,
        };
        const outgoing = request(options, async (response) => {
            try {
                const chunks: Buffer[] = [];
                let size = 0;
                for await (const chunk of response as AsyncIterable<Buffer>) {
                    size += chunk.byteLength;
                    if (size > BODY_LIMIT_BYTES) throw new Error(`its answer is larger than ${BODY_LIMIT_BYTES} bytes`);
                    chunks.push(chunk);
                }
                const header = Object.fromEntries(
                    Object.entries(response.headersDistinct).map(([name, values]) => [name, values ?? []]),
                );
                resolve({
                    header,
                    status_code: response.statusCode ?? 502,
                    body: Buffer.concat(chunks).toString("base64"),
                });
            } catch (thrown) {
                reject(signal.aborted ? signal.reason : thrown);
            }
        });
        outgoing.on("error", (thrown) => reject(signal.aborted ? signal.reason : thrown));
        outgoing.end(body);
    });
}

function failure(status: number, text: string): HttpAnswer {
    return {
        header: { "content-type": ["text/plain; charset=utf-8"] },
        status_code: status,
        body: Buffer.from(`${text}\n`).toString("base64"),
    };
}

function headersOf(given: unknown): Record<string, string[]> {
    return Object.fromEntries(
        Object.entries(asRecord(given)).flatMap(([name, values]) => {
            if (HOP_HEADERS.has(name.toLowerCase()) || !Array.isArray(values)) return [];
            return [[name, values.filter((value) => typeof value === "string")]];
        }),
    );
}

function bodyOf(given: unknown): Buffer {
    return typeof given === "string" ? Buffer.from(given, "base64") : Buffer.alloc(0);
}
