// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../core/errors/redge-error.ts";

const TIMEOUT_MS = 30_000;
const ANSWER_LIMIT_BYTES = 1024 * 1024;

export interface CallResult {
    readonly status: number;
    readonly body: string;
}

/**
 * Posts what an edge node sent to a rule's address. Certificates are checked. Not repeated: whether the other end acted
 * on a request it did not answer is not known.
 * @throws Error with a reason for people when there was no answer
 */
export async function post(url: string, body: string | Buffer, signal: AbortSignal): Promise<CallResult> {
    const stopped = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
        const headers = { "content-type": typeOf(body) };
        const bytes = typeof body === "string" ? body : new Uint8Array(body);
        const response = await fetch(url, {
            method: "POST",
            body: bytes,
            headers,
            signal: stopped,
            redirect: "manual",
        });
        return { status: response.status, body: await limited(response) };
    } catch (thrown) {
        const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
        throw new Error(`no answer from ${new URL(url).origin}: ${errorText(cause)}`);
    }
}

async function limited(response: Response): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
        const left = ANSWER_LIMIT_BYTES - size;
        chunks.push(chunk.subarray(0, left));
        size += chunk.byteLength;
        if (size >= ANSWER_LIMIT_BYTES) break;
    }
    return Buffer.concat(chunks).toString("utf8");
}

function typeOf(body: string | Buffer): string {
    if (typeof body !== "string") return "application/octet-stream";
    return isJson(body) ? "application/json" : "text/plain; charset=utf-8";
}

function isJson(text: string): boolean {
    try {
        JSON.parse(text);
        return true;
    } catch {
        return false;
    }
}
