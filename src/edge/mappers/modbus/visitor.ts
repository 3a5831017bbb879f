// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { PropertyInstance } from "../device-instance.ts";
import { field, optionalBoolean, text } from "../fields.ts";
import type { ReadCode } from "./protocol.ts";

/** How the registers of a point make a value. `float` is IEEE 754 of the point's width. */
export type Coding = "bit" | "unsigned" | "signed" | "float" | "string" | "bytes";

/** One property as Modbus sees it. */
export interface ModbusPoint {
    readonly property: PropertyInstance;
    readonly fc: ReadCode;
    readonly address: number;
    /** Registers, or bits of coils and discrete inputs. */
    readonly length: number;
    readonly coding: Coding;
    readonly scale: number;
    /** Swap the two bytes of every register. */
    readonly swapBytes: boolean;
    /** Reverse the order of the registers. */
    readonly swapRegisters: boolean;
    /** One bit of a register, 0 the lowest. */
    readonly bit?: number | undefined;
}

const REGISTERS: Readonly<Record<string, ReadCode>> = {
    coilregister: 1,
    coil: 1,
    discreteinputregister: 2,
    discreteinput: 2,
    holdingregister: 3,
    holding: 3,
    inputregister: 4,
    input: 4,
};

/**
 * Reads a property's visitor as KubeEdge's Modbus mappers do (device plane reference 6.5): `register`, `offset`,
 * `limit`, `scale`, `isSwap`, `isRegisterSwap`, `dataType`. Redge adds the sized types (int16 … float64), `signed` and `bit`.
 * @throws REDGE_MODBUS_VISITOR
 */
export function parseVisitor(device: string, property: PropertyInstance): ModbusPoint {
    const data = property.visitor.configData;
    const refuse = (name: string, reason: string): never => {
        throw new RedgeError("REDGE_MODBUS_VISITOR", { device, property: property.name, field: name, reason });
    };
    const number = (name: string): number | undefined => {
        const value = field(data, name);
        if (value === undefined || value === null || value === "") return undefined;
        const parsed = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
        return Number.isFinite(parsed) ? parsed : refuse(name, "is not a number");
    };
    const flag = (name: string): boolean =>
        optionalBoolean(field(data, name), false, device, `${property.name}.${name}`);
    const register = text(field(data, "register")) ?? "HoldingRegister";
    const fc = REGISTERS[register.toLowerCase()] ?? refuse("register", `${register} is not known`);
    const address = number("offset") ?? refuse("offset", "is missing");
    if (!Number.isInteger(address) || address < 0 || address > 65_535) refuse("offset", "is not from 0 to 65535");
    const said = (text(field(data, "dataType")) ?? property.type).toLowerCase();
    const sized = /^(u?int|float)(16|32|64)$/.exec(said);
    const length = number("limit") ?? (sized === null ? 1 : Number(sized[2]) / 16);
    if (!Number.isInteger(length) || length < 1) refuse("limit", "is not a positive whole number");
    if (length > (fc <= 2 ? 2000 : 125) || address + length > 65_536)
        refuse("limit", "reaches beyond what one read can fetch");
    const coding = codingOf(said, fc, length, flag("signed"), property) ?? refuse("dataType", mismatch(said, length));
    const bit = number("bit");
    if (bit !== undefined && (fc <= 2 || !Number.isInteger(bit) || bit < 0 || bit > 15))
        refuse("bit", "is no bit of a register");
    return {
        property,
        fc,
        address,
        length,
        coding: bit === undefined ? coding : "bit",
        // Absent means 1 in KubeEdge's documentation and 0 in its code; nobody wants 0.
        scale: number("scale") || 1,
        swapBytes: flag("isSwap"),
        swapRegisters: flag("isRegisterSwap"),
        ...(bit === undefined ? {} : { bit }),
    };
}

function codingOf(
    said: string,
    fc: ReadCode,
    length: number,
    signed: boolean,
    property: PropertyInstance,
): Coding | undefined {
    if (fc <= 2) return "bit";
    const integers: Coding = signed ? "signed" : "unsigned";
    const whole = length === 1 || length === 2 || length === 4;
    switch (said.replace(/(16|32|64)$/, "")) {
        case "uint":
            return whole ? "unsigned" : undefined;
        case "int":
            // KubeEdge's plain int is unsigned; a size makes it signed, and so does a model that allows negative values.
            return whole ? (/\d/.test(said) || (property.minimum ?? 0) < 0 ? "signed" : integers) : undefined;
        case "float":
        case "double":
            // One register cannot hold IEEE 754: it is a scaled integer, as in KubeEdge's own samples.
            if (length === 2 || length === 4) return "float";
            return length === 1
                ? said === "float16"
                    ? undefined
                    : (property.minimum ?? 0) < 0
                      ? "signed"
                      : integers
                : undefined;
        case "bool":
        case "boolean":
            return "bit";
        case "string":
            return "string";
        case "bytes":
            return "bytes";
        default:
            return undefined;
    }
}

function mismatch(said: string, length: number): string {
    return `${said} does not go with ${length} registers`;
}
