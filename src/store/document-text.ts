// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../core/errors/redge-error.ts";
import type { StoreOp } from "./store.ts";

/** An operation whose value is already JSON text: checked before anything is touched, shared with nobody. */
export type TextOp =
    | { readonly op: "put"; readonly key: string; readonly text: string }
    | { readonly op: "delete"; readonly key: string };

/**
 * Turns the values of a batch into JSON text.
 * @throws REDGE_STORE_VALUE when a value has no JSON form (undefined, a function, a bigint, a cycle)
 */
export function toTextOps(ops: readonly StoreOp[]): TextOp[] {
    return ops.map((op) => (op.op === "delete" ? op : { op: "put", key: op.key, text: toText(op.key, op.value) }));
}

/** @throws REDGE_STORE_VALUE */
export function toText(key: string, value: unknown): string {
    let text: string | undefined;
    let reason = "it has no JSON form";
    try {
        text = JSON.stringify(value);
    } catch (error) {
        reason = error instanceof Error ? (error.message.split("\n")[0] ?? reason) : reason;
    }
    if (text === undefined) throw new RedgeError("REDGE_STORE_VALUE", { key, reason });
    return text;
}
