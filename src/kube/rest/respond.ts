// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from "node:http";
import type { Stored } from "../storage/stored.ts";
import { tableHeader, tableRow } from "../tables/table.ts";
import { apiVersionOf, type KubeObject } from "../types.ts";
import type { Accepted } from "./negotiate.ts";
import type { ServedResource } from "./resources.ts";
import { statusOf } from "./status.ts";

/** Everything the shape of an answer depends on. */
export interface Shape {
    readonly resource: ServedResource;
    readonly accepted: Accepted;
    /** What a table's rows carry beside the cells. */
    readonly includeObject: "Metadata" | "Object" | "None";
    readonly nowMs: number;
}

export function sendJson(response: ServerResponse, code: number, json: string): void {
    // As text it leaves in one piece with the head.
    response.writeHead(code, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(json) });
    response.end(json);
}

export function sendValue(response: ServerResponse, code: number, value: unknown): void {
    sendJson(response, code, JSON.stringify(value));
}

/** Answers a failure; when the answer has begun already the connection is cut, so that nobody takes it for whole. */
export function sendError(response: ServerResponse, thrown: unknown): void {
    if (response.headersSent) {
        response.destroy();
        return;
    }
    const { status, headers } = statusOf(thrown);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    sendValue(response, status.code, status);
}

async function sendText(
    response: ServerResponse,
    code: number,
    json: string,
    mediaType: Accepted["mediaType"],
): Promise<void> {
    if (mediaType === "application/json") return sendJson(response, code, json);
    const { stringify } = await import("yaml");
    const body = Buffer.from(stringify(JSON.parse(json)));
    response.writeHead(code, { "Content-Type": mediaType, "Content-Length": body.length });
    response.end(body);
}

/** The object in the version of the resource, as JSON text. */
export function objectJson(resource: ServedResource, stored: Stored): string {
    return resource.present === undefined ? stored.json : JSON.stringify(resource.present(stored.object));
}

export function presented(resource: ServedResource, object: KubeObject): KubeObject {
    return resource.present === undefined ? object : resource.present(object);
}

export async function sendObject(response: ServerResponse, code: number, stored: Stored, shape: Shape): Promise<void> {
    const { representation, mediaType } = shape.accepted;
    const resourceVersion = stored.object.metadata.resourceVersion;
    const json =
        representation.form === "table"
            ? table([stored], { resourceVersion }, shape)
            : representation.form === "metadata"
              ? JSON.stringify(metadataOnly(stored.object))
              : objectJson(shape.resource, stored);
    await sendText(response, code, json, mediaType);
}

export interface ListMeta {
    readonly resourceVersion?: string | undefined;
    readonly continue?: string | undefined;
    readonly remainingItemCount?: number | undefined;
}

export async function sendList(
    response: ServerResponse,
    items: readonly Stored[],
    meta: ListMeta,
    shape: Shape,
): Promise<void> {
    const { resource, accepted } = shape;
    if (accepted.representation.form === "table")
        return sendText(response, 200, table(items, meta, shape), accepted.mediaType);
    const partial = accepted.representation.form === "metadata";
    const kind = partial ? "PartialObjectMetadataList" : resource.listKind;
    const apiVersion = partial ? "meta.k8s.io/v1" : apiVersionOf(resource);
    const parts = items.map((stored) =>
        partial ? JSON.stringify(metadataOnly(stored.object)) : objectJson(resource, stored),
    );
    const json = `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(meta)},"items":[${parts.join(",")}]}`;
    await sendText(response, 200, json, accepted.mediaType);
}

/** A table of rows; `columns` false leaves the header out, as watches do after the first event. */
export function table(items: readonly Stored[], meta: ListMeta, shape: Shape, columns = true): string {
    const { resource, nowMs, includeObject } = shape;
    const { representation } = shape.accepted;
    const version = representation.form === "table" ? representation.version : "v1";
    const rows = items.map((stored) => {
        const carried =
            includeObject === "None"
                ? "null"
                : includeObject === "Object"
                  ? objectJson(resource, stored)
                  : JSON.stringify(metadataOnly(stored.object));
        return tableRow(resource.columns, presented(resource, stored.object), carried, nowMs);
    });
    const header = columns ? JSON.stringify(tableHeader(resource.columns)) : "null";
    return `{"kind":"Table","apiVersion":"meta.k8s.io/${version}","metadata":${JSON.stringify(meta)},"columnDefinitions":${header},"rows":[${rows.join(",")}]}`;
}

export function metadataOnly(object: KubeObject): Record<string, unknown> {
    return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}
