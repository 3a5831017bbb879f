// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../core/json.ts";

/** RFC 7386. Answers the merged copy; neither argument is changed, unchanged parts are shared with `document`. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
    if (!isRecord(patch)) return patch;
    const merged = new Map(Object.entries(isRecord(document) ? document : {}));
    for (const [key, value] of Object.entries(patch)) {
        if (value === null) merged.delete(key);
        else merged.set(key, applyMergePatch(merged.get(key), value));
    }
    return Object.fromEntries(merged);
}
