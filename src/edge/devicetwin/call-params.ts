// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { MethodCall } from "../../kube/devices/method-call.ts";
import type { DeviceInstance } from "../mappers/device-instance.ts";
import { checkLimits, type DeviceValue, formatValue, parseValue } from "../mappers/values.ts";
import type { DesiredWrite } from "../mappers/wire.ts";
import type { StoredCall } from "./records.ts";

export interface CheckedParams {
    /** Those of properties in their types, others as given. */
    readonly params: Readonly<Record<string, unknown>>;
    /** The properties that the call writes. */
    readonly properties: readonly string[];
}

/**
 * Reads the parameters of a call as the Device's method and its model say: each names a property of the method and is a
 * value of its type. A method without properties takes what it is given.
 * @throws REDGE_DEVICE_CALL, REDGE_DEVICE_VALUE
 */
export function checkParams(call: MethodCall, instance: DeviceInstance): CheckedParams {
    const refuse = (reason: string): RedgeError =>
        new RedgeError("REDGE_DEVICE_CALL", { device: instance.id, id: call.id, reason });
    if (call.invalid !== undefined) throw refuse(call.invalid);
    const method = instance.methods.find(({ name }) => name === call.method);
    if (method === undefined) {
        const names = instance.methods.map(({ name }) => name).join(", ") || "none";
        throw refuse(`the device has no method ${call.method}; it has ${names}`);
    }
    if (method.propertyNames.length === 0) return { params: call.params, properties: [] };
    const params: Record<string, DeviceValue> = {};
    for (const [name, given] of Object.entries(call.params)) {
        const property = instance.properties.find((one) => one.name === name);
        if (property === undefined || !method.propertyNames.includes(name)) {
            throw refuse(`${call.method} writes ${method.propertyNames.join(", ")}, and not ${name}`);
        }
        if (property.accessMode !== "ReadWrite") throw refuse(`${name} is read only`);
        const value = parseValue(property.type, formatValue(given), name);
        checkLimits(value, property, name);
        params[name] = value;
    }
    return { params: jsonable(params), properties: Object.keys(params) };
}

/** What is still to be written for a call, each as a desired value that carries the call's id. */
export function writesOf(call: StoredCall, instance: DeviceInstance): DesiredWrite[] {
    return instance.properties.flatMap((property) => {
        if (!call.waiting.includes(property.name)) return [];
        const value = parseValue(property.type, formatValue(call.params[property.name]), property.name);
        return [
            {
                id: `call/${call.id}/${property.name}`,
                property: property.name,
                value,
                type: property.type,
                visitor: property.visitor,
                timestamp: call.receivedMs,
                call: call.id,
                method: call.method,
            },
        ];
    });
}

/** Integers beyond 2^53 as text: JSON has none, and the store keeps JSON. */
function jsonable(params: Readonly<Record<string, DeviceValue>>): Readonly<Record<string, unknown>> {
    const entries = Object.entries(params).map(([name, value]) => [
        name,
        typeof value === "bigint" ? String(value) : value,
    ]);
    return Object.fromEntries(entries) as Readonly<Record<string, unknown>>;
}
