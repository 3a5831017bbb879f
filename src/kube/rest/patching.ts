// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../core/errors/redge-error.ts";
import { isRecord } from "../../core/json.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyStrategicPatch } from "../patch/strategic.ts";
import type { KubeObject } from "../types.ts";
import { asKubeObject } from "./body.ts";
import type { ServedResource } from "./resources.ts";
import { badRequest, StatusError, unsupportedMediaType } from "./status.ts";

export const PATCH_TYPES = {
    json: "application/json-patch+json",
    merge: "application/merge-patch+json",
    strategic: "application/strategic-merge-patch+json",
    apply: "application/apply-patch+yaml",
} as const;

/**
 * Applies a JSON, merge or strategic merge patch to an object in the version the client speaks.
 * @throws 400, 415, 422
 */
export function patchObject(
    resource: ServedResource,
    current: KubeObject,
    patch: unknown,
    mediaType: string,
): KubeObject {
    return asKubeObject(patched(resource, current, patch, mediaType));
}

function patched(resource: ServedResource, current: KubeObject, patch: unknown, mediaType: string): unknown {
    try {
        if (mediaType === PATCH_TYPES.json) return applyJsonPatch(current, patch);
        if (!isRecord(patch)) throw badRequest("the patch is not an object");
        if (mediaType === PATCH_TYPES.merge) return applyMergePatch(current, patch);
        if (mediaType === PATCH_TYPES.strategic && resource.mergeSchema !== undefined) {
            return applyStrategicPatch(current, patch, resource.mergeSchema);
        }
    } catch (error) {
        if (error instanceof StatusError) throw error;
        const { name } = current.metadata;
        throw new StatusError(
            422,
            "Invalid",
            `the server rejected our request due to an error in our request: ${errorText(error)}`,
            { name, kind: resource.plural },
        );
    }
    const known = Object.values(PATCH_TYPES).filter(
        (type) => type !== PATCH_TYPES.strategic || resource.mergeSchema !== undefined,
    );
    throw unsupportedMediaType(known);
}
