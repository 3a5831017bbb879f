// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, asTexts } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { ModelProperty } from "./device.ts";
import type { PropertyReport, ReportedValue } from "./report.ts";
import { typeMismatch } from "./values.ts";

/** `reported` or `observedDesired` of DeviceStatus.status.twins[]. */
export interface TwinValue {
    readonly value: string;
    readonly metadata: Readonly<Record<string, string>>;
}

export interface Twin {
    readonly propertyName: string;
    readonly reported?: TwinValue;
    readonly observedDesired?: TwinValue;
}

export type Twins = ReadonlyMap<string, Twin>;

export function twinsOf(status: KubeObject | undefined): Twins {
    const twins = new Map<string, Twin>();
    for (const twin of asRecords(asRecord(status?.["status"])["twins"])) {
        const propertyName = asText(twin["propertyName"]);
        if (propertyName === undefined) continue;
        const reported = twinValue(twin["reported"]);
        const observedDesired = twinValue(twin["observedDesired"]);
        twins.set(propertyName, {
            propertyName,
            ...(reported === undefined ? {} : { reported }),
            ...(observedDesired === undefined ? {} : { observedDesired }),
        });
    }
    return twins;
}

/** Twins as they are written, in the order of the device's properties; those of other properties are left out. */
export function twinList(twins: Twins, properties: readonly string[]): readonly Twin[] {
    return properties.flatMap((property) => twins.get(property) ?? []);
}

/** Applies a report. Returns the same twin when everything in it is older than what is known. */
export function applyReport(known: Twin | undefined, report: PropertyReport, model: ModelProperty | undefined): Twin {
    const before = known ?? { propertyName: report.property };
    const reported = newer(before.reported, report.actual, model);
    const observedDesired = newer(before.observedDesired, report.expected, model);
    if (reported === before.reported && observedDesired === before.observedDesired) return before;
    return {
        propertyName: report.property,
        ...(reported === undefined ? {} : { reported }),
        ...(observedDesired === undefined ? {} : { observedDesired }),
    };
}

/** Why the reported value cannot be one of the property; undefined when it can. */
export function reportMismatch(report: PropertyReport, model: ModelProperty | undefined): string | undefined {
    if (model === undefined || report.actual === undefined) return undefined;
    return typeMismatch(model, report.actual.value);
}

function newer(
    known: TwinValue | undefined,
    given: ReportedValue | undefined,
    model: ModelProperty | undefined,
): TwinValue | undefined {
    if (given === undefined || isStale(known, given)) return known;
    const type = given.type ?? model?.type.toLowerCase() ?? known?.metadata["type"];
    const metadata: Record<string, string> = {
        ...(given.timestamp === undefined ? {} : { timestamp: String(given.timestamp) }),
        ...(type === undefined ? {} : { type }),
        ...(given.version === undefined ? {} : { version: String(given.version) }),
        ...(given.badReason === undefined ? {} : { quality: "bad", reason: given.badReason }),
    };
    return { value: given.value, metadata };
}

/**
 * Older by the edge's clock, unless the edge counted on since: its clock was set back then. An edge that lost its
 * store counts from the start again, and is believed by its clock.
 */
function isStale(known: TwinValue | undefined, given: ReportedValue): boolean {
    const knownMs = Number(known?.metadata["timestamp"]);
    if (given.timestamp === undefined || !Number.isFinite(knownMs) || given.timestamp > knownMs) return false;
    const knownVersion = Number(known?.metadata["version"]);
    const versions = given.version !== undefined && Number.isFinite(knownVersion);
    if (given.timestamp === knownMs) return versions && (given.version ?? 0) < knownVersion;
    return !(versions && (given.version ?? 0) > knownVersion);
}

function twinValue(value: unknown): TwinValue | undefined {
    const { value: text, metadata } = asRecord(value);
    return typeof text === "string" ? { value: text, metadata: asTexts(metadata) } : undefined;
}
