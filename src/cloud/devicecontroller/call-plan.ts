// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText } from "../../core/json.ts";
import { CALL_PREFIX, type CallResult, callsOf, type MethodCall } from "../../kube/devices/method-call.ts";
import type { KubeObject } from "../../kube/types.ts";

/** One entry of Device.status.methodCalls. */
export interface CallStatus {
    readonly id: string;
    readonly method: string;
    readonly state: "Pending" | CallResult["state"];
    readonly requestedTime: string;
    readonly finishedTime?: string;
    readonly result?: unknown;
    readonly reason?: string;
}

export interface CallPlan {
    readonly methodCalls: readonly CallStatus[];
    /** Annotations that have done their service. */
    readonly drop: readonly string[];
    /** What has ended just now, for events. */
    readonly ended: readonly CallStatus[];
    /** When the next pending call expires, ms since the epoch. */
    readonly nextMs: number | undefined;
    /** Whether the Device says something else. */
    readonly due: boolean;
}

/** Ended calls that a Device remembers, so that an id is never carried out twice. */
const REMEMBERED = 20;
/** A call that the edge has got is ended by the edge; its word may take so long. */
const GRACE_MS = 5000;

/**
 * What Device.status.methodCalls has to say: a new call is Pending, one that the edge ended has its result, one whose time is
 * over is Expired (and is taken away, so that a gateway that was away never carries it out).
 */
export function planCalls(device: KubeObject, results: ReadonlyMap<string, CallResult>, nowMs: number): CallPlan {
    const asked = new Map(callsOf(device).map((call) => [call.id, call]));
    const known = new Map(callStatuses(device).map((call) => [call.id, call]));
    const drop: string[] = [];
    const ended: CallStatus[] = [];
    let nextMs: number | undefined;
    let due = false;
    for (const id of new Set([...known.keys(), ...asked.keys()])) {
        const call = asked.get(id);
        const before = known.get(id);
        const after = next(before ?? begun(call, id, nowMs), call, results.get(id), nowMs);
        if (after !== before) {
            due = true;
            known.set(id, after);
            if (after.state !== "Pending") ended.push(after);
        }
        if (after.state !== "Pending") {
            if (call !== undefined) drop.push(CALL_PREFIX + id);
        } else if (call !== undefined) {
            nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, deadline(after, call));
        }
    }
    const all = [...known.values()];
    const pending = all.filter(({ state }) => state === "Pending");
    const remembered = all.filter(({ state }) => state !== "Pending").slice(-REMEMBERED);
    const kept = new Set([...pending, ...remembered]);
    return { methodCalls: all.filter((call) => kept.has(call)), drop, ended, nextMs, due: due || drop.length > 0 };
}

export function callStatuses(device: KubeObject): readonly CallStatus[] {
    return asRecords(asRecord(device["status"])["methodCalls"]).flatMap((given): CallStatus[] => {
        const { state, result } = given;
        const id = asText(given["id"]);
        if (id === undefined || !isState(state)) return [];
        const finishedTime = asText(given["finishedTime"]);
        const reason = asText(given["reason"]);
        return [
            {
                id,
                method: asText(given["method"]) ?? "",
                state,
                requestedTime: asText(given["requestedTime"]) ?? "",
                ...(finishedTime === undefined ? {} : { finishedTime }),
                ...(result === undefined ? {} : { result }),
                ...(reason === undefined ? {} : { reason }),
            },
        ];
    });
}

function next(
    status: CallStatus,
    call: MethodCall | undefined,
    result: CallResult | undefined,
    nowMs: number,
): CallStatus {
    // The device's word is worth more than our impatience, however late it comes.
    const open = status.state === "Pending" || status.state === "Expired";
    if (open && result !== undefined && result.state !== status.state) {
        const { state, reason, result: value, finishedMs = nowMs } = result;
        const { reason: _, ...rest } = status;
        return {
            ...rest,
            state,
            finishedTime: timeOf(finishedMs),
            ...(value === undefined ? {} : { result: value }),
            ...(reason === undefined ? {} : { reason }),
        };
    }
    if (status.state !== "Pending") return status;
    const end = (state: "Failed" | "Expired", reason: string): CallStatus => ({
        ...status,
        state,
        reason,
        finishedTime: timeOf(nowMs),
    });
    if (call === undefined) return end("Expired", "the annotation was taken away before the device had answered");
    if (call.invalid !== undefined) return end("Failed", call.invalid);
    if (nowMs >= deadline(status, call)) return end("Expired", `no answer within ${call.timeoutMs / 1000} s`);
    return status;
}

function begun(call: MethodCall | undefined, id: string, nowMs: number): CallStatus {
    return { id, method: call?.method ?? "", state: "Pending", requestedTime: timeOf(nowMs) };
}

function deadline({ requestedTime }: CallStatus, { timeoutMs }: MethodCall): number {
    const requestedMs = Date.parse(requestedTime);
    return (Number.isNaN(requestedMs) ? 0 : requestedMs) + timeoutMs + GRACE_MS;
}

function timeOf(ms: number): string {
    return new Date(ms).toISOString();
}

function isState(value: unknown): value is CallStatus["state"] {
    return value === "Pending" || value === "Succeeded" || value === "Failed" || value === "Expired";
}
