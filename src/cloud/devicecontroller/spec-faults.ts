// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";
import { desiredValues, modelOf, modelProperty, propertyNames } from "./device.ts";

/**
 * What of a Device cannot work although the API takes it: no protocol, properties that its model does not have, desired
 * values of properties that are only read, limits that are no numbers. Each in words, for a condition's message.
 */
export function specFaults(device: KubeObject, model: KubeObject | undefined): readonly string[] {
    const protocol = asRecord(asRecord(device["spec"])["protocol"]);
    const faults = asText(protocol["protocolName"]) === undefined ? ["spec.protocol.protocolName is missing"] : [];
    if (model === undefined) return faults;
    for (const name of propertyNames(device)) {
        const property = modelProperty(model, name);
        if (property === undefined) {
            faults.push(`${name}: the device model ${modelOf(device)} has no such property`);
            continue;
        }
        for (const limit of ["minimum", "maximum"] as const) {
            const text = property[limit];
            if (text !== undefined && !Number.isFinite(Number(text)))
                faults.push(`${name}: ${limit} of the device model is no number: ${text}`);
        }
    }
    for (const { property, value } of desiredValues(device)) {
        if (modelProperty(model, property)?.writable === false)
            faults.push(`${property}: ${value} is desired, and the device model says ReadOnly`);
    }
    return faults;
}
