// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../core/errors/redge-error.ts";

/** REDGE_STORE_FULL for a full disk or quota, else REDGE_STORE_IO. */
export function ioError(path: string, thrown: unknown): RedgeError {
    if (thrown instanceof RedgeError) return thrown;
    const { code, errcode } = (thrown ?? {}) as { code?: unknown; errcode?: unknown };
    // 13 is SQLITE_FULL.
    if (code === "ENOSPC" || code === "EDQUOT" || errcode === 13)
        return new RedgeError("REDGE_STORE_FULL", { path }, thrown);
    return new RedgeError("REDGE_STORE_IO", { path, reason: errorText(thrown) }, thrown);
}
