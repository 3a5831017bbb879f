// SPDX-License-Identifier: Apache-2.0
import { StatusError } from "../../kube/rest/status.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { Applications, Asked } from "./applications.ts";
import { desired } from "./three-way.ts";
import type { QueuedWrite } from "./write-queue.ts";

type Change = Pick<QueuedWrite, "resource" | "type" | "actor" | "base" | "local" | "graceSeconds">;

/**
 * Asks the cluster for one change.
 * @returns the object as the cluster has it now, undefined for a delete
 * @throws StatusError as the API refuses it; 503 without an answer
 */
export function askCluster(
    applications: Applications,
    verb: "create" | "update" | "delete",
    change: Change,
): Promise<KubeObject | undefined> {
    const { resource, type, actor, base, local } = change;
    const target = { type, actor, namespace: namespaceOf(resource) };
    const name = nameOf(resource);
    if (verb === "delete") return applications.ask({ ...target, verb, name, options: deleteOptions(change) });
    if (local === null) throw new TypeError(`nothing to ${verb}`);
    if (verb === "create") return applications.ask({ ...target, verb, body: fresh(local) });
    const { resourceVersion, uid } = base?.metadata ?? {};
    const metadata = { ...local.metadata, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    return applications.ask({ ...target, verb, name, body: { ...local, metadata } });
}

/** What the cluster has; undefined when it has none. */
export async function readCluster(
    applications: Applications,
    { resource, type, actor }: Pick<QueuedWrite, "resource" | "type" | "actor">,
): Promise<KubeObject | undefined> {
    try {
        const asked = { verb: "get", type, actor, namespace: namespaceOf(resource), name: nameOf(resource) } as const;
        return await applications.ask(asked);
    } catch (error) {
        if (error instanceof StatusError && error.status.code === 404) return undefined;
        throw error;
    }
}

/** Of a pod the version changes with every status: deleting it means this pod, however it does. */
function deleteOptions({ type, base, local, graceSeconds }: Change): NonNullable<Asked["options"]> {
    const { uid, resourceVersion } = base?.metadata ?? {};
    const exact = type.plural === "pods" ? { uid } : { uid, resourceVersion };
    const grace = graceSeconds ?? local?.metadata.deletionGracePeriodSeconds;
    return { preconditions: exact, ...(grace === undefined ? {} : { gracePeriodSeconds: grace }) };
}

/** Without what the API server sets. */
function fresh(local: KubeObject): KubeObject {
    const { apiVersion, kind, metadata } = local;
    const wanted = desired(local);
    const labels = wanted["metadata"] as Record<string, unknown>;
    return { ...wanted, apiVersion, kind, metadata: { ...labels, name: metadata.name } };
}

/** Deleted, or marked to be deleted just now. */
export function isDeletion(from: KubeObject | undefined, next: KubeObject | undefined): boolean {
    if (next === undefined) return true;
    return from?.metadata.deletionTimestamp === undefined && next.metadata.deletionTimestamp !== undefined;
}

export function namespaceOf(resource: string): string {
    const [namespace = ""] = resource.split("/");
    return namespace === "null" ? "" : namespace;
}

export function nameOf(resource: string): string {
    return resource.split("/")[2] ?? "";
}
