// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance, PropertyInstance } from "../device-instance.ts";
import { field, isRecord, text } from "../fields.ts";
import { type DeviceValue, formatValue, parseValue } from "../values.ts";

/** One property of a device as MQTT shows it. */
export interface MqttPoint {
    readonly property: PropertyInstance;
    /** Where its value arrives; undefined: it is only written. */
    readonly topic: string | undefined;
    /** JSON pointer (RFC 6901) to the value in the payload; undefined: the payload is the value. */
    readonly pointer: string | undefined;
    /** JSON pointer to the time of the value, ms or RFC 3339. */
    readonly timestampPointer: string | undefined;
    readonly writeTopic: string | undefined;
    /** What is published for a desired value; `{value}` and `{json}` stand for its text and its JSON. Undefined: the value itself. */
    readonly writeTemplate: string | undefined;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
}

/**
 * Reads the visitor of an MQTT property: `topic`, `pointer`, `timestampPointer`, `writeTopic`, `writeTemplate`, `qos`, `retain`.
 * Topics may hold `{namespace}`, `{device}` and `{property}`, so that a DeviceModel can give them for every device.
 * @throws REDGE_DEVICE_INVALID
 */
export function parseMqttVisitor(instance: DeviceInstance, property: PropertyInstance): MqttPoint {
    const data = property.visitor.configData;
    const option = (key: string): string | undefined => text(field(data, key)) || undefined;
    const topic = (key: string): string | undefined => {
        const template = option(key) ?? text(field(instance.protocol.configData, key));
        return template === undefined || template === "" ? undefined : fillTopic(template, instance, property.name);
    };
    const pointer = option("pointer");
    if (pointer !== undefined && !pointer.startsWith("/"))
        throw refuse(instance, property, "pointer", "does not begin with /");
    const read = topic("topic");
    const writeTopic = topic("writeTopic");
    if (read === undefined && writeTopic === undefined) throw refuse(instance, property, "topic", "is missing");
    const qos = Number(field(data, "qos") ?? 1);
    if (qos !== 0 && qos !== 1 && qos !== 2) throw refuse(instance, property, "qos", "is none of 0, 1 and 2");
    return {
        property,
        topic: read,
        pointer,
        timestampPointer: option("timestampPointer"),
        writeTopic,
        writeTemplate: option("writeTemplate"),
        qos,
        retain: field(data, "retain") === true || field(data, "retain") === "true",
    };
}

export function fillTopic(template: string, { namespace, name }: DeviceInstance, property = ""): string {
    return template
        .replaceAll("{namespace}", namespace)
        .replaceAll("{device}", name)
        .replaceAll("{property}", property);
}

/** The typed value in a payload. @throws REDGE_DEVICE_VALUE when it is not there or of another type */
export function valueIn(point: MqttPoint, payload: unknown): DeviceValue {
    const { property, pointer } = point;
    const found = pointer === undefined ? payload : at(payload, pointer);
    if (found === undefined || found === null) {
        const reason = `is not at ${pointer ?? "the payload"}`;
        throw new RedgeError("REDGE_DEVICE_VALUE", { property: property.name, value: "", reason });
    }
    if (pointer === undefined && property.type === "BYTES" && (typeof found === "string" || Buffer.isBuffer(found)))
        return Buffer.from(found).toString("base64");
    if (Buffer.isBuffer(found)) return parseValue(property.type, found.toString("utf8"), property.name);
    if (typeof found === "string") return parseValue(property.type, found, property.name);
    if (typeof found === "boolean" || typeof found === "number") {
        const asText = property.type === "BOOLEAN" ? String(Boolean(found)) : String(found);
        return parseValue(property.type, asText, property.name);
    }
    return JSON.stringify(found);
}

/** When the value was measured, if the payload says so. */
export function timestampIn(point: MqttPoint, payload: unknown): number | undefined {
    if (point.timestampPointer === undefined) return undefined;
    const found = at(payload, point.timestampPointer);
    const ms = typeof found === "number" ? found : typeof found === "string" ? Date.parse(found) : Number.NaN;
    return Number.isFinite(ms) ? ms : undefined;
}

/** Bytes are published as they are unless a template says how, everything else as text. */
export function fillPayload({ property, writeTemplate }: MqttPoint, value: DeviceValue): string | Buffer {
    if (writeTemplate === undefined)
        return property.type === "BYTES" ? Buffer.from(String(value), "base64") : formatValue(value);
    const json = typeof value === "bigint" ? String(value) : JSON.stringify(value);
    return writeTemplate.replaceAll("{value}", formatValue(value)).replaceAll("{json}", json);
}

/** RFC 6901. */
function at(value: unknown, pointer: string): unknown {
    let found = value;
    for (const token of pointer.split("/").slice(1)) {
        const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
        if (Array.isArray(found)) found = found[Number(key)];
        else if (isRecord(found) && Object.hasOwn(found, key)) found = found[key];
        else return undefined;
    }
    return found;
}

function refuse({ id }: DeviceInstance, { name }: PropertyInstance, where: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_INVALID", {
        device: id,
        field: `${name}.visitors.configData.${where}`,
        reason,
    });
}
