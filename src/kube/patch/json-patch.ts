// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { cloneJson } from "../../core/clone.ts";
import { isRecord } from "../../core/json.ts";

/** A patch that cannot be applied to this document; the text says why. */
export class PatchError extends Error {
    override readonly name = "PatchError";
}

interface Operation {
    readonly op: string;
    readonly path: string;
    readonly from: string | undefined;
    readonly value: unknown;
}

type Holder = Record<string, unknown> | unknown[];

/** Most operations one patch may have; more is a mistake or an attack. */
const MAX_OPERATIONS = 10_000;

/**
 * RFC 6902. Answers the patched copy; `document` stays as it is.
 * @throws PatchError when the patch is malformed or does not fit, or a `test` fails
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
    if (!Array.isArray(patch)) throw new PatchError("a JSON patch is a list of operations");
    if (patch.length > MAX_OPERATIONS) {
        throw new PatchError(`the patch has ${patch.length} operations, at most ${MAX_OPERATIONS} are taken`);
    }
    const root = { document: cloneJson(document) };
    for (const raw of patch) applyOne(root, readOperation(raw));
    return root.document;
}

function readOperation(raw: unknown): Operation {
    if (!isRecord(raw) || typeof raw["op"] !== "string" || typeof raw["path"] !== "string") {
        throw new PatchError("every operation needs op and path");
    }
    const from = typeof raw["from"] === "string" ? raw["from"] : undefined;
    if ((raw["op"] === "move" || raw["op"] === "copy") && from === undefined) {
        throw new PatchError(`${raw["op"]} operation needs from`);
    }
    return { op: raw["op"], path: raw["path"], from, value: raw["value"] ?? null };
}

function applyOne(root: { document: unknown }, { op, path, from, value }: Operation): void {
    switch (op) {
        case "add":
            add(root, path, cloneJson(value));
            return;
        case "remove":
            remove(root, path);
            return;
        case "replace":
            replace(root, path, cloneJson(value));
            return;
        case "move": {
            if (path === from) return;
            if (path.startsWith(`${from}/`)) throw new PatchError(`cannot move ${from} into itself`);
            const moved = remove(root, from ?? "");
            add(root, path, moved);
            return;
        }
        case "copy":
            add(root, path, cloneJson(read(root, from ?? "")));
            return;
        case "test":
            if (!isDeepStrictEqual(read(root, path), value)) throw new PatchError(`testing path ${path} failed`);
            return;
        default:
            throw new PatchError(`unexpected operation ${op}`);
    }
}

function pointer(path: string): string[] {
    if (path === "") return [];
    if (!path.startsWith("/")) throw new PatchError(`${path} is not a JSON pointer`);
    return path
        .slice(1)
        .split("/")
        .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The holder of the last step, reached from a virtual holder so that "" addresses the whole document. */
function locate(root: { document: unknown }, path: string): { holder: Holder; key: string } {
    const steps = ["document", ...pointer(path)];
    const key = steps.pop() ?? "";
    let holder: unknown = root;
    for (const step of steps) holder = step in Object(holder) ? child(holder, step) : undefined;
    if (!Array.isArray(holder) && !isRecord(holder)) throw new PatchError(`the path ${path} does not exist`);
    return { holder, key };
}

function child(holder: unknown, step: string): unknown {
    if (Array.isArray(holder)) return holder[index(holder, step, holder.length - 1)];
    return isRecord(holder) && Object.hasOwn(holder, step) ? holder[step] : undefined;
}

function index(list: readonly unknown[], step: string, last: number): number {
    const at = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : Number.NaN;
    if (!(at <= last)) throw new PatchError(`index ${step} is not within the list of ${list.length}`);
    return at;
}

function read(root: { document: unknown }, path: string): unknown {
    const { holder, key } = locate(root, path);
    if (!Array.isArray(holder) && !Object.hasOwn(holder, key)) throw new PatchError(`the path ${path} does not exist`);
    return child(holder, key);
}

function add(root: { document: unknown }, path: string, value: unknown): void {
    const { holder, key } = locate(root, path);
    if (Array.isArray(holder)) holder.splice(key === "-" ? holder.length : index(holder, key, holder.length), 0, value);
    else define(holder, key, value);
}

function replace(root: { document: unknown }, path: string, value: unknown): void {
    read(root, path);
    const { holder, key } = locate(root, path);
    if (Array.isArray(holder)) holder[index(holder, key, holder.length - 1)] = value;
    else define(holder, key, value);
}

function remove(root: { document: unknown }, path: string): unknown {
    const removed = read(root, path);
    const { holder, key } = locate(root, path);
    if (Array.isArray(holder)) holder.splice(index(holder, key, holder.length - 1), 1);
    else delete holder[key];
    return removed;
}

/** Plain assignment would call the setter of "__proto__". */
function define(holder: Record<string, unknown>, key: string, value: unknown): void {
    Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}
