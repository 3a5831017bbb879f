// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kube/types.ts";

/** Versions are opaque to clients, but KubeEdge compares them as numbers; what is none counts as older than any. */
export function isNewer(version: string | undefined, than: string | undefined): boolean {
    return numeric(version) > numeric(than);
}

/** True when nothing but the status (and what every write changes) differs. */
export function sameButStatus(one: KubeObject, other: KubeObject): boolean {
    return isDeepStrictEqual(withoutStatus(one), withoutStatus(other));
}

function numeric(version: string | undefined): bigint {
    return version !== undefined && /^\d{1,20}$/.test(version) ? BigInt(version) : -1n;
}

function withoutStatus(object: KubeObject): unknown {
    const { resourceVersion: _, generation: __, ...metadata } = object.metadata;
    return { ...object, metadata, status: undefined };
}
