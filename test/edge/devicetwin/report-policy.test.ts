// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type Harness, thermo } from "./harness.ts";
import { ID, link, read, stored, withThermo } from "./thermo.ts";

describe("report policy", () => {
    test("a value within the dead-band is neither stored nor sent nor published", async () => {
        const harness = await withThermo({ reportDeadband: 0.5 });
        await read(harness, 20);
        await harness.confirmAll();
        harness.take("eventbus");
        for (const value of [20.5, 19.5, 20.2]) await read(harness, value);
        expect([stored(harness), harness.take("edgehub"), harness.take("eventbus")]).toEqual(["20", [], []]);
        await read(harness, 20.6);
        expect(stored(harness)).toBe("20.6");
    });

    test("a dead-band in percent follows the value last told", async () => {
        const harness = await withThermo({ reportDeadbandPercent: 10 });
        for (const value of [100, 109]) await read(harness, value);
        expect(stored(harness)).toBe("100");
        await read(harness, 111);
        expect(stored(harness)).toBe("111");
    });

    test("an unchanged value is told again only as a sign of life", async () => {
        const harness = await withThermo({}, {}, { refreshMs: 30_000 });
        await read(harness, 20);
        await harness.confirmAll();
        await harness.clock.advance(29_000);
        await read(harness, 20);
        expect(harness.take("edgehub")).toEqual([]);
        await harness.clock.advance(1_000);
        await read(harness, 20);
        expect(harness.take("edgehub")).toHaveLength(1);
    });

    test("within the report cycle the newest value waits for its end, with the time it was read", async () => {
        const harness = await withThermo({}, { reportCycle: 1000 });
        await read(harness, 20);
        await harness.clock.advance(300);
        await read(harness, 21);
        const readAt = harness.clock.nowMs();
        await read(harness, 22);
        expect(stored(harness)).toBe("20");
        await harness.clock.advance(700);
        expect(harness.twin.records.get(ID)?.twin.get("temperature")?.actual).toEqual({
            value: "22",
            timestamp: readAt,
        });
    });
});

describe("report policy of readings that come by MQTT", () => {
    const TOPIC = "$hw/events/device/default/thermo-1/twin/update";
    const publish = (harness: Harness, value: string, property = "temperature", more = {}) =>
        harness.mqtt(TOPIC, { event_id: value, twin: { [property]: { actual: { value }, ...more } } });
    const results = (harness: Harness) =>
        harness
            .take("eventbus")
            .filter(({ route }) => route.resource === `${TOPIC}/result`)
            .map(
                ({ content }) => content as { event_id: string; twin: Record<string, { actual?: { value: string } }> },
            );

    test.each([
        ["deadBandAbsolute", 0.5, ["20", "20.5", "19.6", "20.6"], ["20", "20.6"]],
        ["deadBandPercent", 10, ["100", "109", "91", "111"], ["100", "111"]],
        ["onChange", true, ["20", "20", "21"], ["20", "21"]],
        ["onChange", false, ["20", "20"], ["20", "20"]],
    ])(
        "%s %s: what is held back is neither stored nor sent, and answered with what the twin has",
        async (key, limit, given, told) => {
            const harness = await withThermo({}, { reportPolicy: { [key]: limit } });
            const sent: (string | undefined)[] = [];
            for (const value of given) {
                await harness.clock.advance(10);
                await publish(harness, value);
                const [result] = results(harness);
                expect(result?.event_id).toBe(value);
                expect(result?.twin["temperature"]?.actual?.value).toBe(stored(harness));
                sent.push(
                    ...harness.sent.edgehub
                        .filter(({ route }) => route.resource.includes("twin"))
                        .map(() => stored(harness)),
                );
                await harness.confirmAll();
            }
            expect(sent).toEqual(told);
        },
    );

    test("minInterval: the newest of what came too soon is told at its end, with its own time", async () => {
        const harness = await withThermo({}, { reportPolicy: { minInterval: 1000 } });
        await publish(harness, "20");
        await harness.clock.advance(300);
        await publish(harness, "21");
        const readAt = harness.clock.nowMs();
        await publish(harness, "22");
        expect(stored(harness)).toBe("20");
        await harness.clock.advance(700);
        const twin = harness.twin.records.get(ID)?.twin.get("temperature");
        expect(twin?.actual).toEqual({ value: "22", timestamp: readAt });
    });

    test("readings from MQTT and from mappers share one policy; text of a number is a number", async () => {
        const harness = await withThermo({}, { reportPolicy: { deadBandAbsolute: 1 } });
        await publish(harness, "20");
        await read(harness, 20.9);
        await read(harness, "20.95");
        expect(stored(harness)).toBe("20");
        await read(harness, "21.1");
        await publish(harness, "21.9");
        expect(stored(harness)).toBe("21.1");
    });

    test("a set point that is reached, and what else is said with a reading, is told at once", async () => {
        const harness = await withThermo({}, { reportPolicy: { deadBandAbsolute: 1 } });
        await publish(harness, "20");
        await publish(harness, "20.5", "temperature", { expected: { value: "20.5" } });
        expect(stored(harness)).toBe("20.5");
        const device = thermo("50");
        const [temperature, target] = device.spec.properties;
        const properties = [temperature, { ...target, reportPolicy: { deadBandAbsolute: 5 } }];
        await harness.cloud("update", "default/device/thermo-1", { ...device, spec: { ...device.spec, properties } });
        const twin = () => harness.twin.records.get(ID)?.twin.get("target");
        for (const value of ["48", "49"]) await publish(harness, value, "target");
        expect(twin()).toMatchObject({ actual: { value: "48" }, pendingWrite: expect.any(String) });
        await publish(harness, "50", "target");
        expect(twin()).toMatchObject({ actual: { value: "50" } });
        expect(twin()?.pendingWrite).toBeUndefined();
    });

    test("a document that is refused changes nothing of what is told next", async () => {
        const harness = await withThermo({}, { reportPolicy: { deadBandAbsolute: 1 } });
        await publish(harness, "20");
        const twin = { temperature: { actual: { value: "30" } }, target: { actual: { value: "warm" } } };
        await harness.mqtt(TOPIC, { twin });
        expect(stored(harness)).toBe("20");
        await publish(harness, "30.5");
        expect(stored(harness)).toBe("30.5");
    });
});

describe("report policy in the Device", () => {
    test.each([
        ["deadBandAbsolute", 0.5, [20, 20.5, 20.6], "20.6", 2],
        ["deadBandPercent", 10, [20, 22, 22.1], "22.1", 2],
        ["onChange", false, [20, 20, 20], "20", 3],
        ["onChange", true, [20, 20, 21], "21", 2],
    ])("%s %s", async (key, limit, values, last, told) => {
        const harness = await withThermo({}, { reportPolicy: { [key]: limit } });
        harness.take("eventbus");
        for (const value of values) {
            await harness.clock.advance(10);
            await read(harness, value);
        }
        expect(stored(harness)).toBe(last);
        const results = harness.sent.eventbus.filter(({ route }) => route.resource.endsWith("/update/result"));
        expect(results).toHaveLength(told);
    });

    test("on change, an unchanged value is never told again unless a longest interval says so", async () => {
        for (const [policy, told] of [
            [{ onChange: true }, 0],
            [{ onChange: true, maxInterval: 3_600_000 }, 1],
        ] as const) {
            const harness = await withThermo({}, { reportPolicy: policy });
            await read(harness, 20);
            await harness.confirmAll();
            await harness.clock.advance(3_600_000);
            await read(harness, 20);
            expect(harness.take("edgehub")).toHaveLength(told);
        }
    });

    test("minInterval holds back what comes too soon; reportPolicy goes before the visitor's keys", async () => {
        const harness = await withThermo({ reportMinInterval: 1 }, { reportPolicy: { minInterval: 1000 } });
        await read(harness, 20);
        await harness.clock.advance(500);
        await read(harness, 21);
        expect(stored(harness)).toBe("20");
        await harness.clock.advance(500);
        expect(stored(harness)).toBe("21");
    });

    test.each([
        ["all", "newest", ["1", "2", "3"]],
        ["newest", "all", ["3"]],
    ])("keep %s at a property overrules the node's %s", async (keep, offlinePolicy, arrived) => {
        const harness = await withThermo({}, { reportPolicy: { keep } }, { offlinePolicy });
        await harness.twin.receive(link("disconnect"));
        harness.take("edgehub");
        for (const value of [1, 2, 3]) {
            await harness.clock.advance(10);
            await read(harness, value);
        }
        expect(harness.take("edgehub")).toEqual([]);
        await harness.twin.receive(link("connect"));
        await harness.clock.advance(0);
        const told: unknown[] = [];
        for (let sent = harness.sent.edgehub; sent.length > 0; await harness.confirmAll()) {
            for (const { route, content } of sent) {
                if (!route.resource.endsWith("edge_updated")) continue;
                const { twin } = content as { twin: { temperature: { actual: { value: string } } } };
                told.push(twin.temperature.actual.value);
            }
        }
        expect(told).toEqual(arrived);
    });
});
