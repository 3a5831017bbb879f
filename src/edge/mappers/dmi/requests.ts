// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { isPropertyName, MAX_VALUE_BYTES } from "../../../kube/devices/property-rules.ts";
import type { DeviceInstance, PropertyInstance } from "../device-instance.ts";
import { field, isRecord, text } from "../fields.ts";
import { type DeviceValue, parseValue } from "../values.ts";
import type { DesiredWrite, MapperReport, ReportedValue, WrittenValue } from "../wire.ts";
import type { DmiMessage } from "./convert.ts";

/** A mapper as it has registered. */
export interface Registration {
    readonly name: string;
    readonly protocol: string;
    /** Path of its own socket. */
    readonly address: string;
    readonly version: string;
}

const STATES: Readonly<Record<string, string>> = {
    online: "online",
    ok: "ok",
    offline: "offline",
    // The mapper framework's own word, which KubeEdge ignores.
    disconnected: "offline",
    unhealthy: "unhealthy",
    unknown: "unknown",
};

/** What a Unix socket's path may be long, without its end. */
const MAX_PATH_BYTES = 107;
/** What was wrong with a value is kept with it; the value itself may be huge. */
const MAX_REASON = 300;
/** As of a Kubernetes object's name. */
const MAX_NAME_BYTES = 253;

/** @throws REDGE_DEVICE_MESSAGE */
export function parseRegistration(request: DmiMessage): Registration {
    const mapper = request["mapper"];
    if (!isRecord(mapper)) throw refuse("mapper", "is missing");
    const short = (key: string): string => {
        const given = text(mapper[key]) ?? "";
        if (Buffer.byteLength(given) > MAX_NAME_BYTES)
            throw refuse(`mapper.${key}`, `is longer than ${MAX_NAME_BYTES} bytes`);
        return given;
    };
    const protocol = short("protocol");
    if (protocol === "") throw refuse("mapper.protocol", "is missing");
    return { name: short("name") || protocol, protocol, address: addressIn(mapper), version: short("version") };
}

function addressIn(mapper: DmiMessage): string {
    const address = mapper["address"];
    if (!Buffer.isBuffer(address) || address.length === 0) throw refuse("mapper.address", "is missing");
    if (!isUtf8(address)) throw refuse("mapper.address", "is not UTF-8");
    const path = address.toString("utf8").replace(/^unix:(\/\/)?/, "");
    if (Buffer.byteLength(path) > MAX_PATH_BYTES || path.includes("\0"))
        throw refuse("mapper.address", `is no path of a socket, which has at most ${MAX_PATH_BYTES} bytes`);
    return path;
}

export interface StatusReport {
    readonly id: string;
    readonly report: MapperReport;
    /** What was wrong with one of the twins; the others are reported all the same. */
    readonly refused: RedgeError | undefined;
}

/** @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_UNKNOWN */
export function reportOfStatus(
    request: DmiMessage,
    instanceOf: (id: string) => DeviceInstance | undefined,
    writes: ReadonlyMap<string, DesiredWrite>,
): StatusReport {
    const id = deviceIn(request);
    const instance = instanceOf(id);
    if (instance === undefined) throw new RedgeError("REDGE_DEVICE_UNKNOWN", { device: id });
    const twins = field(request["reportedDevice"], "twins");
    if (!Array.isArray(twins) || twins.length === 0) throw refuse("reportedDevice.twins", "is empty");
    const reported: Record<string, ReportedValue> = {};
    const written: Record<string, WrittenValue> = {};
    let refused: RedgeError | undefined;
    for (const twin of twins as readonly unknown[]) {
        const name = text(field(twin, "propertyName"));
        if (!name) throw refuse("twins[].propertyName", "is missing");
        if (!isPropertyName(name)) throw refuse("twins[].propertyName", "is no name of a property");
        const property = instance.properties.find((one) => one.name === name);
        try {
            const value = readingIn(twin, property);
            if (value !== undefined) reported[name] = value;
            const write = writes.get(`${id}/${name}`);
            const observed = valueIn(twin, "observedDesired");
            if (write !== undefined && observed && property?.desired?.value === observed)
                written[name] = { id: write.id, value: write.value };
        } catch (thrown) {
            if (!(thrown instanceof RedgeError)) throw thrown;
            refused ??= thrown;
            reported[name] = { value: null, quality: "bad", reason: thrown.message.slice(0, MAX_REASON) };
        }
    }
    return { id, report: { reported, written }, refused };
}

/** @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_VALUE */
function readingIn(twin: unknown, property: PropertyInstance | undefined): ReportedValue | undefined {
    const value = valueIn(twin, "reported");
    if (!value) return undefined;
    const timestamp = timestampOf(field(field(twin, "reported"), "metadata"));
    return { value: typedValue(property, value), timestamp };
}

function valueIn(twin: unknown, side: "reported" | "observedDesired"): string | undefined {
    const value = text(field(field(twin, side), "value"));
    if (value !== undefined && Buffer.byteLength(value) > MAX_VALUE_BYTES)
        throw refuse(`twins[].${side}.value`, `is longer than ${MAX_VALUE_BYTES} bytes`);
    return value;
}

/** KubeEdge's mapper framework tells bytes as the text that they are, so its base64 is made here. @throws REDGE_DEVICE_VALUE */
function typedValue(property: PropertyInstance | undefined, value: string): DeviceValue {
    if (property === undefined) return value;
    return property.type === "BYTES"
        ? Buffer.from(value).toString("base64")
        : parseValue(property.type, value, property.name);
}

/** @throws REDGE_DEVICE_MESSAGE */
export function reportOfStates(request: DmiMessage): { readonly id: string; readonly report: MapperReport } {
    const id = deviceIn(request);
    const word = text(request["state"]) ?? "";
    const state = STATES[word.toLowerCase()];
    if (state === undefined)
        throw refuse("state", `${JSON.stringify(word.slice(0, 40))} is none of ${Object.keys(STATES).join(", ")}`);
    return { id, report: { state } };
}

function deviceIn(request: DmiMessage): string {
    const name = text(request["deviceName"]);
    if (!name) throw refuse("deviceName", "is missing");
    return `${text(request["deviceNamespace"]) || "default"}/${name}`;
}

function timestampOf(metadata: unknown): number | undefined {
    const ms = Number(text(field(metadata, "timestamp")) ?? Number.NaN);
    return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

function refuse(where: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_MESSAGE", { component: "DMI", field: where, reason });
}
