// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
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

/** @throws REDGE_DEVICE_MESSAGE */
export function parseRegistration(request: DmiMessage): Registration {
    const mapper = request["mapper"];
    if (!isRecord(mapper)) throw refuse("mapper", "is missing");
    const protocol = text(mapper["protocol"]);
    if (!protocol) throw refuse("mapper.protocol", "is missing");
    const address = mapper["address"];
    if (!Buffer.isBuffer(address) || address.length === 0) throw refuse("mapper.address", "is missing");
    const path = address.toString("utf8").replace(/^unix:(\/\/)?/, "");
    return { name: text(mapper["name"]) || protocol, protocol, address: path, version: text(mapper["version"]) ?? "" };
}

/** @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_UNKNOWN, REDGE_DEVICE_VALUE */
export function reportOfStatus(
    request: DmiMessage,
    instanceOf: (id: string) => DeviceInstance | undefined,
    writes: ReadonlyMap<string, DesiredWrite>,
): { readonly id: string; readonly report: MapperReport } {
    const id = deviceIn(request);
    const instance = instanceOf(id);
    if (instance === undefined) throw new RedgeError("REDGE_DEVICE_UNKNOWN", { device: id });
    const twins = field(request["reportedDevice"], "twins");
    if (!Array.isArray(twins) || twins.length === 0) throw refuse("reportedDevice.twins", "is empty");
    const reported: Record<string, ReportedValue> = {};
    const written: Record<string, WrittenValue> = {};
    for (const twin of twins as readonly unknown[]) {
        const name = text(field(twin, "propertyName"));
        if (!name) throw refuse("twins[].propertyName", "is missing");
        const value = text(field(field(twin, "reported"), "value"));
        const property = instance.properties.find((one) => one.name === name);
        if (value) {
            const timestamp = timestampOf(field(field(twin, "reported"), "metadata"));
            reported[name] = { value: typedValue(property, value), timestamp };
        }
        const write = writes.get(`${id}/${name}`);
        const observed = text(field(field(twin, "observedDesired"), "value"));
        if (write !== undefined && observed && property?.desired?.value === observed) {
            written[name] = { id: write.id, value: write.value };
        }
    }
    return { id, report: { reported, written } };
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
