// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../kube/types.ts";

/** An object with a named metadata, or undefined. */
export function asKubeObject(value: unknown): KubeObject | undefined {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
    const { metadata } = value as { metadata?: { name?: unknown } };
    if (metadata === null || typeof metadata !== "object" || typeof metadata.name !== "string") return undefined;
    return value as KubeObject;
}

/** The bytes of a ConfigMap's or Secret's keys. */
export function dataOf(object: KubeObject): ReadonlyMap<string, Buffer> {
    const bytes = new Map<string, Buffer>();
    const secret = object.kind === "Secret";
    for (const [key, value] of Object.entries((object["data"] ?? {}) as Record<string, string>)) {
        bytes.set(key, Buffer.from(value, secret ? "base64" : "utf8"));
    }
    for (const [key, value] of Object.entries((object["binaryData"] ?? {}) as Record<string, string>)) {
        bytes.set(key, Buffer.from(value, "base64"));
    }
    for (const [key, value] of Object.entries((object["stringData"] ?? {}) as Record<string, string>)) {
        bytes.set(key, Buffer.from(value, "utf8"));
    }
    return bytes;
}
