// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";
import { type Envelope, MessageType } from "./envelope.ts";

/** What an application published, as content: text as it is, other bytes in base64, with the type that says so. */
export function contentOf(payload: Buffer): { readonly content: string; readonly type?: string } {
    if (isUtf8(payload)) return { content: payload.toString("utf8") };
    return { content: payload.toString("base64"), type: MessageType.base64 };
}

/** What an application published: text, or bytes where it is none; JSON text when KubeEdge sent it parsed. */
export function payloadIn({ header, content }: Envelope): string | Buffer {
    if (typeof content !== "string") return JSON.stringify(content);
    return header.type === MessageType.base64 ? Buffer.from(content, "base64") : content;
}
