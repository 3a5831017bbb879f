// SPDX-License-Identifier: Apache-2.0
import { asRecord, isRecord } from "../../core/json.ts";

/**
 * How a device method is called through the Kubernetes API (docs/devices.md): an annotation `call.redge.io/<id>` of the
 * Device, its value the method's name or JSON `{method, params, timeoutSeconds}`. Read by both ends.
 */
export const CALL_PREFIX = "call.redge.io/";

const DEFAULT_TIMEOUT_S = 30;
const LONGEST_TIMEOUT_S = 86_400;

export interface MethodCall {
    readonly id: string;
    readonly method: string;
    /** Property or parameter → value, as given. */
    readonly params: Readonly<Record<string, unknown>>;
    readonly timeoutMs: number;
    /** Why it can never be carried out as it stands. */
    readonly invalid?: string;
}

/** How a call ended. `error` set: it failed; else `result` is what the device answered, any JSON. */
export interface CallResult {
    readonly id: string;
    readonly state: "Succeeded" | "Failed" | "Expired";
    readonly result?: unknown;
    readonly reason?: string;
    /** ms since the epoch, the edge's time. */
    readonly finishedMs?: number;
}

/** The calls that a Device object asks for, by their ids' order. */
export function callsOf(device: unknown): readonly MethodCall[] {
    const annotations = asRecord(asRecord(asRecord(device)["metadata"])["annotations"]);
    return Object.keys(annotations)
        .filter((key) => key.startsWith(CALL_PREFIX))
        .sort()
        .map((key) => parseCall(key.slice(CALL_PREFIX.length), annotations[key]));
}

function parseCall(id: string, given: unknown): MethodCall {
    const call = { id, method: "", params: {}, timeoutMs: DEFAULT_TIMEOUT_S * 1000 };
    const text = typeof given === "string" ? given.trim() : "";
    if (text === "") return { ...call, invalid: "the annotation is empty: give a method's name, or JSON with one" };
    if (!text.startsWith("{")) return { ...call, method: text };
    let document: unknown;
    try {
        document = JSON.parse(text);
    } catch (thrown) {
        return { ...call, invalid: `the annotation is not JSON: ${thrown instanceof Error ? thrown.message : ""}` };
    }
    const { method, params = {}, timeoutSeconds = DEFAULT_TIMEOUT_S } = asRecord(document);
    if (typeof method !== "string" || method === "") return { ...call, invalid: "method is missing or not text" };
    if (!isRecord(params)) return { ...call, method, invalid: "params is not an object" };
    if (typeof timeoutSeconds !== "number" || !(timeoutSeconds > 0 && timeoutSeconds <= LONGEST_TIMEOUT_S))
        return { ...call, method, invalid: `timeoutSeconds is not a number above 0 and up to ${LONGEST_TIMEOUT_S}` };
    return { id, method, params, timeoutMs: timeoutSeconds * 1000 };
}

/** Reads what an edge says of its calls; entries of another shape are left out. */
export function callResultsOf(given: unknown): readonly CallResult[] {
    if (!Array.isArray(given)) return [];
    return given.filter(isRecord).flatMap((one): CallResult[] => {
        const { id, state, result, reason, finishedMs } = one;
        if (typeof id !== "string" || (state !== "Succeeded" && state !== "Failed" && state !== "Expired")) return [];
        return [
            {
                id,
                state,
                ...(result === undefined ? {} : { result }),
                ...(typeof reason === "string" ? { reason } : {}),
                ...(typeof finishedMs === "number" && Math.abs(finishedMs) <= 8.64e15 ? { finishedMs } : {}),
            },
        ];
    });
}
