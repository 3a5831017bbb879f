// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { convert, parseBleVisitor, toBytes } from "../../../../src/edge/mappers/ble/converter.ts";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";

function point(type: string, configData: Record<string, unknown>, minimum?: string) {
    const property = { name: "p", type, accessMode: "ReadWrite", ...(minimum === undefined ? {} : { minimum }) };
    const [first] = resolveDevice(
        {
            metadata: { name: "d", namespace: "default" },
            spec: {
                deviceModelRef: { name: "m" },
                properties: [{ name: "p", visitors: { configData: { characteristicUUID: "2a6e", ...configData } } }],
            },
        },
        { metadata: { name: "m" }, spec: { properties: [property] } },
    ).properties;
    if (first === undefined) throw new Error("no property");
    return parseBleVisitor("default/d", first);
}

const steps = (...list: [string, number][]) =>
    list.map(([operationType, operationValue]) => ({ operationType, operationValue }));

describe("reading", () => {
    test.each<[string, string, Record<string, unknown>, number[], unknown]>([
        ["one byte", "INT", { dataConverter: { startIndex: 0, endIndex: 0 } }, [16], 16],
        ["two bytes, the first one high", "INT", { dataConverter: { startIndex: 0, endIndex: 1 } }, [1, 2], 258],
        ["reversed", "INT", { dataConverter: { startIndex: 1, endIndex: 0 } }, [1, 2], 513],
        ["shifted right", "INT", { dataConverter: { startIndex: 0, endIndex: 1, shiftRight: 4 } }, [0x12, 0x34], 0x123],
        ["shifted left", "INT", { dataConverter: { startIndex: 0, endIndex: 0, shiftLeft: 2 } }, [3], 12],
        [
            "operations in their order, in any case",
            "DOUBLE",
            {
                dataConverter: {
                    startIndex: 0,
                    endIndex: 0,
                    orderOfOperations: steps(["Add", 2], ["multiply", 3], ["DIVIDE", 4], ["subtract", 1]),
                },
            },
            [10],
            8,
        ],
        ["without converter by type, little-endian", "INT", {}, [1, 2], 513],
        ["text", "STRING", {}, [0x68, 0x69, 0], "hi"],
        ["bytes", "BYTES", {}, [1, 2], "AQI="],
        ["boolean", "BOOLEAN", {}, [1], true],
    ])("%s", (_case, type, config, bytes, value) => {
        expect(convert(point(type, config), Buffer.from(bytes))).toEqual(value);
    });

    test("signed when the model allows negative values", () => {
        expect(convert(point("INT", {}, "-100"), Buffer.from([0xfe, 0xff]))).toBe(-2);
    });

    test("a byte that is not there is refused by code", () => {
        const target = point("INT", { dataConverter: { startIndex: 0, endIndex: 3 } });
        expect(() => convert(target, Buffer.from([1]))).toThrow(
            expect.objectContaining({ code: "REDGE_DEVICE_VALUE" }),
        );
    });
});

describe("writing", () => {
    test("dataWrite says the bytes of a value: as list, hex or base64; other values are refused", () => {
        const target = point("STRING", { dataWrite: { ON: [1, 2], OFF: "0x00", DIM: "AQID" } });
        expect([...toBytes(target, "ON", 0)]).toEqual([1, 2]);
        expect([...toBytes(target, "OFF", 0)]).toEqual([0]);
        expect([...toBytes(target, "DIM", 0)]).toEqual([1, 2, 3]);
        expect(() => toBytes(target, "BLINK", 0)).toThrow(expect.objectContaining({ code: "REDGE_DEVICE_VALUE" }));
    });

    test("without it by type, as long as the characteristic", () => {
        expect([...toBytes(point("INT", {}), 515, 2)]).toEqual([3, 2]);
        expect([...toBytes(point("STRING", {}), "hi", 9)]).toEqual([0x68, 0x69]);
        expect(() => toBytes(point("INT", {}), 256, 1)).toThrow(
            expect.objectContaining({ code: "REDGE_DEVICE_VALUE" }),
        );
    });
});

test.each([
    ["no characteristic", { characteristicUUID: undefined }],
    ["an operation that is not known", { dataConverter: { orderOfOperations: steps(["Power", 2]) } }],
    ["an index that is no number", { dataConverter: { startIndex: "first" } }],
    ["bytes that are none", { dataWrite: { ON: { a: 1 } } }],
])("a visitor with %s is refused by code", (_case, config) => {
    expect(() => point("INT", config)).toThrow(expect.objectContaining({ code: "REDGE_DEVICE_INVALID" }));
});
