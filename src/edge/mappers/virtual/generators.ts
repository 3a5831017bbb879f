// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { PropertyInstance } from "../device-instance.ts";
import { field, text } from "../fields.ts";
import { type DeviceValue, formatValue, parseValue, roundFloat32 } from "../values.ts";

/** What a virtual property is made of. */
export interface Generator {
    /** The value at a time, ms since the epoch. Called once a reading. */
    next(nowMs: number): DeviceValue;
    /** Takes a desired value over; absent: its values are given by the generator alone. */
    readonly set?: (value: DeviceValue) => void;
}

type Make = (from: Source) => Generator;

interface Source {
    readonly property: PropertyInstance;
    readonly random: () => number;
    /** A number of the visitor. @throws REDGE_DEVICE_INVALID */
    readonly number: (key: string, otherwise: number) => number;
    readonly raw: (key: string) => unknown;
    readonly refuse: (key: string, reason: string) => never;
}

/** The generators a visitor may name. */
const generators: Readonly<Record<string, Make>> = {
    constant: held,
    echo: held,
    sine,
    ramp,
    randomwalk,
    counter,
    replay,
};
export const GENERATORS = ["constant", "sine", "ramp", "randomWalk", "counter", "replay", "echo"] as const;
/** Those that make numbers, and so no bytes. */
const NUMERIC = new Set(["sine", "ramp", "randomwalk", "counter"]);

/**
 * The generator that a property's visitor describes. Without `generator`, what can be written echoes what was written, numbers
 * that can only be read walk at random between the model's limits, and everything else is constant.
 * @param random uniform in [0, 1)
 * @throws REDGE_DEVICE_INVALID
 */
export function parseGenerator(device: string, property: PropertyInstance, random: () => number): Generator {
    const data = property.visitor.configData;
    const refuse = (key: string, reason: string): never => {
        const at = `${property.name}.visitors.configData.${key}`;
        throw new RedgeError("REDGE_DEVICE_INVALID", { device, field: at, reason });
    };
    const number = (key: string, otherwise: number): number => {
        const given = field(data, key);
        if (given === undefined || given === null || given === "") return otherwise;
        const value = typeof given === "number" || typeof given === "string" ? Number(given) : Number.NaN;
        return Number.isFinite(value) ? value : refuse(key, "is not a number");
    };
    const name = (text(field(data, "generator")) ?? usual(property)).toLowerCase();
    const make = Object.hasOwn(generators, name) ? generators[name] : undefined;
    if (make === undefined) return refuse("generator", `is none of ${GENERATORS.join(", ")}`);
    if (NUMERIC.has(name) && (property.type === "BYTES" || property.type === "STREAM"))
        refuse("generator", `makes numbers, and the property is of type ${property.type}`);
    return make({ property, random, number, raw: (key) => field(data, key), refuse });
}

function usual({ accessMode, type }: PropertyInstance): string {
    if (accessMode === "ReadWrite") return "echo";
    return ["INT", "FLOAT", "DOUBLE"].includes(type) ? "randomWalk" : "constant";
}

/** `value`, until another is set. */
function held({ property, raw, refuse }: Source): Generator {
    const given = raw("value");
    let value = given === undefined ? blank(property) : read(property, given, () => refuse("value", notOf(property)));
    return {
        next: () => value,
        set: (wanted) => {
            value = wanted;
        },
    };
}

/** `offset` plus and minus `amplitude`, once around in `periodMs`. */
function sine({ property, number, refuse }: Source): Generator {
    const [offset, amplitude, phase] = [number("offset", 0), number("amplitude", 1), number("phase", 0)];
    const periodMs = period(number, refuse);
    return {
        next: (nowMs) => typed(property, offset + amplitude * Math.sin(2 * Math.PI * (nowMs / periodMs + phase))),
    };
}

/** From `from` to `to` in `periodMs`, and again. */
function ramp({ property, number, refuse }: Source): Generator {
    const [from, to] = [number("from", property.minimum ?? 0), number("to", property.maximum ?? 100)];
    const periodMs = period(number, refuse);
    return { next: (nowMs) => typed(property, from + ((to - from) * (nowMs % periodMs)) / periodMs) };
}

/** At most `step` away from the last value, never beyond the limits. */
function randomwalk({ property, random, number, refuse }: Source): Generator {
    const [minimum, maximum] = [number("minimum", property.minimum ?? 0), number("maximum", property.maximum ?? 100)];
    if (minimum > maximum) refuse("minimum", "is above the maximum");
    const step = number("step", (maximum - minimum) / 20);
    const within = (value: number): number => Math.min(maximum, Math.max(minimum, value));
    let value = within(number("start", (minimum + maximum) / 2));
    return {
        next: () => {
            value = within(value + step * (2 * random() - 1));
            return typed(property, value);
        },
        set: (wanted) => {
            value = within(Number(wanted));
        },
    };
}

/** `start`, and `step` more each time; below `wrap` where there is one. */
function counter({ property, number, refuse }: Source): Generator {
    const [start, step, wrap] = [number("start", 0), number("step", 1), number("wrap", Number.POSITIVE_INFINITY)];
    if (wrap <= start) refuse("wrap", "is not above start");
    let coming = start;
    return {
        next: () => {
            const value = coming;
            coming = value + step >= wrap ? start : value + step;
            return typed(property, value);
        },
        set: (wanted) => {
            coming = Number(wanted);
        },
    };
}

/** Each of `values` in turn; from the first again unless `repeat` is false, and then the last stays. */
function replay({ property, raw, refuse }: Source): Generator {
    const given = raw("values");
    if (!Array.isArray(given) || given.length === 0) return refuse("values", "is not a list of values");
    const values = given.map((one, at) => read(property, one, () => refuse(`values[${at}]`, notOf(property))));
    const repeat = raw("repeat") !== false && raw("repeat") !== "false";
    let at = 0;
    return {
        next: () => {
            const value = values[at] ?? blank(property);
            at = at + 1 < values.length ? at + 1 : repeat ? 0 : at;
            return value;
        },
    };
}

function period(number: Source["number"], refuse: Source["refuse"]): number {
    const periodMs = number("periodMs", 60_000);
    return periodMs > 0 ? periodMs : refuse("periodMs", "is not above 0");
}

/** A generated number as the property's type has it; true is everything above 0. */
function typed({ type }: PropertyInstance, value: number): DeviceValue {
    if (type === "INT") return Math.round(value);
    if (type === "FLOAT") return roundFloat32(value);
    if (type === "BOOLEAN") return value > 0;
    return type === "DOUBLE" ? value : formatValue(value);
}

function read({ type, name }: PropertyInstance, given: unknown, refuse: () => never): DeviceValue {
    try {
        return parseValue(type, formatValue(given), name);
    } catch {
        // Said again with the field of the visitor, which is where it has to be mended.
        return refuse();
    }
}

function notOf({ type }: PropertyInstance): string {
    return `is no value of type ${type}`;
}

function blank({ type, minimum }: PropertyInstance): DeviceValue {
    if (type === "BOOLEAN") return false;
    return type === "INT" || type === "FLOAT" || type === "DOUBLE" ? (minimum ?? 0) : "";
}
