// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";
import { ID, link, read, withThermo } from "./thermo.ts";

describe("structured values", () => {
    const model = {
        ...thermoModel,
        spec: { ...thermoModel.spec, properties: [{ name: "target", type: "OBJECT", accessMode: "ReadWrite" }] },
    };

    test("an object is handed to mappers parsed, reported as JSON, and refused when it is none", async () => {
        const harness = await startTwin();
        await harness.cloud("insert", "default/devicemodel/thermo-model", model);
        await harness.cloud("insert", "default/device/thermo-1", thermo('{"rgb": [1, 2, 3], "name": "Grün ✓"}'));
        const write = harness.take("mappers").find(({ route }) => route.operation === "write");
        expect(write?.content).toMatchObject({ type: "OBJECT", value: { rgb: [1, 2, 3], name: "Grün ✓" } });
        await harness.twin.receive(mapperReport(ID, { reported: { target: { value: { rgb: [1, 2, 3] } } } }));
        expect(harness.twin.records.get(ID)?.twin.get("target")).toMatchObject({
            type: "object",
            actual: { value: '{"rgb":[1,2,3]}' },
        });
        await harness.mqtt(`$hw/events/device/${ID}/twin/update`, { twin: { target: { actual: { value: "{" } } } });
        expect(harness.take("eventbus").at(-1)?.content).toMatchObject({ code: 400 });
        await harness.cloud("update", "default/device/thermo-1", thermo("{"));
        expect(harness.twin.records.get(ID)?.twin.get("target")?.failed).toMatchObject({ value: "{" });
    });
});

describe("after an outage", () => {
    const values = (harness: Harness) =>
        harness.sent.edgehub
            .filter(({ route }) => route.resource.endsWith("edge_updated"))
            .map(({ content }) => {
                const { twin } = content as {
                    twin: { temperature: { actual: { value: string; metadata: { timestamp: number } } } };
                };
                return [twin.temperature.actual.value, twin.temperature.actual.metadata.timestamp];
            });

    async function outage(policy: "all" | "newest", count: number) {
        const harness = await withThermo({}, {}, { offlinePolicy: policy });
        await harness.twin.receive(link("disconnect"));
        harness.take("edgehub");
        const wanted: [string, number][] = [];
        for (let index = 1; index <= count; index += 1) {
            await harness.clock.advance(index % 1000 === 0 ? 1 : 0);
            const timestamp = harness.clock.nowMs() - count + index;
            wanted.push([String(index), timestamp]);
            await read(harness, index, timestamp);
        }
        await harness.twin.stop();
        const again = await startTwin({ offlinePolicy: policy }, harness.store);
        await again.twin.receive(link("connect"));
        return { again, wanted };
    }

    test('10,000 reports arrive in order with their own time stamps when the policy is "all", also after a restart', async () => {
        const { again, wanted } = await outage("all", 10_000);
        const arrived: (string | number)[][] = [];
        while (arrived.length < wanted.length) {
            await again.clock.advance(0);
            const batch = values(again);
            expect(batch.length).toBeGreaterThan(0);
            arrived.push(...batch);
            expect(again.sent.edgehub.filter(({ header }) => header.type !== "keep-all").length).toBeLessThan(2);
            await again.confirmAll();
        }
        expect(arrived).toEqual(wanted);
        await again.clock.advance(0);
        expect(values(again)).toEqual([]);
        await again.twin.stop();
        expect(await again.store.scan("devicetwin/report/")).toEqual([]);
    });

    test("many devices share the way to the cloud: a bounded number under way, and none is left behind", async () => {
        const harness = await startTwin({ offlinePolicy: "all" });
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        const names = Array.from({ length: 20 }, (_, index) => `thermo-${index}`);
        for (const name of names) await harness.cloud("insert", `default/device/${name}`, thermo(undefined, name));
        await harness.confirmAll();
        await harness.twin.receive(link("disconnect"));
        const reports = names.flatMap((name) =>
            Array.from({ length: 600 }, (_, value) =>
                harness.twin.receive(mapperReport(`default/${name}`, { reported: { temperature: { value } } })),
            ),
        );
        await Promise.all(reports);
        harness.take("edgehub");
        await harness.twin.receive(link("connect"));
        let arrived = 0;
        let most = 0;
        while (arrived < reports.length) {
            await harness.clock.advance(0);
            const kept = harness.sent.edgehub.filter(({ header }) => header.type === "keep-all");
            const underWay = kept.length;
            expect(underWay).toBeGreaterThan(0);
            // Many of few devices rather than few of many: the cloud writes each device's status once for all of them.
            expect(new Set(kept.map(({ route }) => route.resource)).size).toBeLessThanOrEqual(1 + underWay / 80);
            most = Math.max(most, underWay);
            arrived += underWay;
            await harness.confirmAll();
        }
        expect([arrived, most]).toEqual([12_000, 4096]);
    });

    test("a report keeps its message id over a restart; one whose confirmation was quicker is not sent again", async () => {
        const harness = await withThermo({}, {}, { offlinePolicy: "all" });
        for (let value = 1; value <= 3; value += 1) await read(harness, value, harness.clock.nowMs() + value);
        await harness.clock.advance(0);
        const ids = (from: Harness) =>
            from.sent.edgehub.flatMap(({ header }) => (header.type === "keep-all" ? [header.msg_id] : []));
        const before = ids(harness);
        expect(new Set(before).size).toBe(3);
        await harness.twin.stop();

        const again = await startTwin({ offlinePolicy: "all" }, harness.store);
        await again.twin.receive(link("disconnect"));
        // EdgeHub's outbox has sent the first of the former run as soon as there was a link.
        const route = { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" };
        await again.twin.receive(newEnvelope({ route, content: "OK", parentId: before[0] }));
        await again.twin.receive(link("connect"));
        await again.clock.advance(0);
        expect(ids(again)).toEqual(before.slice(1));
        await again.confirmAll();
        await again.twin.stop();
        expect(await again.store.scan("devicetwin/report/")).toEqual([]);
    });

    test('only the newest arrives when the policy is "newest"', async () => {
        const { again, wanted } = await outage("newest", 100);
        expect(values(again)).toEqual(wanted.slice(-1));
    });
});

describe("desired values that a device has lost", () => {
    test("are set again when it comes online with another value, once; later changes at the device are left alone", async () => {
        const harness = await startTwin();
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
        const writes = () =>
            harness
                .take("mappers")
                .filter(({ route }) => route.operation === "write")
                .map(({ content }) => content as { id: string; value: number });
        const say = (report: Parameters<typeof mapperReport>[1]) => harness.twin.receive(mapperReport(ID, report));
        const [first] = writes();
        await say({ state: "online" });
        await say({ written: { target: { id: first?.id, value: 25 } }, reported: { target: { value: 25 } } });
        await say({ reported: { target: { value: 30 } } });
        expect(writes()).toEqual([]);
        await say({ state: "offline" });
        await say({ state: "online" });
        await say({ reported: { target: { value: 10 } } });
        const [again] = writes();
        expect(again).toMatchObject({ value: 25 });
        await say({ written: { target: { id: again?.id, value: 25 } } });
        await say({ reported: { target: { value: 10 } } });
        expect(writes()).toEqual([]);
    });
});
