// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { type DeviceValue, roundFloat32 } from "../values.ts";
import type { WriteRequest } from "./protocol.ts";
import type { ModbusPoint } from "./visitor.ts";

/** Significant digits kept after scaling, so that 217 × 0.1 is 21.7. */
const SCALED_DIGITS = 12;

/** The value of a point from its registers (unsigned 16-bit) or bits (0 and 1), of which there are `point.length`. */
export function decode(point: ModbusPoint, values: readonly number[]): DeviceValue {
    const { coding, bit } = point;
    if (coding === "bit") return bits(point, values, bit);
    const bytes = toBytes(point, values);
    switch (coding) {
        case "string":
            return bytes.toString("utf8").replace(/\0+$/, "");
        case "bytes":
            return bytes.toString("base64");
        case "float":
            return scaled(point, bytes.length === 4 ? roundFloat32(bytes.readFloatBE()) : bytes.readDoubleBE());
        default:
            return whole(point, integerOf(bytes, coding === "signed"));
    }
}

/**
 * What has to be written so that the point reads as the value.
 * @throws REDGE_DEVICE_VALUE when it does not fit, REDGE_MODBUS_VISITOR when the register cannot be written
 */
export function encode(device: string, unit: number, point: ModbusPoint, value: DeviceValue): WriteRequest {
    const { fc, address, property } = point;
    if (fc === 2 || fc === 4) throw readOnly(device, point, "is an input: it can only be read");
    if (point.bit !== undefined) throw readOnly(device, point, "is one bit of a register: write the whole register");
    if (fc === 1) {
        const states = coilStates(point, value);
        return { unit, fc: states.length === 1 ? 5 : 15, address, values: states };
    }
    const bytes = bytesOf(point, value, property.name);
    const values = fromBytes(point, bytes);
    return { unit, fc: values.length === 1 ? 6 : 16, address, values };
}

function bits(point: ModbusPoint, values: readonly number[], bit: number | undefined): DeviceValue {
    const { property, fc } = point;
    const ones = fc <= 2 ? values : toRegisters(point, values);
    if (bit !== undefined) return ((ones[0] ?? 0) >> bit) % 2 === 1;
    if (property.type === "BOOLEAN" || values.length === 1) {
        const on = ones.some((one) => one !== 0);
        return property.type === "BOOLEAN" ? on : Number(on);
    }
    // Several coils as one number: the first is the lowest bit, as in Modbus' own packing.
    return ones.reduce((sum, one, index) => sum + (one === 0 ? 0 : 2 ** index), 0);
}

function coilStates(point: ModbusPoint, value: DeviceValue): number[] {
    if (point.length === 1) return [Number(isOn(value, point))];
    if (typeof value === "boolean") return Array.from({ length: point.length }, () => Number(value));
    const number = BigInt(numberFor(point, value));
    if (number < 0n || number >= 2n ** BigInt(point.length))
        throw unfit(point, value, `does not fit ${point.length} coils`);
    return Array.from({ length: point.length }, (_, index) => Number((number >> BigInt(index)) & 1n));
}

function isOn(value: DeviceValue, point: ModbusPoint): boolean {
    if (typeof value === "boolean") return value;
    const number = Number(value);
    if (number !== 0 && number !== 1) throw unfit(point, value, "is neither 0 nor 1");
    return number === 1;
}

function bytesOf(point: ModbusPoint, value: DeviceValue, name: string): Buffer {
    const bytes = Buffer.alloc(point.length * 2);
    if (point.coding === "string" || point.coding === "bytes") {
        const given = Buffer.from(String(value), point.coding === "bytes" ? "base64" : "utf8");
        if (given.length > bytes.length) throw unfit(point, value, `is longer than ${bytes.length} bytes`);
        given.copy(bytes);
        return bytes;
    }
    if (point.coding === "bit") {
        bytes.writeUInt16BE(Number(isOn(value, point)), bytes.length - 2);
        return bytes;
    }
    if (point.coding === "float") {
        const number = Number(value) / point.scale;
        if (!Number.isFinite(number)) throw unfit(point, value, "is not a number");
        if (bytes.length === 8) bytes.writeDoubleBE(number);
        else if (Math.abs(number) > 3.4028234663852886e38) throw unfit(point, value, "does not fit 32 bits");
        else bytes.writeFloatBE(number);
        return bytes;
    }
    return writeInteger(bytes, numberFor(point, value), point, value, name);
}

/** The raw whole number of a value: scaled back and rounded to the nearest step of the register. */
function numberFor(point: ModbusPoint, value: DeviceValue): bigint {
    if (typeof value === "bigint" && point.scale === 1) return value;
    const number = typeof value === "boolean" ? Number(value) : Number(value) / point.scale;
    if (!Number.isFinite(number)) throw unfit(point, value, "is not a number");
    return BigInt(Math.round(Number(number.toPrecision(15))));
}

function writeInteger(bytes: Buffer, number: bigint, point: ModbusPoint, value: DeviceValue, name: string): Buffer {
    const size = BigInt(bytes.length * 8);
    const least = point.coding === "signed" ? -(2n ** (size - 1n)) : 0n;
    const most = point.coding === "signed" ? 2n ** (size - 1n) - 1n : 2n ** size - 1n;
    if (number < least || number > most) {
        throw new RedgeError("REDGE_DEVICE_VALUE", {
            property: name,
            value: String(value),
            reason: `does not fit the register (${least} to ${most}, scale ${point.scale})`,
        });
    }
    let rest = BigInt.asUintN(bytes.length * 8, number);
    for (let index = bytes.length - 1; index >= 0; index -= 1) {
        bytes[index] = Number(rest & 0xffn);
        rest >>= 8n;
    }
    return bytes;
}

function integerOf(bytes: Buffer, signed: boolean): bigint {
    const unsigned = BigInt(`0x${bytes.toString("hex")}`);
    return signed ? BigInt.asIntN(bytes.length * 8, unsigned) : unsigned;
}

function whole(point: ModbusPoint, raw: bigint): DeviceValue {
    if (point.scale === 1) return Number.isSafeInteger(Number(raw)) ? Number(raw) : raw;
    const value = scaled(point, Number(raw));
    // KubeEdge cuts an int's decimals off.
    return point.property.type === "INT" ? Math.trunc(value) : value;
}

function scaled(point: ModbusPoint, raw: number): number {
    return point.scale === 1 ? raw : Number((raw * point.scale).toPrecision(SCALED_DIGITS));
}

/** Register order first, then the bytes of each register (KubeEdge's order of the two swaps). */
function toBytes(point: ModbusPoint, values: readonly number[]): Buffer {
    const bytes = Buffer.alloc(values.length * 2);
    for (const [index, value] of toRegisters(point, values).entries()) bytes.writeUInt16BE(value, index * 2);
    return bytes;
}

function toRegisters(point: ModbusPoint, values: readonly number[]): number[] {
    const ordered = point.swapRegisters ? [...values].reverse() : [...values];
    return point.swapBytes ? ordered.map((value) => ((value & 0xff) << 8) | (value >> 8)) : ordered;
}

function fromBytes(point: ModbusPoint, bytes: Buffer): number[] {
    const registers = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2));
    return toRegisters(point, registers);
}

function unfit(point: ModbusPoint, value: DeviceValue, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_VALUE", {
        property: point.property.name,
        value: String(value).slice(0, 80),
        reason,
    });
}

function readOnly(device: string, point: ModbusPoint, reason: string): RedgeError {
    return new RedgeError("REDGE_MODBUS_VISITOR", { device, property: point.property.name, field: "register", reason });
}
