// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";
import {
    desiredValues,
    expectsReports,
    modelOf,
    modelProperty,
    nodeOf,
    propertyNames,
    reportPeriodMs,
} from "./device.ts";
import { specFaults } from "./spec-faults.ts";
import type { Twins } from "./twins.ts";
import { refusal, sameValue } from "./values.ts";

/** metav1.Condition, as far as devices have it. */
export interface Condition {
    readonly type: string;
    readonly status: "True" | "False" | "Unknown";
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionTime: string;
}

export type Finding = Omit<Condition, "lastTransitionTime">;

/** What is known about a device beside its objects. */
export interface DeviceFacts {
    readonly nowMs: number;
    /** Undefined: not known yet; missing: the cluster has no such node. */
    readonly node: "ready" | "not ready" | "missing" | undefined;
    /** The edge's last word on the device itself. */
    readonly state: string | undefined;
    readonly lastOnlineTime: string | undefined;
    readonly twins: Twins;
    /** Desired values that the device refused: property -> value and reason. */
    readonly refused: ReadonlyMap<string, { readonly value: string; readonly reason: string }>;
    /** Reported values that are none of the property's type: property -> what is wrong. */
    readonly rejected: ReadonlyMap<string, string>;
    /** Properties that could never be read: property -> why, as the mapper says. */
    readonly unread: ReadonlyMap<string, string>;
}

export function findings(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts): readonly Finding[] {
    return [
        modelFound(device, model),
        ...specValid(device, model),
        ...reporting(device, facts),
        ...readable(device, facts),
        ...desiredApplied(device, model, facts),
        ...valuesValid(facts, device),
    ];
}

/** Conditions as they are written: the time of the last transition is kept while the status is the same. */
export function withTimes(found: readonly Finding[], device: KubeObject, now: string): readonly Condition[] {
    const before = conditionsOf(device);
    return found.map((finding) => {
        const same = before.find(({ type, status }) => type === finding.type && status === finding.status);
        return { ...finding, lastTransitionTime: same?.lastTransitionTime ?? now };
    });
}

export function conditionsOf(device: KubeObject): readonly Condition[] {
    return asRecords(asRecord(device["status"])["conditions"]).map((condition) => ({
        type: asText(condition["type"]) ?? "",
        status: condition["status"] === "True" || condition["status"] === "False" ? condition["status"] : "Unknown",
        reason: asText(condition["reason"]) ?? "",
        message: asText(condition["message"]) ?? "",
        lastTransitionTime: asText(condition["lastTransitionTime"]) ?? "",
    }));
}

function modelFound(device: KubeObject, model: KubeObject | undefined): Finding {
    const key = modelOf(device);
    if (model !== undefined) return finding("ModelFound", "True", "ModelFound", `the device model ${key} is there`);
    if (key === undefined) return finding("ModelFound", "False", "NoModelNamed", "spec.deviceModelRef.name is missing");
    return finding("ModelFound", "False", "ModelMissing", `there is no device model ${key}`);
}

function specValid(device: KubeObject, model: KubeObject | undefined): readonly Finding[] {
    const faults = specFaults(device, model);
    if (faults.length > 0) return [finding("SpecValid", "False", "InvalidSpec", faults.join("; "))];
    if (!hadCondition(device, "SpecValid")) return [];
    return [finding("SpecValid", "True", "SpecValid", "the device fits its model")];
}

/** How many report periods may be missed, and how long a silence is never worth a word. */
const PERIODS_MISSED = 5;
const PATIENCE_MS = 120_000;

/** Whether the values can be trusted to be of now, judged by the edge's time stamps. */
function reporting(device: KubeObject, facts: DeviceFacts): readonly Finding[] {
    const node = nodeOf(device);
    const periodMs = reportPeriodMs(device);
    if (node === undefined)
        return [finding("Reporting", "Unknown", "NoNodeNamed", "spec.nodeName is missing: no gateway has the device")];
    if (facts.node === undefined) return [];
    if (facts.node === "missing")
        return [finding("Reporting", "Unknown", "NodeMissing", `there is no edge node ${node}`)];
    if (facts.node === "not ready")
        return [finding("Reporting", "Unknown", "NodeNotReady", `the edge node ${node} is not ready`)];
    const limitMs = Math.max(PATIENCE_MS, PERIODS_MISSED * (periodMs ?? 0));
    const newestMs = newestTime(facts);
    const madeMs = Date.parse(device.metadata.creationTimestamp ?? "");
    if (newestMs === undefined) {
        if (!expectsReports(device) || !(facts.nowMs - madeMs > limitMs)) return [];
        if (facts.state !== undefined) {
            const message = `nothing of the device has been read yet; its mapper says: ${facts.state}`;
            return [finding("Reporting", "False", "NeverRead", message)];
        }
        return [finding("Reporting", "False", "MapperMissing", "no mapper has reported anything of this device yet")];
    }
    if (periodMs !== undefined && facts.nowMs - newestMs > limitMs) {
        const at = new Date(newestMs).toISOString();
        return [finding("Reporting", "False", "Stale", `the newest value is of ${at}`)];
    }
    const failing = allFailing(facts);
    if (failing !== undefined) return [finding("Reporting", "False", "NoGoodValue", failing)];
    return [finding("Reporting", "True", "Reporting", "values arrive as the device's cycles say")];
}

/** Why no value of the device can be read at the moment, when that is so for all of them. */
function allFailing({ twins }: DeviceFacts): string | undefined {
    const reported = [...twins.values()].flatMap(({ reported: value }) =>
        value === undefined ? [] : [value.metadata],
    );
    if (reported.length === 0 || reported.some(({ quality }) => quality !== "bad")) return undefined;
    const [first] = reported;
    return `no value can be read: ${first?.["reason"] ?? "no reason is told"}`;
}

function newestTime(facts: DeviceFacts): number | undefined {
    const times = [...facts.twins.values()].map(({ reported }) => Number(reported?.metadata["timestamp"]));
    times.push(Date.parse(facts.lastOnlineTime ?? ""));
    const known = times.filter((time) => Number.isFinite(time));
    return known.length === 0 ? undefined : Math.max(...known);
}

/** Whether every property can be read; what cannot is told with the mapper's own reason. */
function readable(device: KubeObject, { twins, unread }: DeviceFacts): readonly Finding[] {
    const failing = propertyNames(device).flatMap((name) => {
        const metadata = twins.get(name)?.reported?.metadata;
        const reason = unread.get(name) ?? (metadata?.["quality"] === "bad" ? metadata["reason"] : undefined);
        return reason === undefined ? [] : [[name, reason] as const];
    });
    if (failing.length > 0) return [finding("Readable", "False", "ReadingFailed", byReason(failing))];
    const before = conditionsOf(device).find(({ type }) => type === "Readable");
    if (before === undefined) return [];
    if (propertyNames(device).every((name) => twins.get(name)?.reported !== undefined))
        return [finding("Readable", "True", "Readable", "every property is read")];
    // What was never read was told to a controller that has ended since; the edge does not say it twice.
    return [finding("Readable", before.status, before.reason, before.message)];
}

const LONGEST_MESSAGE = 1024;

/** `<properties>: <reason>`, each reason once: a device that is away has one for all its properties. */
function byReason(failing: readonly (readonly [string, string])[]): string {
    const reasons = new Map<string, string[]>();
    for (const [name, reason] of failing) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
    const text = [...reasons].map(([reason, names]) => `${names.join(", ")}: ${reason}`).join("; ");
    return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE - 1)}…` : text;
}

function desiredApplied(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts): readonly Finding[] {
    const pending: string[] = [];
    const refused: string[] = [];
    let wanted = 0;
    for (const { property, value } of desiredValues(device)) {
        const modelled = modelProperty(model, property);
        if (modelled?.writable !== true) continue;
        wanted += 1;
        const invalid = refusal(modelled, value);
        const byDevice = facts.refused.get(property);
        const observed = facts.twins.get(property)?.observedDesired?.value;
        if (invalid !== undefined) refused.push(`${property}: ${value} ${invalid}`);
        else if (observed !== undefined && sameValue(modelled, observed, value)) continue;
        else if (byDevice?.value === value) refused.push(`${property}: ${value}: ${byDevice.reason}`);
        else pending.push(property);
    }
    if (wanted === 0) return [];
    if (refused.length > 0) return [finding("DesiredApplied", "False", "ValueRejected", refused.join("; "))];
    if (pending.length > 0) {
        return [
            finding("DesiredApplied", "False", "Pending", `not confirmed by the device yet: ${pending.join(", ")}`),
        ];
    }
    return [finding("DesiredApplied", "True", "Confirmed", "the device works with every desired value")];
}

function valuesValid(facts: DeviceFacts, device: KubeObject): readonly Finding[] {
    if (facts.rejected.size > 0) {
        const texts = [...facts.rejected].map(([property, reason]) => `${property}: ${reason}`);
        return [finding("ValuesValid", "False", "ValueRejected", texts.join("; "))];
    }
    if (!hadCondition(device, "ValuesValid")) return [];
    return [finding("ValuesValid", "True", "ValuesValid", "every reported value is of its property's type")];
}

/** A condition that tells of trouble alone is also told when the trouble is over. */
function hadCondition(device: KubeObject, type: string): boolean {
    return conditionsOf(device).some((condition) => condition.type === type);
}

function finding(type: string, status: Finding["status"], reason: string, message: string): Finding {
    return { type, status, reason, message };
}
