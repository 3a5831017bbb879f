// SPDX-License-Identifier: Apache-2.0
import { asNumber, asRecord, asRecords, asText, isRecord } from "../../core/json.ts";
import { isReported } from "../../kube/devices/property-rules.ts";
import type { KubeObject } from "../../kube/types.ts";

/** What DeviceController reads of Device and DeviceModel. */

/** `<namespace>/<name>`, as devices and models are named on the wire. */
export type DeviceKey = string;

export function keyOf(object: KubeObject): DeviceKey {
    return `${object.metadata.namespace ?? "default"}/${object.metadata.name}`;
}

export function nodeOf(device: KubeObject): string | undefined {
    return asText(asRecord(device["spec"])["nodeName"]);
}

/** Key of the model, which is in the device's namespace; undefined when the device names none. */
export function modelOf(device: KubeObject): DeviceKey | undefined {
    const name = asText(asRecord(asRecord(device["spec"])["deviceModelRef"])["name"]);
    return name === undefined ? undefined : `${device.metadata.namespace ?? "default"}/${name}`;
}

export interface DesiredValue {
    readonly property: string;
    readonly value: string;
}

export function propertyNames(device: KubeObject): readonly string[] {
    return asRecords(asRecord(device["spec"])["properties"]).flatMap(({ name }) => asText(name) ?? []);
}

/** Desired values, in the order of the spec. An empty one means that nothing is desired. */
export function desiredValues(device: KubeObject): readonly DesiredValue[] {
    return asRecords(asRecord(device["spec"])["properties"]).flatMap((property) => {
        const name = asText(property["name"]);
        const value = asText(asRecord(property["desired"])["value"]);
        return name === undefined || value === undefined ? [] : [{ property: name, value }];
    });
}

/** Whether anything of the device is to be reported at all. */
export function expectsReports(device: KubeObject): boolean {
    const spec = asRecord(device["spec"]);
    const properties = asRecords(spec["properties"]);
    return isStateReported(spec) || properties.some((property) => isReported(property["reportToCloud"]));
}

/** Only a Device with a `stateReport` promises that its state comes again and again. */
function isStateReported(spec: Record<string, unknown>): boolean {
    return isRecord(spec["stateReport"]) && isReported(spec["stateReport"]["reportToCloud"]);
}

const DEFAULT_CYCLE_MS = 1000;

/**
 * The time within which something of the device is reported, by its own cycles; undefined when it may rightly be silent for
 * any time: nothing is reported to the cloud, or only changes are.
 */
export function reportPeriodMs(device: KubeObject): number | undefined {
    const spec = asRecord(device["spec"]);
    const stateReport = asRecord(spec["stateReport"]);
    const cycles = asRecords(spec["properties"]).flatMap((property): number[] => {
        if (!isReported(property["reportToCloud"])) return [];
        const policy = asRecord(property["reportPolicy"]);
        const maxIntervalMs = asNumber(policy["maxInterval"]);
        const changesOnly = ["onChange", "deadBandAbsolute", "deadBandPercent"].some(
            (key) => policy[key] !== undefined,
        );
        if (changesOnly) return maxIntervalMs === undefined ? [] : [maxIntervalMs];
        return [Math.max(asNumber(property["collectCycle"]) || DEFAULT_CYCLE_MS, asNumber(policy["minInterval"]) ?? 0)];
    });
    if (isStateReported(spec)) cycles.push(asNumber(stateReport["reportCycle"]) || DEFAULT_CYCLE_MS);
    return cycles.length === 0 ? undefined : Math.min(...cycles);
}

/** What a model says about one of its properties. */
export interface ModelProperty {
    readonly type: string;
    readonly writable: boolean;
    readonly minimum: string | undefined;
    readonly maximum: string | undefined;
}

export function modelProperty(model: KubeObject | undefined, name: string): ModelProperty | undefined {
    const found = asRecords(asRecord(model?.["spec"])["properties"]).find((property) => property["name"] === name);
    if (found === undefined) return undefined;
    return {
        type: (asText(found["type"]) ?? "STRING").toUpperCase(),
        writable: found["accessMode"] !== "ReadOnly",
        minimum: asText(found["minimum"]),
        maximum: asText(found["maximum"]),
    };
}
