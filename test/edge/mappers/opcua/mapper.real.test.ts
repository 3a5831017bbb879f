// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { NodeOpcuaDialer, OpcuaMapper, type OpcuaMapperConfig } from "../../../../src/edge/mappers/opcua/index.ts";
import { deviceIdOf, deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeWith } from "../../../support/requires.ts";
import { compileServer, makeCertificate, open62541Part, startServer } from "./open62541.ts";

const TYPES = {
    boolean: "BOOLEAN",
    sbyte: "INT",
    byte: "INT",
    int16: "INT",
    uint16: "INT",
    int32: "INT",
    uint32: "INT",
    int64: "INT",
    uint64: "INT",
    float: "FLOAT",
    double: "DOUBLE",
    string: "STRING",
    datetime: "STRING",
    bytestring: "BYTES",
    localizedtext: "STRING",
    list: "STRING",
    wide: "STRING",
    words: "OBJECT",
    sealed: "INT",
    temperature: "DOUBLE",
    missing: "INT",
} as const;
type Name = keyof typeof TYPES;

let scratch: string;
let program: string;
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(...args: Parameters<typeof startServer> extends [string, ...infer Rest] ? Rest : never) {
    const server = await startServer(program, ...args);
    cleanups.push(() => server.stop());
    return server;
}

function deviceOf(id: string, configData: object, names: readonly Name[], visitor: object = {}, collectCycle = 100) {
    const [namespace, name] = id.split("/");
    const model = {
        metadata: { namespace, name: "ua" },
        spec: {
            protocol: "opcua",
            properties: names.map((one) => ({ name: one, type: TYPES[one], accessMode: "ReadWrite" })),
        },
    };
    const properties = names.map((one) => ({
        name: one,
        collectCycle,
        visitors: { protocolName: "opcua", configData: { nodeID: `ns=1;s=${one}`, ...visitor } },
    }));
    const protocol = { protocolName: "OPCUA", configData: { timeout: 15_000, ...configData } };
    const device = {
        metadata: { namespace, name },
        spec: { deviceModelRef: { name: "ua" }, protocol, properties },
    };
    return { device, model, instance: resolveDevice(device, model) };
}

async function startMapper(config: Partial<OpcuaMapperConfig> = {}) {
    const folder = mkdtempSync(join(scratch, "pki-"));
    const dialer = new NodeOpcuaDialer(folder, silentLogger);
    const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
    const mapper = new OpcuaMapper({ protocol: "opcua", ...config }, { ...ports, dialer });
    cleanups.push(() => mapper.stop());
    const reports: { readonly id: string; readonly report: MapperReport }[] = [];
    mapper.on("output", (_output, { route, content }) => {
        const id = deviceIdOf(route.resource);
        if (route.operation === "upload" && id !== undefined) reports.push({ id, report: content as MapperReport });
    });
    await mapper.start();
    const of = (id: string) => reports.filter((one) => one.id === id).map(({ report }) => report);
    return {
        folder,
        mapper,
        send: (id: string, operation: string, content: unknown) =>
            mapper.receive(newEnvelope({ route: { operation, resource: deviceResource(id) }, content })),
        latest: (id = "default/press") =>
            Object.assign({}, ...of(id).map(({ reported }) => reported)) as NonNullable<MapperReport["reported"]>,
        written: (id = "default/press") => of(id).flatMap((report) => (report.written ? [report.written] : [])),
        states: (id = "default/press") => of(id).flatMap(({ state }) => state ?? []),
        all: of,
    };
}

/** What is told once and not again while `others` go on, whatever came before. */
async function unread(told: () => number, others: () => Promise<void>): Promise<void> {
    await eventually(async () => {
        const before = told();
        expect(before).toBeGreaterThan(0);
        await others();
        expect(told()).toBe(before);
    });
}

describeWith([open62541Part], "the OPC UA mapper against open62541", () => {
    beforeAll(() => {
        scratch = mkdtempSync(join(tmpdir(), "redge-opcua-"));
        program = compileServer(scratch);
    });
    afterAll(() => rmSync(scratch, { recursive: true, force: true }));

    test("every built-in type is read as it is, and written as the server's variable wants it", async () => {
        const { url } = await serve();
        const { send, latest, written } = await startMapper();
        await send("default/press", "update", deviceOf("default/press", { url }, Object.keys(TYPES) as Name[]));
        await eventually(() =>
            expect(latest()).toMatchObject({
                boolean: { value: false },
                sbyte: { value: -7 },
                byte: { value: 7 },
                int16: { value: -300 },
                uint16: { value: 300 },
                int32: { value: 5 },
                uint32: { value: 4_000_000_000 },
                int64: { value: -9_007_199_254_740_995n },
                uint64: { value: 18_446_744_073_709_551_615n },
                float: { value: 0.1 },
                double: { value: 20 },
                string: { value: "grüß" },
                datetime: { value: "1970-01-01T00:00:00.000Z" },
                bytestring: { value: Buffer.from([1, 2, 255]).toString("base64") },
                localizedtext: { value: "hello" },
                list: { value: "[1,2,3]" },
                wide: { value: "[0,18446744073709551615]" },
                words: { value: '["one","zwei"]' },
                missing: { quality: "bad", reason: expect.stringContaining("BadNodeIdUnknown") },
            }),
        );
        const wanted = {
            boolean: true,
            sbyte: -128,
            byte: 255,
            int16: 32_767,
            uint16: 65_535,
            int32: -2_147_483_648,
            uint32: 4_294_967_295,
            int64: 9_007_199_254_740_993n,
            uint64: 18_446_744_073_709_551_614n,
            float: 2.5,
            double: -1e300,
            string: "ñ €",
            datetime: "2026-01-02T03:04:05.000Z",
            bytestring: "AAEC",
            localizedtext: "bye",
            list: "[7,-8]",
            wide: "[18446744073709551615,1]",
            words: '["grün","b"]',
        } as const;
        for (const [property, value] of Object.entries(wanted)) {
            await send("default/press", WRITE, { id: `w-${property}`, property, value });
        }
        await eventually(() => {
            expect(Object.assign({}, ...written())).toEqual(
                Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, { id: `w-${name}`, value }])),
            );
            for (const [name, value] of Object.entries(wanted)) expect(latest()[name]).toMatchObject({ value });
        });
    });

    test("what a method writes is written, and its call is answered", async () => {
        const { url } = await serve();
        const { send, latest, written } = await startMapper();
        await send("default/press", "update", deviceOf("default/press", { url }, ["int32", "double"]));
        await eventually(() => expect(latest()["double"]).toMatchObject({ value: 20 }));
        const call = { call: "7", method: "adjust" };
        await send("default/press", WRITE, { ...call, id: "call/7/int32", property: "int32", value: 42 });
        await send("default/press", WRITE, { ...call, id: "call/7/double", property: "double", value: 1.5 });
        await eventually(() => expect(latest()).toMatchObject({ int32: { value: 42 }, double: { value: 1.5 } }));
        // The server tells the change, and that it was written, apart from each other.
        await eventually(() =>
            expect(Object.assign({}, ...written())).toEqual({
                int32: { id: "call/7/int32", value: 42 },
                double: { id: "call/7/double", value: 1.5 },
            }),
        );
    });

    test("what the server or its types refuse is told once, with the reason", async () => {
        const { url } = await serve();
        const { send, latest, written } = await startMapper();
        await send(
            "default/press",
            "update",
            deviceOf("default/press", { url }, ["sealed", "byte", "temperature", "list"]),
        );
        await eventually(() => expect(latest()["byte"]).toMatchObject({ value: 7 }));
        await send("default/press", WRITE, { id: "1", property: "sealed", value: 1 });
        await send("default/press", WRITE, { id: "2", property: "byte", value: 256 });
        await send("default/press", WRITE, { id: "3", property: "byte", value: "x" });
        await send("default/press", WRITE, { id: "4", property: "byte", value: 9 });
        await send("default/press", WRITE, { id: "5", property: "list", value: "7" });
        await eventually(() => expect(latest()["byte"]).toMatchObject({ value: 9 }));
        await eventually(() => expect(written()).toHaveLength(3));
        expect(written()).toMatchObject([
            { sealed: { id: "1", error: expect.stringMatching(/BadNotWritable|BadUserAccessDenied/) } },
            { byte: { id: "4" } },
            { list: { id: "5", error: expect.stringContaining("is no list in JSON") } },
        ]);
    });

    test("changes come by subscription, with the server's time, and without its reading", async () => {
        const { url } = await serve();
        const { send, all } = await startMapper();
        await send("default/press", "update", deviceOf("default/press", { url }, ["temperature", "int32"]));
        const told = (name: Name) => all("default/press").flatMap(({ reported }) => reported?.[name] ?? []);
        // A first value that is late is read once, and one that stays is repeated now and then: neither is a cycle of readings.
        await unread(
            () => told("int32").length,
            async () => {
                const before = told("temperature").length;
                await eventually(() => expect(told("temperature").length).toBeGreaterThan(before + 5));
                const values = told("temperature")
                    .slice(before)
                    .map(({ value }) => Number(value));
                expect(values).toEqual([...values].sort((a, b) => a - b));
                expect(new Set(values).size).toBe(values.length);
            },
        );
        for (const { timestamp = 0 } of told("temperature")) expect(timestamp % 1).toBe(0);
    });

    test("what gets no subscription, and what wants none, is polled", async () => {
        const { url } = await serve("one");
        const { send, all, latest } = await startMapper();
        const told = (id: string) => all(id).filter(({ reported }) => reported?.["byte"]?.value === 7);
        await send("default/first", "update", deviceOf("default/first", { url }, ["byte"]));
        await eventually(() => expect(told("default/first").length).toBeGreaterThan(0));
        await send("default/other", "update", deviceOf("default/other", { url }, ["byte"], {}, 150));
        await send("default/apart", "update", deviceOf("default/apart", { url }, ["byte"], { subscribe: false }));
        await unread(
            () => told("default/first").length,
            async () => {
                for (const id of ["default/other", "default/apart"]) {
                    const before = told(id).length;
                    await eventually(() => expect(told(id).length).toBeGreaterThan(before + 3));
                    expect(latest(id)["byte"]?.quality).toBeUndefined();
                }
            },
        );
    });

    test("many devices share one session; one that goes ends only its own", async () => {
        const { url } = await serve();
        const { send, latest, all } = await startMapper();
        const ids = Array.from({ length: 50 }, (_, at) => `default/d${at}`);
        for (const id of ids) await send(id, "update", deviceOf(id, { url }, ["temperature", "int32"]));
        await eventually(() => {
            for (const id of ids) expect(latest(id)).toMatchObject({ int32: { value: 5 } });
        });
        // CurrentSessionCount of the server itself: one session, whose own it is.
        const diagnostics = deviceOf("default/self", { url }, ["int32"], { nodeID: "i=2277" });
        await send("default/self", "update", diagnostics);
        await eventually(() => expect(latest("default/self")).toMatchObject({ int32: { value: 1 } }));
        await send("default/d0", "delete", {});
        const [gone, left] = [all("default/d0").length, all("default/d1").length];
        await eventually(() => expect(all("default/d1").length).toBeGreaterThan(left + 3));
        expect(all("default/d0")).toHaveLength(gone);
    });

    test("a server that goes away is offline, and comes back by itself; what was wanted meanwhile is written once", async () => {
        const server = await serve();
        const { send, latest, states, written } = await startMapper();
        await send("default/press", "update", deviceOf("default/press", { url: server.url }, ["int32", "temperature"]));
        await eventually(() => expect(latest()["int32"]).toMatchObject({ value: 5 }));
        await server.stop();
        await eventually(() => {
            expect(states()).toEqual(["online", "offline"]);
            expect(latest()["int32"]).toMatchObject({ quality: "bad", reason: expect.any(String) });
        });
        await send("default/press", WRITE, { id: "1", property: "int32", value: 41 });
        await send("default/press", WRITE, { id: "2", property: "int32", value: 42 });
        await serve("open", { fixedPort: server.port });
        await eventually(() => {
            expect(latest()["int32"]).toMatchObject({ value: 42 });
            expect(states()).toEqual(["online", "offline", "online"]);
            expect(written()).toEqual([{ int32: { id: "2", value: 42 } }]);
        });
    });

    test("users: of the device, with the password in a file; of the node; a wrong one is refused with the reason", async () => {
        const { url } = await serve("users");
        const path = join(scratch, "password");
        writeFileSync(path, "secret\n", { mode: 0o600 });
        const { send, latest } = await startMapper({ user: "operator", password: "secret" });
        await send("default/press", "update", deviceOf("default/press", { url }, ["int32"]));
        const named = { url, userName: "operator", password: path };
        await send("default/named", "update", deviceOf("default/named", named, ["int32"]));
        const wrong = { url, userName: "operator", password: "guess" };
        await send("default/wrong", "update", deviceOf("default/wrong", wrong, ["int32"]));
        await eventually(() => {
            expect(latest()).toMatchObject({ int32: { value: 5 } });
            expect(latest("default/named")).toMatchObject({ int32: { value: 5 } });
            expect(latest("default/wrong")).toMatchObject({
                int32: { quality: "bad", reason: expect.stringMatching(/BadUserAccessDenied|BadIdentityToken/) },
            });
        });
    });

    test("SignAndEncrypt: a server nobody trusts is refused and kept for a look; a trusted one is entered", async () => {
        const own = makeCertificate(scratch, "server", "urn:redge:test:server");
        const client = makeCertificate(scratch, "client", "urn:redge:test:client");
        const { url } = await serve("open", { files: [own.der, own.keyDer] });
        const secure = { url, securityMode: "SignAndEncrypt", securityPolicy: "Aes256Sha256RsaPss" };
        const { send, latest, folder } = await startMapper();
        await send("default/press", "update", deviceOf("default/press", secure, ["int32"]));
        await eventually(() =>
            expect(latest()["int32"]).toMatchObject({ reason: expect.stringContaining("rejected") }),
        );
        expect(readdirSync(join(folder, "rejected"))).toHaveLength(1);
        const trusting = { ...secure, remoteCertificate: own.pem };
        await send("default/press", "update", deviceOf("default/press", trusting, ["int32"]));
        await eventually(() => expect(latest()["int32"]).toMatchObject({ value: 5 }));
        const files = {
            ...trusting,
            securityPolicy: "Basic256Sha256",
            certificate: client.pem,
            privateKey: client.keyPem,
        };
        await send("default/named", "update", deviceOf("default/named", files, ["int32"]));
        await eventually(() => expect(latest("default/named")["int32"]).toMatchObject({ value: 5 }));
    });
});
