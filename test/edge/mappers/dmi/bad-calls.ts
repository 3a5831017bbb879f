// SPDX-License-Identifier: Apache-2.0
import type { PythonMapper } from "./python-mapper.ts";

export const INVALID = 3;
const UNKNOWN_DEVICE = 5;
const TOO_LARGE = 8;

/** A call, and the gRPC status that must come of it. */
export type Bad = readonly [name: string, method: Parameters<PythonMapper["raw"]>[0], bytes: Buffer, code: number];

/** A field of a message by its number: text, a truth value, or a message of fields. */
type Field = readonly [name: string, number: number, value: string | boolean | readonly Field[]];

/**
 * What is answered when a field is not there, and when it is huge; 0 is taking it. Every field of another type, not UTF-8 or
 * cut short is refused as invalid.
 */
const CODES: Readonly<Record<string, readonly [absent: number, huge: number]>> = {
    "MapperRegister.withData": [0, INVALID],
    "MapperRegister.mapper": [INVALID, INVALID],
    "MapperRegister.mapper.name": [0, INVALID],
    "MapperRegister.mapper.version": [0, INVALID],
    // Passed over, as in KubeEdge.
    "MapperRegister.mapper.api_version": [0, 0],
    "MapperRegister.mapper.state": [0, 0],
    "MapperRegister.mapper.protocol": [INVALID, INVALID],
    "MapperRegister.mapper.address": [INVALID, INVALID],
    "ReportDeviceStatus.deviceName": [INVALID, UNKNOWN_DEVICE],
    "ReportDeviceStatus.deviceNamespace": [0, UNKNOWN_DEVICE],
    "ReportDeviceStatus.reportedDevice": [INVALID, INVALID],
    "ReportDeviceStatus.reportedDevice.twins": [INVALID, INVALID],
    "ReportDeviceStatus.reportedDevice.twins.propertyName": [INVALID, INVALID],
    // Stock EdgeCore dies when one of these is missing. Huge messages hold fields that nobody knows, and those are passed over.
    "ReportDeviceStatus.reportedDevice.twins.observedDesired": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.observedDesired.value": [0, INVALID],
    "ReportDeviceStatus.reportedDevice.twins.observedDesired.metadata": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.observedDesired.metadata.key": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.observedDesired.metadata.value": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.reported": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.reported.value": [0, INVALID],
    "ReportDeviceStatus.reportedDevice.twins.reported.metadata": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.reported.metadata.key": [0, 0],
    "ReportDeviceStatus.reportedDevice.twins.reported.metadata.value": [0, 0],
    "ReportDeviceStates.deviceName": [INVALID, UNKNOWN_DEVICE],
    "ReportDeviceStates.deviceNamespace": [0, UNKNOWN_DEVICE],
    "ReportDeviceStates.state": [INVALID, INVALID],
};

/** Each call as it should be, every field present. */
function rightCalls(socket: string): readonly (readonly [Bad[1], readonly Field[]])[] {
    const metadata: Field = [
        "metadata",
        2,
        [
            ["key", 1, "timestamp"],
            ["value", 2, "1700000000000"],
        ],
    ];
    const twinFields: Field[] = [
        ["propertyName", 1, "temperature"],
        ["observedDesired", 2, [["value", 1, "20"], metadata]],
        ["reported", 3, [["value", 1, "20"], metadata]],
    ];
    return [
        [
            "MapperRegister",
            [
                ["withData", 1, true],
                [
                    "mapper",
                    2,
                    [
                        ["name", 1, "thermo-mapper"],
                        ["version", 2, "v1"],
                        ["api_version", 3, "v1"],
                        ["protocol", 4, "thermo"],
                        ["address", 5, socket],
                        ["state", 6, "ok"],
                    ],
                ],
            ],
        ],
        [
            "ReportDeviceStatus",
            [
                ["deviceName", 1, "thermo-1"],
                ["reportedDevice", 2, [["twins", 1, twinFields]]],
                ["deviceNamespace", 3, "default"],
            ],
        ],
        [
            "ReportDeviceStates",
            [
                ["deviceName", 1, "thermo-1"],
                ["deviceNamespace", 2, "default"],
                ["state", 3, "ok"],
            ],
        ],
    ];
}

/** Every field of every call spoilt in every way, and what is answered. */
export function badCalls(socket: string): readonly Bad[] {
    const bad: Bad[] = [];
    const huge = Buffer.alloc(1_000_000, "x");
    const of = (field: Field, wireType: number, ...bytes: readonly Uint8Array[]): Buffer =>
        Buffer.concat([varint((field[1] << 3) | wireType), ...bytes]);
    type Way = readonly [name: string, spoil: (field: Field) => Buffer, code: (absent: number, huge: number) => number];
    const texts: readonly Way[] = [
        ["missing", () => Buffer.alloc(0), (absent) => absent],
        ["empty", (field) => of(field, 2, varint(0)), (absent) => absent],
        ["a number", (field) => of(field, 0, varint(7)), () => INVALID],
        ["a 64-bit number", (field) => of(field, 1, Buffer.alloc(8, 1)), () => INVALID],
        ["a 32-bit number", (field) => of(field, 5, Buffer.alloc(4, 1)), () => INVALID],
        ["a group", (field) => of(field, 3), () => INVALID],
        ["not UTF-8", (field) => of(field, 2, varint(3), Buffer.from([0xff, 0xfe, 0x80])), () => INVALID],
        ["huge", (field) => of(field, 2, varint(huge.length), huge), (_, code) => code],
        ["cut short", (field) => of(field, 2, varint(100_000), Buffer.from("x")), () => INVALID],
    ];
    const truths = texts.map(([name, spoil, code]): Way => {
        if (name === "missing") return [name, spoil, code];
        return [name, spoil, () => (name === "a number" ? 0 : INVALID)];
    });
    for (const [method, fields] of rightCalls(socket)) {
        for (const path of pathsOf(fields)) {
            const name = `${method}.${path.join(".")}`;
            const codes = CODES[name];
            if (codes === undefined) throw new Error(`no answer is given for ${name}`);
            for (const [way, spoil, code] of name === "MapperRegister.withData" ? truths : texts)
                bad.push([`${name} ${way}`, method, encode(fields, path, spoil), code(...codes)]);
        }
        bad.push([`${method} of nothing`, method, Buffer.alloc(0), INVALID]);
        bad.push([`${method} of noise`, method, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]), INVALID]);
        bad.push([`${method} of 5 MB`, method, Buffer.alloc(5_000_000, "x"), TOO_LARGE]);
    }
    return bad;
}

function pathsOf(fields: readonly Field[], under: readonly string[] = []): readonly (readonly string[])[] {
    return fields.flatMap(([name, , value]) => {
        const path = [...under, name];
        return Array.isArray(value) ? [path, ...pathsOf(value, path)] : [path];
    });
}

function encode(fields: readonly Field[], path: readonly string[], spoil: (field: Field) => Buffer): Buffer {
    return Buffer.concat(
        fields.map((field) => {
            const [name, number, value] = field;
            const on = name === path[0];
            if (on && path.length === 1) return spoil(field);
            const rest = on ? path.slice(1) : [];
            if (typeof value === "boolean") return Buffer.concat([varint(number << 3), varint(Number(value))]);
            return lengthDelimited(number, typeof value === "string" ? Buffer.from(value) : encode(value, rest, spoil));
        }),
    );
}

function lengthDelimited(number: number, bytes: Buffer): Buffer {
    return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
    return Buffer.from([...bytes, rest]);
}
