// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "../../../../kube/client/client.ts";
import type { KubeObject, ResourceType } from "../../../../kube/types.ts";

/** Writes `status` when it says something new. Loses against a newer version (Conflict): the queue then looks again. */
export async function writeStatus<T extends KubeObject>(
    cluster: KubeClient,
    type: ResourceType,
    object: T,
    status: Readonly<Record<string, unknown>>,
): Promise<void> {
    const known = (object["status"] ?? {}) as Readonly<Record<string, unknown>>;
    const merged = withoutBlanks({ ...known, ...status });
    if (isDeepStrictEqual(withoutBlanks(known), merged)) return;
    await cluster.replace(type, { ...object, status: merged }, "status");
}

/** Zero counts and empty lists are left out, as the API server does. */
function withoutBlanks(status: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
}
