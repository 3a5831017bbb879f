// SPDX-License-Identifier: Apache-2.0
import type { KubeList, KubeObject, ResourceType } from "../types.ts";

export interface ObjectRef {
    readonly type: ResourceType;
    /** Absent for cluster-scoped types. */
    readonly namespace?: string | undefined;
    readonly name: string;
}

export interface ListQuery {
    readonly type: ResourceType;
    /** Absent: all namespaces. */
    readonly namespace?: string | undefined;
    readonly labelSelector?: string | undefined;
    readonly fieldSelector?: string | undefined;
    readonly limit?: number | undefined;
    readonly continueToken?: string | undefined;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface PatchOptions {
    readonly subresource?: string | undefined;
    readonly fieldManager?: string | undefined;
    readonly force?: boolean | undefined;
}

export interface DeleteOptions {
    readonly gracePeriodSeconds?: number | undefined;
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
    readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
}

export interface WatchEvent {
    readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
    readonly object: KubeObject;
}

/**
 * A Kubernetes API server, whichever: embedded, in-cluster or by kubeconfig. Every failure that the server answers is a
 * RedgeError REDGE_KUBE_STATUS whose details carry `code` (HTTP status) and `reason` (metav1 reason); one that never
 * reached it is REDGE_KUBE_UNREACHABLE.
 */
export interface KubeClient {
    get(ref: ObjectRef): Promise<KubeObject>;
    list(query: ListQuery): Promise<KubeList>;
    create(
        type: ResourceType,
        object: KubeObject,
        subresource?: { readonly name: string; readonly of: string },
    ): Promise<KubeObject>;
    replace(type: ResourceType, object: KubeObject, subresource?: string): Promise<KubeObject>;
    patch(ref: ObjectRef, patch: unknown, type: PatchType, options?: PatchOptions): Promise<KubeObject>;
    delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>;
    /** Ends when the server closes or `signal` aborts; bookmarks are asked for. */
    watch(query: ListQuery & { readonly resourceVersion: string }, signal: AbortSignal): AsyncIterable<WatchEvent>;
    /** Closes idle connections. */
    close(): Promise<void>;
}
