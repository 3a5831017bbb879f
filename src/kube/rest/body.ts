// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { errorText } from "../../core/errors/redge-error.ts";
import { isRecord } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import { LocalRequest } from "./local.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "./status.ts";

/** As the API server's own limit for requests (3 MiB). */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** The request's body. @throws 413 when it is larger than the limit */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
    if (request instanceof LocalRequest) return within(Buffer.from(request.text));
    return new Promise((resolve, reject) => {
        const brokenOff = (): void => reject(badRequest("the request was broken off before its body was whole"));
        if (request.destroyed) {
            brokenOff();
            return;
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        request.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > MAX_BODY_BYTES) {
                // What still comes is read and thrown away, until the answer closes the connection.
                request.removeAllListeners("data").resume();
                reject(tooLarge(MAX_BODY_BYTES));
            } else chunks.push(chunk);
        });
        request.on("end", () =>
            resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
        );
        request.on("error", reject);
        // After "end" and "error" this says nothing any more.
        request.on("close", brokenOff);
    });
}

function within(body: Buffer): Buffer {
    if (body.length > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
    return body;
}

export function mediaTypeOf(request: IncomingMessage): string {
    return (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** A body in JSON, YAML or Kubernetes' protobuf as a value. @throws 400, 415 */
export async function parseText(body: Buffer, mediaType: string): Promise<unknown> {
    const text = body.toString("utf8");
    try {
        if (mediaType === "application/json" || mediaType === "" || mediaType.endsWith("+json"))
            return JSON.parse(text);
        if (mediaType === "application/yaml" || mediaType.endsWith("+yaml")) {
            const { parse } = await import("yaml");
            return parse(text) as unknown;
        }
        if (mediaType === "application/vnd.kubernetes.protobuf") {
            const { decodeProtobuf } = await import("../protobuf/decode.ts");
            return decodeProtobuf(body);
        }
    } catch (error) {
        throw badRequest(`the request body does not parse: ${errorText(error)}`);
    }
    throw unsupportedMediaType(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]);
}

/** Checks the shape every object has. @throws 400 */
export function asKubeObject(value: unknown): KubeObject {
    if (!isRecord(value)) throw badRequest("the request body is not an object");
    const { apiVersion, kind, metadata } = value;
    if (typeof kind !== "string" || kind === "") throw badRequest("Object 'Kind' is missing");
    if (typeof apiVersion !== "string" || apiVersion === "") throw badRequest("Object 'apiVersion' is missing");
    if (metadata !== undefined && metadata !== null && !isRecord(metadata))
        throw badRequest("metadata is not an object");
    checkMetadata(isRecord(metadata) ? metadata : {});
    return { ...value, metadata: { ...(metadata ?? {}) } } as unknown as KubeObject;
}

const TEXTS = ["name", "namespace", "generateName", "uid", "resourceVersion"] as const;
const MAPS = ["labels", "annotations"] as const;
const LISTS = ["finalizers", "ownerReferences"] as const;

function checkMetadata(metadata: Record<string, unknown>): void {
    const wrong = (field: string, wanted: string): never => {
        throw badRequest(`metadata.${field} in the request body is not ${wanted}`);
    };
    for (const field of TEXTS)
        if (metadata[field] != null && typeof metadata[field] !== "string") wrong(field, "a string");
    for (const field of MAPS) {
        const map = metadata[field];
        if (map == null) continue;
        if (!isRecord(map) || Object.values(map).some((value) => typeof value !== "string")) {
            wrong(field, "a map of strings");
        }
    }
    for (const field of LISTS) if (metadata[field] != null && !Array.isArray(metadata[field])) wrong(field, "a list");
}
