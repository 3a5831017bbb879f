// SPDX-License-Identifier: Apache-2.0
import type { DeviceInstance, PropertyInstance } from "../device-instance.ts";
import { field, isRecord, text } from "../fields.ts";
import { toCustomizedValue } from "./any.ts";

/** A DMI message: plain data by the descriptor's field names. */
export type DmiMessage = Readonly<Record<string, unknown>>;

/** A device as stock mappers expect it: everything that they dereference is there (device plane reference 9). */
export function toDmiDevice(instance: DeviceInstance, device: unknown): DmiMessage {
    const given = field(field(device, "spec"), "properties");
    const list: readonly unknown[] = Array.isArray(given) ? given : [];
    const methods = field(field(device, "spec"), "methods");
    const described: readonly unknown[] = Array.isArray(methods) ? methods : [];
    return {
        name: instance.name,
        namespace: instance.namespace,
        spec: {
            deviceModelReference: instance.model ?? "",
            protocol: {
                protocolName: instance.protocol.protocolName,
                configData: toCustomizedValue(instance.protocol.configData),
            },
            properties: instance.properties.map((property) =>
                toDmiProperty(
                    property,
                    list.find((one) => field(one, "name") === property.name),
                ),
            ),
            methods: instance.methods.map(({ name, propertyNames }) => {
                const method = described.find((one) => field(one, "name") === name);
                return { name, description: text(field(method, "description")) ?? "", propertyNames };
            }),
        },
        status: {
            twins: [],
            reportToCloud: instance.stateReport.reportToCloud,
            reportCycle: instance.stateReport.reportCycleMs,
        },
    };
}

export function toDmiModel(id: string, model: unknown): DmiMessage {
    const [namespace = "default", name = ""] = id.split("/");
    const given = field(field(model, "spec"), "properties");
    const properties = Array.isArray(given) ? given : [];
    const keys = ["name", "description", "type", "accessMode", "minimum", "maximum", "unit"];
    return {
        name,
        namespace,
        spec: {
            properties: properties.map((one: unknown) =>
                Object.fromEntries(keys.map((key) => [key, text(field(one, key)) ?? ""])),
            ),
            commands: [],
        },
    };
}

function toDmiProperty(property: PropertyInstance, given: unknown): DmiMessage {
    const push = field(given, "pushMethod");
    const pushMethod = isRecord(push) ? toPushMethod(push) : undefined;
    return {
        name: property.name,
        desired: { value: property.desired?.value ?? "", metadata: property.desired?.metadata ?? {} },
        visitors: {
            protocolName: property.visitor.protocolName,
            configData: toCustomizedValue(property.visitor.configData),
        },
        reportCycle: property.reportCycleMs,
        collectCycle: property.collectCycleMs,
        reportToCloud: property.reportToCloud,
        ...(pushMethod === undefined ? {} : { pushMethod }),
    };
}

/** The CRD and DMI differ in the case of some keys (device plane reference 0.4). */
function toPushMethod(push: Readonly<Record<string, unknown>>): DmiMessage {
    const lower = (value: unknown): unknown => {
        if (!isRecord(value)) return value;
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [RENAMED[key] ?? key, lower(inner)]));
    };
    const { anomalyDetection, ...rest } = push;
    const detection = isRecord(anomalyDetection) ? { anomalyDetection: toCustomizedValue(anomalyDetection) } : {};
    return { ...(lower(rest) as DmiMessage), ...detection };
}

const RENAMED: Readonly<Record<string, string>> = {
    hostName: "hostname",
    requestPath: "requestpath",
    TDEngine: "tdengine",
    TDEngineClientConfig: "tdEngineClientConfig",
    dbName: "dbname",
};
