// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { PropertyInstance } from "../device-instance.ts";
import { field, isRecord, text } from "../fields.ts";
import { type DeviceValue, roundFloat32 } from "../values.ts";

interface Step {
    readonly type: "add" | "subtract" | "multiply" | "divide";
    readonly value: number;
}

/** One property as Bluetooth LE shows it. */
export interface BlePoint {
    readonly property: PropertyInstance;
    /** Full lower-case UUID of the characteristic. */
    readonly uuid: string;
    /** KubeEdge's dataConverter; undefined: by the property's type, little-endian as Bluetooth has it. */
    readonly converter:
        | {
              readonly start: number;
              readonly end: number;
              readonly left: number;
              readonly right: number;
              readonly steps: readonly Step[];
          }
        | undefined;
    /** KubeEdge's dataWrite: what is written for a value. */
    readonly writes: ReadonlyMap<string, Buffer>;
}

const BASE_UUID = "-0000-1000-8000-00805f9b34fb";
const STEPS = new Set(["add", "subtract", "multiply", "divide"]);

/** Reads KubeEdge's Bluetooth visitors (device plane reference 6.5). @throws REDGE_DEVICE_INVALID */
export function parseBleVisitor(device: string, property: PropertyInstance): BlePoint {
    const data = property.visitor.configData;
    const refuse = (where: string, reason: string): never => {
        throw new RedgeError("REDGE_DEVICE_INVALID", {
            device,
            field: `${property.name}.visitors.configData.${where}`,
            reason,
        });
    };
    const uuid = fullUuid(text(field(data, "characteristicUUID")) ?? refuse("characteristicUUID", "is missing"));
    const given = field(data, "dataConverter");
    const number = (key: string): number => {
        const value = Number(field(given, key) ?? 0);
        return Number.isInteger(value) && value >= 0 ? value : refuse(`dataConverter.${key}`, "is not a whole number");
    };
    const order = field(given, "orderOfOperations");
    const steps = (Array.isArray(order) ? order : []).map((one: unknown): Step => {
        const type = (text(field(one, "operationType")) ?? "").toLowerCase();
        const value = Number(field(one, "operationValue"));
        if (!STEPS.has(type) || !Number.isFinite(value))
            refuse("dataConverter.orderOfOperations", "holds an operation that is not known");
        return { type: type as Step["type"], value };
    });
    const converter = isRecord(given)
        ? {
              start: number("startIndex"),
              end: number("endIndex"),
              left: number("shiftLeft"),
              right: number("shiftRight"),
              steps,
          }
        : undefined;
    const writes = field(data, "dataWrite");
    const entries = isRecord(writes) ? Object.entries(writes) : [];
    return {
        property,
        uuid,
        converter,
        writes: new Map(
            entries.map(([key, value]) => [
                key,
                bytesOf(value) ?? refuse(`dataWrite.${key}`, "is neither a list of bytes nor hex nor base64"),
            ]),
        ),
    };
}

/** The value in a characteristic. Bytes are combined as one number, which KubeEdge's mapper gets wrong above one byte. */
export function convert({ property, converter }: BlePoint, bytes: Buffer): DeviceValue {
    if (converter === undefined) return byType(property, bytes);
    const { start, end, left, right, steps } = converter;
    if (Math.max(start, end) >= bytes.length) {
        const reason = `needs byte ${Math.max(start, end)} of ${bytes.length}`;
        throw new RedgeError("REDGE_DEVICE_VALUE", { property: property.name, value: bytes.toString("hex"), reason });
    }
    const part = bytes.subarray(Math.min(start, end), Math.max(start, end) + 1);
    const ordered = start <= end ? [...part] : [...part].reverse();
    let raw = ordered.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    raw = left > 0 ? raw << BigInt(left) : raw >> BigInt(right);
    let value = Number(raw);
    for (const { type, value: by } of steps) {
        if (type === "add") value += by;
        else if (type === "subtract") value -= by;
        else if (type === "multiply") value *= by;
        else value /= by;
    }
    if (property.type === "BOOLEAN") return value !== 0;
    if (property.type === "STRING") return String(value);
    return property.type === "INT" ? Math.trunc(value) : Number(value.toPrecision(12));
}

/** What is written for a desired value; `length` is that of the characteristic's present value. @throws REDGE_DEVICE_VALUE */
export function toBytes({ property, writes }: BlePoint, value: DeviceValue, length: number): Buffer {
    const listed =
        writes.get(String(value)) ?? (typeof value === "boolean" ? writes.get(value ? "ON" : "OFF") : undefined);
    if (listed !== undefined) return listed;
    if (writes.size > 0) {
        const reason = `is none of ${[...writes.keys()].join(", ")}`;
        throw new RedgeError("REDGE_DEVICE_VALUE", { property: property.name, value: String(value), reason });
    }
    if (property.type === "STRING") return Buffer.from(String(value));
    if (property.type === "BYTES") return Buffer.from(String(value), "base64");
    const size = Math.max(1, length);
    const bytes = Buffer.alloc(size);
    if ((property.type === "FLOAT" || property.type === "DOUBLE") && (size === 4 || size === 8)) {
        if (size === 4) bytes.writeFloatLE(Number(value));
        else bytes.writeDoubleLE(Number(value));
        return bytes;
    }
    const whole = BigInt(Math.round(Number(value)));
    const bits = size * 8;
    if (whole < -(2n ** BigInt(bits - 1)) || whole >= 2n ** BigInt(bits)) {
        throw new RedgeError("REDGE_DEVICE_VALUE", {
            property: property.name,
            value: String(value),
            reason: `does not fit ${size} bytes`,
        });
    }
    let rest = BigInt.asUintN(bits, whole);
    for (let index = 0; index < size; index += 1, rest >>= 8n) bytes[index] = Number(rest & 0xffn);
    return bytes;
}

function byType({ type, minimum }: PropertyInstance, bytes: Buffer): DeviceValue {
    if (type === "STRING" || type === "STREAM") return bytes.toString("utf8").replace(/\0+$/, "");
    if (type === "BYTES") return bytes.toString("base64");
    if (type === "FLOAT" && bytes.length === 4) return roundFloat32(bytes.readFloatLE());
    if (type === "DOUBLE" && bytes.length === 8) return bytes.readDoubleLE();
    const unsigned = [...bytes].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
    if (type === "BOOLEAN") return unsigned !== 0n;
    const whole = (minimum ?? 0) < 0 ? BigInt.asIntN(bytes.length * 8, unsigned) : unsigned;
    return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}

/** "2a6e", "0x2A6E" or a whole UUID. */
export function fullUuid(given: string): string {
    const short = given.toLowerCase().replace(/^0x/, "");
    return /^[0-9a-f]{4}$/.test(short) ? `0000${short}${BASE_UUID}` : short;
}

function bytesOf(value: unknown): Buffer | undefined {
    if (Array.isArray(value) && value.every((one) => Number.isInteger(one) && one >= 0 && one < 256))
        return Buffer.from(value as number[]);
    if (typeof value !== "string") return undefined;
    if (/^(0x)?([0-9a-f]{2})+$/i.test(value)) return Buffer.from(value.replace(/^0x/i, ""), "hex");
    return /^[A-Za-z0-9+/]+={0,2}$/.test(value) ? Buffer.from(value, "base64") : undefined;
}
