// SPDX-License-Identifier: Apache-2.0
import type { Batch } from "./commit-queue.ts";
import type { TextOp } from "./document-text.ts";

/**
 * The lines of a data file: those of nedb (one JSON document a line, the last one of an `_id` counts), so that any nedb
 * opens the file. A document is `{_id: key, v: JSON text}`; the text keeps field names that nedb forbids (dots) and a
 * third of the memory that objects would take. `more` counts the operations of the same batch that follow: a batch
 * whose last line (no `more`) is missing was never acknowledged.
 */
export const FORMAT = 1;

/** Key of the format record, the first line. No other key begins with NUL. */
const FORMAT_KEY = "\u0000redge";

export const FORMAT_LINE = `${JSON.stringify({ _id: FORMAT_KEY, format: FORMAT })}\n`;

export type Line =
    | { readonly kind: "format"; readonly format: number }
    | { readonly kind: "op"; readonly op: TextOp; readonly more: number }
    /** Something of plain nedb that has no meaning here (an index). */
    | { readonly kind: "other" };

export function putLine(key: string, text: string): string {
    return `{"_id":${JSON.stringify(key)},"v":${JSON.stringify(text)}}\n`;
}

export function batchLines(batch: Batch): string {
    let lines = "";
    batch.forEach((op, at) => {
        const left = batch.length - 1 - at;
        const more = left === 0 ? "" : `,"more":${left}`;
        const key = JSON.stringify(op.key);
        lines +=
            op.op === "put"
                ? `{"_id":${key},"v":${JSON.stringify(op.text)}${more}}\n`
                : `{"$$deleted":true,"_id":${key}${more}}\n`;
    });
    return lines;
}

/** Undefined for a damaged line. */
export function parseLine(line: string): Line | undefined {
    let document: Record<string, unknown>;
    try {
        const parsed: unknown = JSON.parse(line);
        if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
        document = parsed as Record<string, unknown>;
    } catch {
        return undefined; // Damage is an answer here: the reader keeps the line aside.
    }
    const { _id: key, v: text, more, $$deleted: deleted, ...fields } = document;
    if (typeof key !== "string") return { kind: "other" };
    if (key === FORMAT_KEY) return { kind: "format", format: Number(fields["format"]) };
    const left = typeof more === "number" ? more : 0;
    if (deleted === true) return { kind: "op", op: { op: "delete", key }, more: left };
    if (typeof text === "string" && Object.keys(fields).length === 0)
        return { kind: "op", op: { op: "put", key, text }, more: left };
    const { _id: _dropped, ...plain } = document;
    return { kind: "op", op: { op: "put", key, text: JSON.stringify(plain) }, more: 0 };
}
