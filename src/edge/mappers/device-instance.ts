// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { isReported } from "../../kube/devices/property-rules.ts";
import { asRecord, field, isRecord, optionalNumber, text } from "./fields.ts";
import { PROPERTY_TYPES, type PropertyType } from "./values.ts";

/** How a property or a device is reached; `configData` is the mapper's own business. */
export interface ProtocolConfig {
    readonly protocolName: string;
    readonly configData: Readonly<Record<string, unknown>>;
}

export interface DesiredValue {
    /** Always text, as in the API. */
    readonly value: string;
    readonly metadata: Readonly<Record<string, string>>;
}

/** Which readings are worth a report, as the Device says; times in milliseconds. What is absent is the node's to decide. */
export interface ReportPolicySpec {
    /** true: only values that differ; false: every reading. */
    readonly onChange?: boolean | undefined;
    readonly deadBandAbsolute?: number | undefined;
    readonly deadBandPercent?: number | undefined;
    readonly minInterval?: number | undefined;
    readonly maxInterval?: number | undefined;
    /** What is kept of it while the cloud is away. */
    readonly keep?: "newest" | "all" | undefined;
}

/** One property of a device after model and device have been merged. Cycles in milliseconds. */
export interface PropertyInstance {
    readonly name: string;
    readonly type: PropertyType;
    readonly accessMode: "ReadWrite" | "ReadOnly";
    readonly unit?: string | undefined;
    readonly minimum?: number | undefined;
    readonly maximum?: number | undefined;
    readonly collectCycleMs: number;
    /** 0: not limited. */
    readonly reportCycleMs: number;
    readonly reportToCloud: boolean;
    readonly reportPolicy?: ReportPolicySpec | undefined;
    readonly desired?: DesiredValue | undefined;
    readonly visitor: ProtocolConfig;
}

/** A method of the device: the properties it may write. */
export interface DeviceMethod {
    readonly name: string;
    readonly propertyNames: readonly string[];
}

/** A Device with its DeviceModel laid under it: what a mapper needs to know, and no more. */
export interface DeviceInstance {
    /** `<namespace>/<name>` */
    readonly id: string;
    readonly namespace: string;
    readonly name: string;
    readonly model?: string | undefined;
    readonly protocol: ProtocolConfig;
    readonly properties: readonly PropertyInstance[];
    readonly methods: readonly DeviceMethod[];
    readonly stateReport: { readonly reportToCloud: boolean; readonly reportCycleMs: number };
}

const DEFAULT_COLLECT_CYCLE_MS = 1000;

/**
 * Merges a Device with its model (KubeEdge v1.23.1, device plane reference 1.5): properties are matched by name and only
 * those listed on the device exist; the model's visitor and protocol settings lie under the device's, one top-level
 * key at a time. Keys are read whatever their case.
 * @throws REDGE_DEVICE_INVALID
 */
export function resolveDevice(device: unknown, model: unknown): DeviceInstance {
    const { namespace, name } = objectName(device, "Device");
    const id = `${namespace}/${name}`;
    const spec = asRecord(field(device, "spec") ?? {}, id, "spec");
    const modelSpec = field(model, "spec");
    const protocol = protocolOf(field(spec, "protocol"), id, "spec.protocol");
    const defaults = field(modelSpec, "protocolConfigData");
    const modelName = text(field(field(spec, "deviceModelRef"), "name"));
    const stateReport = field(spec, "stateReport");
    return {
        id,
        namespace,
        name,
        ...(modelName === undefined ? {} : { model: modelName }),
        protocol: { ...protocol, configData: { ...(isRecord(defaults) ? defaults : {}), ...protocol.configData } },
        properties: listOf(field(spec, "properties"), id, "spec.properties").map((property, index) =>
            resolveProperty(id, property, index, modelSpec),
        ),
        methods: listOf(field(spec, "methods"), id, "spec.methods").map((method) => ({
            name: text(field(method, "name")) ?? "",
            propertyNames: listOf(field(method, "propertyNames"), id, "spec.methods[].propertyNames").map(String),
        })),
        stateReport: {
            reportToCloud: isReported(field(stateReport, "reportToCloud")),
            reportCycleMs: optionalNumber(field(stateReport, "reportCycle"), id, "spec.stateReport.reportCycle") ?? 0,
        },
    };
}

/** Equal for instances that differ in nothing but desired values, which reach mappers as writes of their own. */
export function fingerprintOf(instance: DeviceInstance): string {
    const properties = instance.properties.map(({ desired: _, ...rest }) => rest);
    // The hash, not the text: a gateway holds one for each of thousands of devices.
    return createHash("sha256")
        .update(JSON.stringify({ ...instance, properties }))
        .digest("base64");
}

/** The names of the properties that a Device lists, although it may be wrong in other ways. */
export function listedProperties(device: unknown): readonly string[] {
    const properties = field(field(device, "spec"), "properties");
    return Array.isArray(properties) ? properties.flatMap((one) => text(field(one, "name")) || []) : [];
}

/** `metadata.namespace` and `.name` of an object. @throws REDGE_DEVICE_INVALID */
export function objectName(object: unknown, kind: string): { readonly namespace: string; readonly name: string } {
    const metadata = field(object, "metadata");
    const name = text(field(metadata, "name"));
    if (name === undefined || name === "") {
        throw new RedgeError("REDGE_DEVICE_INVALID", { device: kind, field: "metadata.name", reason: "is missing" });
    }
    return { namespace: text(field(metadata, "namespace")) || "default", name };
}

function resolveProperty(id: string, given: unknown, index: number, modelSpec: unknown): PropertyInstance {
    const at = `spec.properties[${index}]`;
    const property = asRecord(given, id, at);
    const name = text(field(property, "name"));
    if (!name) throw new RedgeError("REDGE_DEVICE_INVALID", { device: id, field: `${at}.name`, reason: "is missing" });
    const inModel = modelProperty(modelSpec, name);
    const own = protocolOf(field(property, "visitors"), id, `${at}.visitors`);
    const modelVisitors = field(inModel, "visitors");
    const under = modelVisitors === undefined ? undefined : protocolOf(modelVisitors, id, "model visitors");
    const number = (key: string): number | undefined => optionalNumber(field(property, key), id, `${at}.${key}`);
    const desired = desiredOf(field(property, "desired"));
    const reportPolicy = policySpecOf(field(property, "reportPolicy"), id, `${at}.reportPolicy`);
    const unit = text(field(inModel, "unit"));
    const minimum = optionalNumber(field(inModel, "minimum"), id, `model property ${name}.minimum`);
    const maximum = optionalNumber(field(inModel, "maximum"), id, `model property ${name}.maximum`);
    return {
        name,
        type: typeOf(inModel, own.configData, desired),
        accessMode: text(field(inModel, "accessMode")) === "ReadOnly" ? "ReadOnly" : "ReadWrite",
        ...(unit === undefined ? {} : { unit }),
        ...(minimum === undefined ? {} : { minimum }),
        ...(maximum === undefined ? {} : { maximum }),
        collectCycleMs: number("collectCycle") || DEFAULT_COLLECT_CYCLE_MS,
        reportCycleMs: number("reportCycle") ?? 0,
        reportToCloud: isReported(field(property, "reportToCloud")),
        ...(reportPolicy === undefined ? {} : { reportPolicy }),
        ...(desired === undefined ? {} : { desired }),
        visitor: {
            protocolName: under?.protocolName || own.protocolName,
            configData: { ...under?.configData, ...own.configData },
        },
    };
}

function policySpecOf(given: unknown, id: string, at: string): ReportPolicySpec | undefined {
    if (given === undefined || given === null) return undefined;
    asRecord(given, id, at);
    const onChange = field(given, "onChange");
    const keep = field(given, "keep");
    const numbers = ["deadBandAbsolute", "deadBandPercent", "minInterval", "maxInterval"].flatMap((key) => {
        const value = optionalNumber(field(given, key), id, `${at}.${key}`);
        return value === undefined || value < 0 ? [] : [[key, value] as const];
    });
    return {
        ...(typeof onChange === "boolean" ? { onChange } : {}),
        ...Object.fromEntries(numbers),
        ...(keep === "newest" || keep === "all" ? { keep } : {}),
    };
}

function modelProperty(modelSpec: unknown, name: string): unknown {
    const properties = field(modelSpec, "properties");
    return Array.isArray(properties) ? properties.find((one) => text(field(one, "name")) === name) : undefined;
}

/** The model's type; without a model what the device itself says, else string. */
function typeOf(
    inModel: unknown,
    configData: Readonly<Record<string, unknown>>,
    desired: DesiredValue | undefined,
): PropertyType {
    const said = text(field(inModel, "type")) ?? text(field(configData, "dataType")) ?? desired?.metadata["type"];
    const upper = (said ?? "STRING").toUpperCase();
    const known = upper === "BOOL" ? "BOOLEAN" : upper === "INTEGER" ? "INT" : upper === "JSON" ? "OBJECT" : upper;
    return PROPERTY_TYPES.find((type) => type === known) ?? "STRING";
}

function desiredOf(given: unknown): DesiredValue | undefined {
    const value = field(given, "value");
    if (value === undefined || value === null || value === "") return undefined;
    const metadata = field(given, "metadata");
    const entries = isRecord(metadata) ? Object.entries(metadata).map(([key, inner]) => [key, String(inner)]) : [];
    return { value: String(value), metadata: Object.fromEntries(entries) as Record<string, string> };
}

function protocolOf(given: unknown, id: string, at: string): ProtocolConfig {
    if (given === undefined || given === null) return { protocolName: "", configData: {} };
    const record = asRecord(given, id, at);
    const data = field(record, "configData") ?? {};
    return {
        protocolName: text(field(record, "protocolName")) ?? "",
        configData: asRecord(data, id, `${at}.configData`),
    };
}

function listOf(given: unknown, id: string, at: string): readonly unknown[] {
    if (given === undefined || given === null) return [];
    if (Array.isArray(given)) return given;
    throw new RedgeError("REDGE_DEVICE_INVALID", { device: id, field: at, reason: "is not a list" });
}
