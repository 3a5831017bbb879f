// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test, vi } from "vitest";
import { silentLogger } from "../../../../src/core/log.ts";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { parseConnection, parseOpcuaVisitor } from "../../../../src/edge/mappers/opcua/connection.ts";
import { NodeOpcuaDialer } from "../../../../src/edge/mappers/opcua/index.ts";
import { BuiltIn, fromVariant, toArrayVariant, toVariant } from "../../../../src/edge/mappers/opcua/values.ts";
import type { DeviceValue } from "../../../../src/edge/mappers/values.ts";

// What a gateway sees where the library is not installed.
vi.mock("node-opcua-client", () => {
    throw new Error("Cannot find package 'node-opcua-client'");
});

function instance(configData: object, visitor: object = {}) {
    return resolveDevice(
        {
            metadata: { name: "press", namespace: "default" },
            spec: {
                protocol: { protocolName: "opcua", configData },
                properties: [{ name: "p", visitors: { protocolName: "opcua", configData: visitor } }],
            },
        },
        undefined,
    );
}

function visitorOf(visitor: object) {
    const device = instance({}, visitor);
    const [property] = device.properties;
    if (property === undefined) throw new Error("no property");
    return parseOpcuaVisitor(device.id, property);
}

const url = "opc.tcp://host:4840";

describe("connections", () => {
    test("keys and words of KubeEdge's mapper, in any case", () => {
        const read = parseConnection(
            instance({
                URL: url,
                securityMode: "signandencrypt",
                securityPolicy: "Aes128Sha256RsaOaep",
                userName: "u",
                password: "p",
            }),
            undefined,
        );
        expect(read).toMatchObject({
            url,
            securityMode: "SignAndEncrypt",
            securityPolicy: "Aes128_Sha256_RsaOaep",
            user: { name: "u", password: "p" },
            timeoutMs: 10_000,
        });
    });

    test("what is not said: no security, the node's user, and a policy where there is a mode", () => {
        const user = { name: "n", password: "q" };
        expect(parseConnection(instance({ url }), user)).toMatchObject({
            securityMode: "None",
            securityPolicy: "None",
            user,
        });
        expect(parseConnection(instance({ url, securityMode: "Sign" }), undefined)).toMatchObject({
            securityPolicy: "Basic256Sha256",
            user: undefined,
        });
    });

    test.each([
        [{}, "url is missing"],
        [{ url: "http://host" }, "url does not begin with opc.tcp://"],
        [{ url, securityMode: "Maybe" }, "securityMode is none of None, Sign, SignAndEncrypt"],
        [{ url, securityMode: "Sign", securityPolicy: "Rot13" }, "securityPolicy is none of"],
        [{ url, securityPolicy: "Basic256Sha256" }, "does not go with the security mode None"],
        [{ url, certificate: "/c.pem" }, "privateKey is missing"],
        [{ url, privateKey: "/k.pem" }, "certificate is missing"],
        [{ url, timeout: "soon" }, "timeout is not a number"],
    ])("%j is refused with the field that is wrong", (configData, words) => {
        expect(() => parseConnection(instance(configData), undefined)).toThrow(words);
    });
});

describe("visitors", () => {
    test.each(["i=2258", "ns=2;i=3", "ns=1;s=a b;c=d", "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a", "ns=1;b=AQI="])(
        "%s",
        (nodeID) => {
            expect(visitorOf({ nodeID })).toMatchObject({ nodeId: nodeID, subscribe: true });
        },
    );

    test.each([
        [{}, "nodeID is missing"],
        [{ nodeID: "temperature" }, "is no node id"],
        [{ nodeID: "ns=2;i=x" }, "is no node id"],
        [{ nodeID: 5 }, "nodeID is missing"],
        [{ nodeID: "i=1", subscribe: "perhaps" }, "subscribe is not true or false"],
    ])("%j is refused", (visitor, words) => {
        expect(() => visitorOf(visitor)).toThrow(words);
    });
});

describe("values", () => {
    test.each([
        [BuiltIn.Int64, -1n],
        [BuiltIn.Int64, -(2n ** 63n)],
        [BuiltIn.UInt64, 2n ** 64n - 1n],
        [BuiltIn.Int64, 2n ** 53n + 1n],
    ])("64 bits go there and back: type %i, %s", (type, value) => {
        const back = fromVariant(toVariant(type, value, "p"));
        expect(BigInt(back as bigint)).toBe(value);
    });

    test.each<[number, DeviceValue, unknown]>([
        [BuiltIn.Int32, "[1, -2,3]", [1, -2, 3]],
        [BuiltIn.Int32, [4, 5], [4, 5]],
        [BuiltIn.Int32, "[]", []],
        [BuiltIn.Boolean, "[true,0]", [true, false]],
        [BuiltIn.String, '["a, b","[1]"]', ["a, b", "[1]"]],
        [BuiltIn.ByteString, '["AAE="]', [Buffer.from([0, 1])]],
        [
            BuiltIn.UInt64,
            "[1, 18446744073709551615 ]",
            [
                [0, 1],
                [0xffff_ffff, 0xffff_ffff],
            ],
        ],
    ])("a list of type %i is written: %j", (type, value, raw) => {
        expect(toArrayVariant(type, value, "p").value).toEqual(raw);
    });

    test.each<[number, DeviceValue, string]>([
        [BuiltIn.Int32, "7", "is no list in JSON"],
        [BuiltIn.Int32, 7, "is no list in JSON"],
        [BuiltIn.Int32, "[1,", "is no list in JSON"],
        [BuiltIn.Byte, "[1,256]", "p[1]"],
        [BuiltIn.Int32, "[[1],[2]]", "is not an integer"],
        [BuiltIn.Int32, "[null]", "is not an integer"],
    ])("a list of type %i refuses %j", (type, value, words) => {
        expect(() => toArrayVariant(type, value, "p")).toThrow(words);
    });

    test("arrays, structures and nothing", () => {
        expect(fromVariant({ dataType: BuiltIn.Float, value: Float32Array.of(0.5, 0.1) })).toBe("[0.5,0.1]");
        expect(
            fromVariant({
                dataType: BuiltIn.UInt64,
                value: [
                    [0, 1],
                    [4294967295, 4294967295],
                ],
            }),
        ).toBe("[1,18446744073709551615]");
        expect(fromVariant({ dataType: 22, value: { a: 1 } })).toBe('{"a":1}');
        expect(fromVariant({ dataType: BuiltIn.String, value: null })).toBeUndefined();
    });

    test.each([
        [BuiltIn.Byte, 256, "does not fit the variable: 0 to 255"],
        [BuiltIn.SByte, -129, "does not fit"],
        [BuiltIn.UInt64, -1n, "does not fit"],
        [BuiltIn.Int32, 1.5, "is not an integer"],
        [BuiltIn.Int32, "", "is not an integer"],
        [BuiltIn.Float, 1e300, "does not fit a Float"],
        [BuiltIn.Double, "warm", "is not a number"],
        [BuiltIn.Boolean, "perhaps", "neither true nor false"],
        [BuiltIn.DateTime, "yesterday", "is no time"],
        [22, "x", "cannot be written"],
    ])("type %i refuses %s", (type, value, words) => {
        expect(() => toVariant(type, value, "p")).toThrow(words);
    });
});

test("without the library the device says what to install", async () => {
    const connection = { url, securityMode: "None", securityPolicy: "None", timeoutMs: 1000 } as const;
    const dialer = new NodeOpcuaDialer("/nowhere", silentLogger);
    await expect(dialer.connect(connection, () => {})).rejects.toMatchObject({
        code: "REDGE_OPCUA_LIBRARY",
        message: expect.stringContaining("node-opcua-client"),
    });
});
