// SPDX-License-Identifier: Apache-2.0
import { createServer, type ServerHttp2Session } from "node:http2";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { startTwin, thermoModel } from "../../devicetwin/harness.ts";
import { DmiRig, device, ID, state, twin, twinWith } from "./dmi-rig.ts";

const rig = DmiRig.forEachTest();

/** A mapper that was stopped in its tracks: its socket takes connections, and nobody answers. */
async function hungMapper(socket: string): Promise<() => Promise<void>> {
    const sessions = new Set<ServerHttp2Session>();
    const server = createServer().on("session", (session) => sessions.add(session));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const end = async (): Promise<void> => {
        for (const session of sessions) session.destroy();
        await new Promise((resolve) => server.close(resolve));
    };
    return end;
}

const named = (request: Record<string, unknown>): unknown =>
    (request["device"] as { name?: string } | undefined)?.name ?? request["deviceName"];

describe("DMI with mappers that are not well", () => {
    test("one that hangs is noticed; its device is unknown until a mapper answers and reports again", async () => {
        const harness = await twinWith();
        await rig.start(harness, undefined, { callTimeoutMs: 1000 });
        const stock = await rig.mapper();
        await stock.register();
        await stock.report("temperature", "21");
        await eventually(() => expect(twin(harness, "temperature")?.actual).toMatchObject({ value: "21" }));
        const end = await hungMapper(rig.path("hung.sock"));
        await stock.register(true, rig.path("hung.sock"));
        await eventually(() => expect(state(harness)).toBe("unknown"));
        expect(twin(harness, "temperature")?.actual).toMatchObject({
            value: "21",
            quality: "bad",
            reason: expect.stringContaining("thermo-mapper does not answer"),
        });
        await end();
        await stock.register();
        // Again and again: on a machine that stands still for a second the mapper here counts as hung as well, until it reports.
        let reports = 0;
        await eventually(async () => {
            reports += 1;
            await stock.report("temperature", `22.${reports}`);
            expect(state(harness)).toBe("online");
        });
        expect(twin(harness, "temperature")?.actual).toMatchObject({ value: expect.stringMatching(/^22/) });
    });

    test("a device that it refuses holds up no other, and is told again until it is taken", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        let refusing = true;
        const stock = await rig.mapper({
            refuses: (_method, request) =>
                refusing && named(request) === "thermo-2" ? "there is no such port" : undefined,
        });
        await stock.register();
        const taken = (name: string) =>
            stock.calls.filter(([method, request]) => method === "RegisterDevice" && named(request) === name).length;
        await harness.cloud("insert", "default/device/thermo-2", device(undefined, "thermo-2"));
        await eventually(() => expect(taken("thermo-2")).toBeGreaterThan(0));
        await harness.cloud("insert", "default/device/thermo-3", device(undefined, "thermo-3"));
        await eventually(() => expect(taken("thermo-3")).toBe(1));
        refusing = false;
        await eventually(() => expect(taken("thermo-2")).toBeGreaterThan(1));
    });

    test("a device that it does not know any more is removed all the same, and the next one told", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        const stock = await rig.mapper({
            refuses: (method) => (method === "RemoveDevice" ? "can not find device from device muxs" : undefined),
        });
        await stock.register();
        const removed = () =>
            stock.calls.flatMap(([method, request]) => (method === "RemoveDevice" ? [named(request)] : []));
        await harness.cloud("delete", "default/device/thermo-1", {});
        await eventually(() => expect(removed()).toEqual(["thermo-1"]));
        await harness.cloud("insert", "default/device/thermo-2", device(undefined, "thermo-2"));
        await eventually(() => expect(stock.calls.map(([method]) => method)).toContain("RegisterDevice"));
        await harness.cloud("delete", "default/device/thermo-2", {});
        await eventually(() => expect(removed()).toEqual(["thermo-1", "thermo-2"]));
    });

    test("while the gateway starts it gets what there is at once, and the devices when they are known", async () => {
        const harness = await twinWith();
        const { connect } = await rig.start(harness, undefined, {}, false);
        const stock = await rig.mapper();
        expect(await stock.register()).toEqual({ modelList: [], deviceList: [] });
        connect();
        await eventually(() => expect(stock.calls.map(([method]) => method)).toContain("RegisterDevice"));
    });

    test("more devices than fit in a message that Go takes: the rest is pushed", async () => {
        const harness = await startTwin();
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        const count = 50;
        for (let index = 0; index < count; index += 1) {
            const one = device(undefined, `thermo-${index}`);
            const protocol = { protocolName: "thermo", configData: { certificate: "x".repeat(100_000) } };
            await harness.cloud("insert", `default/device/thermo-${index}`, {
                ...one,
                spec: { ...one.spec, protocol },
            });
        }
        await rig.start(harness);
        const stock = await rig.mapper();
        const { deviceList } = await stock.register();
        expect(deviceList.length).toBeGreaterThan(0);
        expect(deviceList.length).toBeLessThan(count);
        await eventually(() => {
            const pushed = stock.calls.flatMap(([method, request]) =>
                method === "RegisterDevice" ? [named(request)] : [],
            );
            const names = [...deviceList.map(({ name }) => name), ...pushed].sort();
            expect(names).toEqual(Array.from({ length: count }, (_, index) => `thermo-${index}`).sort());
        });
    });
});

describe("DMI and values that are none", () => {
    test("a desired value that the model forbids never reaches the mapper: it stays at the last good one", async () => {
        const harness = await twinWith("25");
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await harness.cloud("update", "default/device/thermo-1", device("1000000"));
        // The next good one is told after whatever would have been told of the bad one.
        await harness.cloud("update", "default/device/thermo-1", device("30"));
        const told = () =>
            stock.calls.flatMap(([method, request]) => {
                if (method !== "UpdateDevice") return [];
                const { spec } = request["device"] as { spec: { properties: { desired: { value: string } }[] } };
                return [spec.properties[1]?.desired.value];
            });
        await eventually(() => expect(told().at(-1)).toBe("30"));
        expect(told()).not.toContain("1000000");
    });

    test("a mapper that registers meanwhile is told the last good one, too", async () => {
        const harness = await twinWith("25");
        await harness.cloud("update", "default/device/thermo-1", device("1000000"));
        await rig.start(harness);
        const { deviceList } = await (await rig.mapper()).register();
        expect(deviceList).toMatchObject([{ spec: { properties: [{}, { desired: { value: "25" } }] } }]);
    });

    test("of several values told at once the good ones are taken, the others marked and the mapper told", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await stock.report("temperature", "21");
        const both = stock.manager("ReportDeviceStatus", {
            deviceName: "thermo-1",
            deviceNamespace: "default",
            reportedDevice: {
                twins: [
                    { propertyName: "temperature", reported: { value: "hot" } },
                    { propertyName: "target", reported: { value: "30" } },
                ],
            },
        });
        await expect(both).rejects.toMatchObject({ code: 3, message: expect.stringContaining("temperature") });
        await eventually(() => expect(twin(harness, "target")).toMatchObject({ actual: { value: "30" } }));
        await eventually(() =>
            expect(twin(harness, "temperature")?.actual).toMatchObject({
                value: "21",
                quality: "bad",
                reason: expect.stringContaining("hot"),
            }),
        );
    });

    test("what a method is for is told with it", async () => {
        const harness = await startTwin();
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        const given = device(undefined);
        const methods = [{ name: "adjust", description: "Sets the target", propertyNames: ["target"] }];
        await harness.cloud("insert", "default/device/thermo-1", { ...given, spec: { ...given.spec, methods } });
        await rig.start(harness);
        const { deviceList } = await (await rig.mapper()).register();
        expect(deviceList).toMatchObject([{ spec: { methods } }]);
        expect(harness.twin.records.has(ID)).toBe(true);
    });
});
