// SPDX-License-Identifier: Apache-2.0
import { asNumber, asRecord, asText, isRecord, type JsonRecord } from "../../core/json.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import { type CallResult, callResultsOf } from "../../kube/devices/method-call.ts";

/** One value of a property as an edge reports it. `timestamp` is the edge's, in milliseconds. */
export interface ReportedValue {
    readonly value: string;
    readonly timestamp: number | undefined;
    /** Counts the changes at the edge; starts again when the edge lost its store. */
    readonly version: number | undefined;
    readonly type: string | undefined;
    /** Set when the last reading failed: the value is the last good one. */
    readonly badReason: string | undefined;
}

export interface PropertyReport {
    readonly property: string;
    readonly actual: ReportedValue | undefined;
    /** The desired value that the device works with. */
    readonly expected: ReportedValue | undefined;
    /** A desired value that the device refused for good. */
    readonly failed: { readonly value: string; readonly reason: string } | undefined;
    /** Why the property could never be read so far. */
    readonly unread: string | undefined;
}

export interface StateReport {
    readonly state: string | undefined;
    readonly lastOnlineTime: string | undefined;
    /** Calls of device methods that have ended; Redge's own, KubeEdge ignores the key. */
    readonly calls: readonly CallResult[];
}

const LAST_TIME_MS = 8.64e15;
/** `device/<ns>/<name>/<what>`; names hold no slash. */
const RESOURCE = /^device\/([^/]+)\/([^/]+)\/(twin\/edge_updated|state\/update)$/;

export type DeviceMessage =
    | { readonly kind: "twin"; readonly device: string; readonly reports: readonly PropertyReport[] }
    | { readonly kind: "state"; readonly device: string; readonly report: StateReport };

/** Undefined when it is no report of a device. */
export function parseDeviceMessage(envelope: Envelope): DeviceMessage | undefined {
    const [, namespace, name, what] = RESOURCE.exec(envelope.route.resource) ?? [];
    if (namespace === undefined || name === undefined) return undefined;
    const device = `${namespace}/${name}`;
    const content = contentOf(envelope);
    if (what === "state/update") return { kind: "state", device, report: stateReport(content) };
    // What is present comes ahead of its place among a property's reports; those that follow are older, and known as such.
    const reports = [content["twin"], content["present"]].flatMap((given) =>
        Object.entries(asRecord(given)).map(([key, twin]) => propertyReport(key, asRecord(twin))),
    );
    return { kind: "twin", device, reports };
}

/** KubeEdge's edge sends some contents as JSON text. */
function contentOf(envelope: Envelope): JsonRecord {
    if (typeof envelope.content !== "string") return asRecord(envelope.content);
    try {
        return asRecord(JSON.parse(envelope.content));
    } catch {
        return {};
    }
}

function stateReport(content: JsonRecord): StateReport {
    // Go matches keys in any case, and stock components rely on it.
    const device = asRecord(content["device"] ?? content["Device"]);
    return {
        state: asText(device["state"] ?? device["State"]),
        lastOnlineTime: asText(device["lastOnlineTime"] ?? device["last_online"]),
        calls: callResultsOf(content["calls"]),
    };
}

function propertyReport(property: string, twin: JsonRecord): PropertyReport {
    const type = asText(asRecord(twin["metadata"])["type"]);
    const { failed, unread } = twin;
    return {
        property,
        actual: value(twin["actual"], twin["actual_version"], type),
        expected: value(twin["expected"], twin["expected_version"], type),
        failed: isRecord(failed)
            ? { value: textOf(failed["value"]) ?? "", reason: asText(failed["reason"]) ?? "no reason given" }
            : undefined,
        unread: isRecord(unread) ? (asText(unread["reason"]) ?? "no reason given") : undefined,
    };
}

function value(given: unknown, version: unknown, type: string | undefined): ReportedValue | undefined {
    if (!isRecord(given)) return undefined;
    const text = textOf(given["value"]);
    if (text === undefined) return undefined;
    const metadata = asRecord(given["metadata"]);
    return {
        value: text,
        timestamp: timeOf(metadata["timestamp"]),
        version: asNumber(asRecord(version)["edge"]),
        type,
        badReason: metadata["quality"] === "bad" ? (asText(metadata["reason"]) ?? "unknown") : undefined,
    };
}

/** Milliseconds that a calendar knows; what is beyond would make every later report look old. */
function timeOf(given: unknown): number | undefined {
    const timestamp = asNumber(given);
    return timestamp !== undefined && timestamp > 0 && timestamp <= LAST_TIME_MS ? Math.trunc(timestamp) : undefined;
}

function textOf(given: unknown): string | undefined {
    if (typeof given === "string") return given;
    return typeof given === "number" || typeof given === "boolean" ? String(given) : undefined;
}
