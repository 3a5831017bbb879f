// SPDX-License-Identifier: Apache-2.0
import type { WriteOptions } from "../rest/objects.ts";
import type { ServedResource } from "../rest/resources.ts";
import type { Stored } from "../storage/stored.ts";
import type { KubeObject } from "../types.ts";

export interface ApplyTarget {
    readonly resource: ServedResource;
    readonly namespace: string | undefined;
    readonly name: string;
    readonly subresource: string | undefined;
}

/** Books a change: answers `next` with managedFields brought up to date. */
export type FieldTracker = (current: KubeObject, next: KubeObject) => KubeObject;

/** Server-side apply, and the booking of fields that other writes take over. */
export interface Applier {
    apply(
        target: ApplyTarget,
        sent: KubeObject,
        by: { readonly manager: string; readonly force: boolean },
        options: WriteOptions,
    ): Promise<{ readonly stored: Stored; readonly created: boolean }>;
    tracker(resource: ServedResource, manager: string, subresource: string | undefined): Promise<FieldTracker>;
}
