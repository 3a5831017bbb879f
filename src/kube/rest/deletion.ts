// SPDX-License-Identifier: Apache-2.0
import { cloneJson } from "../../core/clone.ts";
import { isoSeconds } from "../meta/time.ts";
import type { KubeObject } from "../types.ts";
import type { ServedResource } from "./resources.ts";
import { badRequest, conflict } from "./status.ts";

/** metav1.DeleteOptions, the parts that are obeyed. */
export interface DeleteRequest {
    readonly gracePeriodSeconds?: number | undefined;
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
    readonly propagationPolicy?: string | undefined;
}

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";
const DEFAULT_GRACE_SECONDS = 30;

/** Reads DeleteOptions from a body and the query, which wins. */
export function readDeleteRequest(body: unknown, query: URLSearchParams): DeleteRequest {
    const sent = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const preconditions = (sent["preconditions"] ?? {}) as { uid?: string; resourceVersion?: string };
    const seconds = query.get("gracePeriodSeconds") ?? sent["gracePeriodSeconds"];
    const gracePeriodSeconds = seconds === undefined || seconds === null ? undefined : Number(seconds);
    if (gracePeriodSeconds !== undefined && !Number.isInteger(gracePeriodSeconds)) {
        throw badRequest("gracePeriodSeconds is not a whole number");
    }
    const orphan = query.get("orphanDependents") ?? sent["orphanDependents"];
    const policy = query.get("propagationPolicy") ?? sent["propagationPolicy"];
    const propagationPolicy =
        typeof policy === "string" && policy !== "" ? policy : String(orphan) === "true" ? "Orphan" : undefined;
    if (propagationPolicy !== undefined && !["Orphan", "Background", "Foreground"].includes(propagationPolicy)) {
        throw badRequest(`invalid propagationPolicy "${propagationPolicy}": Orphan, Background or Foreground`);
    }
    return {
        gracePeriodSeconds,
        uid: preconditions.uid,
        resourceVersion: preconditions.resourceVersion,
        propagationPolicy,
    };
}

/**
 * What a delete makes of an object: undefined when it goes at once, the object itself when nothing changes, else the
 * object marked for deletion.
 * @throws 409 when a precondition does not hold
 */
export function deletionOf(
    resource: ServedResource,
    current: KubeObject,
    request: DeleteRequest,
    nowMs: number,
): KubeObject | undefined {
    const { name, uid, resourceVersion } = current.metadata;
    if (request.uid !== undefined && request.uid !== uid) {
        throw conflict(
            resource,
            name,
            `the UID in the precondition (${request.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
        );
    }
    if (request.resourceVersion !== undefined && request.resourceVersion !== resourceVersion) {
        throw conflict(
            resource,
            name,
            `the ResourceVersion in the precondition (${request.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
        );
    }
    const finalizers = finalizersFor(current, request.propagationPolicy);
    const graceSeconds = graceOf(resource, current, request);
    const isNamespace = resource.plural === "namespaces" && resource.group === "";
    if (finalizers.length === 0 && graceSeconds === 0 && !isNamespace) return undefined;
    const deleting = current.metadata.deletionTimestamp !== undefined;
    const sameFinalizers = finalizers.join() === (current.metadata.finalizers ?? []).join();
    const shorter = graceSeconds < (current.metadata.deletionGracePeriodSeconds ?? 0);
    if (deleting && sameFinalizers && !shorter) return current;
    const next = cloneJson(current);
    if (finalizers.length > 0) next.metadata.finalizers = [...finalizers];
    else delete next.metadata.finalizers;
    if (!deleting || shorter) {
        next.metadata.deletionTimestamp = isoSeconds(nowMs + graceSeconds * 1000);
        next.metadata.deletionGracePeriodSeconds = graceSeconds;
        if (current.metadata.generation !== undefined) next.metadata.generation = current.metadata.generation + 1;
    }
    if (isNamespace) next["status"] = { ...(current["status"] as object | undefined), phase: "Terminating" };
    return next;
}

function finalizersFor(current: KubeObject, policy: string | undefined): readonly string[] {
    const existing = current.metadata.finalizers ?? [];
    if (policy === undefined) return existing;
    const own = existing.filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN);
    if (policy === "Foreground") return [...own, FOREGROUND];
    return policy === "Orphan" ? [...own, ORPHAN] : own;
}

/** Only pods that run somewhere are given time to end; whoever runs them removes them with a grace period of 0. */
function graceOf(resource: ServedResource, current: KubeObject, request: DeleteRequest): number {
    if (resource.plural !== "pods" || resource.group !== "") return 0;
    const spec = (current["spec"] ?? {}) as { nodeName?: string; terminationGracePeriodSeconds?: number };
    const { phase } = (current["status"] ?? {}) as { phase?: string };
    const wanted = request.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    if (!spec.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
    return Math.max(0, wanted);
}
