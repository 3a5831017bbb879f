// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, encode } from "../../../../src/edge/mappers/modbus/codec.ts";
import { planReads, valuesOf } from "../../../../src/edge/mappers/modbus/plan.ts";
import { parseVisitor } from "../../../../src/edge/mappers/modbus/visitor.ts";
import { modbusDevice, type PropertyOf } from "./devices.ts";

function point(property: PropertyOf) {
    const [first] = modbusDevice("d", { ip: "127.0.0.1" }, { p: property }).properties;
    if (first === undefined) throw new Error("no property");
    return parseVisitor("default/d", first);
}

const float = Buffer.alloc(4);
float.writeFloatBE(21.7);
const FLOAT_21_7 = [float.readUInt16BE(0), float.readUInt16BE(2)];
const swapped = (registers: number[]) => registers.map((value) => ((value & 0xff) << 8) | (value >> 8));

describe("decoding registers as KubeEdge's visitors say", () => {
    test.each<[string, PropertyOf, number[], unknown]>([
        [
            "a scaled integer",
            { type: "FLOAT", visitor: { offset: 0, limit: 1, scale: 0.1, dataType: "float" } },
            [217],
            21.7,
        ],
        ["an int is unsigned", { visitor: { offset: 0, limit: 1 } }, [65535], 65535],
        ["unless the model allows negative values", { minimum: "-40", visitor: { offset: 0 } }, [65535], -1],
        ["or the type is sized", { visitor: { offset: 0, dataType: "int16" } }, [65535], -1],
        ["an int's decimals are cut off", { visitor: { offset: 0, scale: 0.1 } }, [217], 21],
        ["32 bits", { visitor: { offset: 0, limit: 2 } }, [1, 2], 65538],
        ["32 bits, registers swapped", { visitor: { offset: 0, limit: 2, isRegisterSwap: true } }, [2, 1], 65538],
        ["32 bits, bytes swapped", { visitor: { offset: 0, limit: 2, isSwap: true } }, [0x0100, 0x0200], 65538],
        ["64 bits beyond 2^53", { visitor: { offset: 0, limit: 4 } }, [0xffff, 0xffff, 0xffff, 0xffff], 2n ** 64n - 1n],
        ["64 bits, signed", { visitor: { offset: 0, dataType: "int64" } }, [0xffff, 0xffff, 0xffff, 0xfffe], -2],
        ["IEEE single", { type: "FLOAT", visitor: { offset: 0, limit: 2 } }, FLOAT_21_7, 21.7],
        [
            "IEEE single, registers swapped",
            { type: "FLOAT", visitor: { offset: 0, limit: 2, isRegisterSwap: true } },
            [...FLOAT_21_7].reverse(),
            21.7,
        ],
        [
            "IEEE single, bytes swapped",
            { type: "FLOAT", visitor: { offset: 0, limit: 2, isSwap: true } },
            swapped(FLOAT_21_7),
            21.7,
        ],
        ["IEEE double", { type: "DOUBLE", visitor: { offset: 0, limit: 4 } }, [0x3ff8, 0, 0, 0], 1.5],
        ["text", { type: "STRING", visitor: { offset: 0, limit: 3 } }, [0x4265, 0x7400, 0], "Bet"],
        ["bytes", { type: "BYTES", visitor: { offset: 0, limit: 2 } }, [0x0102, 0x03ff], "AQID/w=="],
        ["a coil", { type: "BOOLEAN", visitor: { register: "CoilRegister", offset: 0 } }, [1], true],
        ["a coil as a number", { visitor: { register: "CoilRegister", offset: 0 } }, [1], 1],
        ["several coils as a number", { visitor: { register: "CoilRegister", offset: 0, limit: 4 } }, [1, 0, 1, 1], 13],
        ["a register as boolean", { type: "BOOLEAN", visitor: { offset: 0 } }, [1], true],
        ["one bit of a register", { type: "BOOLEAN", visitor: { offset: 0, bit: 3 } }, [0b1000], true],
        ["scale 0 means 1, as it is documented", { visitor: { offset: 0, scale: 0 } }, [7], 7],
        ["numbers may be text, as DMI sends them", { visitor: { offset: "0", limit: "1", scale: "2" } }, [7], 14],
    ])("%s", (_case, property, registers, value) => {
        expect(decode(point(property), registers)).toEqual(value);
    });
});

describe("encoding", () => {
    const width = fc.constantFrom<[string, bigint, bigint]>(
        ["uint16", 0n, 2n ** 16n - 1n],
        ["int16", -(2n ** 15n), 2n ** 15n - 1n],
        ["uint32", 0n, 2n ** 32n - 1n],
        ["int32", -(2n ** 31n), 2n ** 31n - 1n],
        ["uint64", 0n, 2n ** 64n - 1n],
        ["int64", -(2n ** 63n), 2n ** 63n - 1n],
    );

    test("every integer of every width and order comes back bit by bit", () => {
        fc.assert(
            fc.property(
                width,
                fc.boolean(),
                fc.boolean(),
                fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
                ([dataType, min, max], isSwap, isRegisterSwap, any) => {
                    const value = [min, any, max].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))[1] ?? any;
                    const target = point({ visitor: { offset: 0, dataType, isSwap, isRegisterSwap } });
                    const { values } = encode("d", 1, target, value);
                    expect(BigInt(decode(target, values) as number | bigint)).toBe(value);
                },
            ),
        );
    });

    test("every double and float comes back", () => {
        fc.assert(
            fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), (value, isRegisterSwap) => {
                const target = point({ type: "DOUBLE", visitor: { offset: 0, limit: 4, isRegisterSwap } });
                expect(decode(target, encode("d", 1, target, value).values)).toBe(value);
            }),
        );
        fc.assert(
            fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
                const target = point({ type: "FLOAT", visitor: { offset: 0, limit: 2 } });
                expect(Math.fround(decode(target, encode("d", 1, target, value).values) as number)).toBe(value);
            }),
        );
    });

    test("scale works backwards, to the nearest step", () => {
        const target = point({ type: "FLOAT", visitor: { offset: 4, scale: 0.1 } });
        expect(encode("d", 7, target, 21.7)).toEqual({ unit: 7, fc: 6, address: 4, values: [217] });
    });

    test("one coil, several coils, several registers take their own function codes", () => {
        const coil = point({ type: "BOOLEAN", visitor: { register: "CoilRegister", offset: 1 } });
        expect(encode("d", 1, coil, true)).toMatchObject({ fc: 5, values: [1] });
        const coils = point({ visitor: { register: "CoilRegister", offset: 1, limit: 3 } });
        expect(encode("d", 1, coils, 5)).toMatchObject({ fc: 15, values: [1, 0, 1] });
        expect(encode("d", 1, point({ visitor: { offset: 1, limit: 2 } }), 65538)).toMatchObject({
            fc: 16,
            values: [1, 2],
        });
    });

    test.each<[string, PropertyOf, number | string, string]>([
        ["too large for the register", { visitor: { offset: 0 } }, 65536, "REDGE_DEVICE_VALUE"],
        ["negative for an unsigned one", { visitor: { offset: 0 } }, -1, "REDGE_DEVICE_VALUE"],
        ["text that is too long", { type: "STRING", visitor: { offset: 0, limit: 1 } }, "abc", "REDGE_DEVICE_VALUE"],
        ["an input register", { visitor: { register: "InputRegister", offset: 0 } }, 1, "REDGE_MODBUS_VISITOR"],
        ["one bit of a register", { type: "BOOLEAN", visitor: { offset: 0, bit: 1 } }, 1, "REDGE_MODBUS_VISITOR"],
    ])("%s is refused by code", (_case, property, value, code) => {
        expect(() => encode("d", 1, point(property), value)).toThrow(expect.objectContaining({ code }));
    });
});

test.each<[string, Record<string, unknown>]>([
    ["no offset", {}],
    ["an unknown register", { offset: 0, register: "Nowhere" }],
    ["an offset beyond the range", { offset: 65536 }],
    ["a width that no integer has", { offset: 0, limit: 3 }],
    ["more than one read fetches", { offset: 0, limit: 126, dataType: "string" }],
    ["a scale that is no number", { offset: 0, scale: "much" }],
])("a visitor with %s is refused by code", (_case, visitor) => {
    expect(() => point({ visitor })).toThrow(expect.objectContaining({ code: "REDGE_MODBUS_VISITOR" }));
});

describe("planning reads", () => {
    const points = (list: readonly (readonly [number, number, number?])[]) =>
        list.map(([offset, limit, collectCycle]) =>
            point({
                type: "STRING",
                visitor: { offset, limit },
                ...(collectCycle === undefined ? {} : { collectCycle }),
            }),
        );
    const shape = (list: Parameters<typeof points>[0]) =>
        planReads(points(list)).map(({ address, quantity }) => [address, quantity]);

    test("neighbours are read together, within Modbus' limit, distant ones apart", () => {
        expect(
            shape([
                [0, 1],
                [1, 2],
                [4, 1],
            ]),
        ).toEqual([[0, 5]]);
        expect(
            shape([
                [0, 1],
                [100, 1],
            ]),
        ).toEqual([
            [0, 1],
            [100, 1],
        ]);
        expect(
            shape([
                [0, 100],
                [100, 100],
            ]),
        ).toEqual([
            [0, 100],
            [100, 100],
        ]);
    });

    test("other cycles are read apart", () => {
        expect(
            shape([
                [0, 1, 1000],
                [1, 1, 5000],
            ]),
        ).toEqual([
            [0, 1],
            [1, 1],
        ]);
    });

    test("every point finds its own registers in its block", () => {
        const any = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 40 })), {
            minLength: 1,
            maxLength: 30,
        });
        fc.assert(
            fc.property(any, (list) => {
                const blocks = planReads(points(list));
                expect(blocks.flatMap((block) => block.points)).toHaveLength(list.length);
                for (const block of blocks) {
                    expect(block.quantity).toBeLessThanOrEqual(125);
                    const memory = Array.from({ length: block.quantity }, (_, index) => block.address + index);
                    for (const one of block.points) {
                        const wanted = Array.from({ length: one.length }, (_, index) => one.address + index);
                        expect(valuesOf(block, one, memory)).toEqual(wanted);
                    }
                }
            }),
        );
    });
});
