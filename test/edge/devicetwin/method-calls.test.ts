// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";

const ID = "default/thermo-1";
const METHODS = [
    { name: "reset", propertyNames: [] },
    { name: "adjust", propertyNames: ["target", "temperature"] },
];

/** The Device with these calls: id → annotation. */
function calling(calls: Record<string, string>) {
    const device = thermo(undefined);
    const annotations = Object.fromEntries(Object.entries(calls).map(([id, call]) => [`call.redge.io/${id}`, call]));
    return {
        ...device,
        metadata: { ...device.metadata, annotations },
        spec: { ...device.spec, methods: METHODS },
    };
}

async function started(): Promise<Harness> {
    const harness = await startTwin();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    return harness;
}

const give = (harness: Harness, calls: Record<string, string>) =>
    harness.cloud("update", "default/device/thermo-1", calling(calls));
const call = (harness: Harness, id = "1") => harness.twin.records.get(ID)?.calls?.[id];
const toMappers = (harness: Harness, operation: string) =>
    harness.take("mappers").filter(({ route }) => route.operation === operation);
const ended = (harness: Harness) =>
    harness.sent.edgehub
        .filter(({ route }) => route.resource === `device/${ID}/state/update`)
        .flatMap(({ content }) => (content as { calls?: { id: string; state: string }[] }).calls ?? []);
const answer = (harness: Harness, report: Parameters<typeof mapperReport>[1]) =>
    harness.twin.receive(mapperReport(ID, report));

describe("a call of a device method", () => {
    test("goes to mappers whole and as the writes of its properties; its result goes to the cloud until it is taken", async () => {
        const harness = await started();
        await give(harness, { 1: '{"method":"adjust","params":{"target":"30"},"timeoutSeconds":5}' });
        const sent = harness.take("mappers");
        expect(sent.find(({ route }) => route.operation === "call")).toMatchObject({
            route: { resource: "default/device/thermo-1/method" },
            content: { id: "1", method: "adjust", params: { target: 30 }, timeoutMs: 5000 },
        });
        const write = sent.find(({ route }) => route.operation === "write")?.content as { id: string };
        expect(write).toMatchObject({ property: "target", value: 30, type: "INT", call: "1", method: "adjust" });
        await answer(harness, { written: { target: { id: write.id, value: 30 } } });
        expect(call(harness)).toMatchObject({ state: "Succeeded", result: { target: 30 } });
        expect(ended(harness)).toMatchObject([{ id: "1", state: "Succeeded", result: { target: 30 } }]);
        // A cloud that lost the result still has the annotation: told again. Once it is gone, no more.
        await harness.confirmAll();
        await give(harness, { 1: '{"method":"adjust"}' });
        expect(ended(harness)).toHaveLength(1);
        await harness.confirmAll();
        await give(harness, {});
        expect(ended(harness)).toEqual([]);
    });

    test("an id that comes again is not carried out again, not even after a restart", async () => {
        const harness = await started();
        await give(harness, { 1: "reset" });
        expect(toMappers(harness, "call")).toHaveLength(1);
        await answer(harness, { called: { 1: { result: "done" } } });
        await give(harness, {});
        await give(harness, { 1: "reset" });
        expect(toMappers(harness, "call")).toEqual([]);
        await harness.twin.stop();
        const again = await startTwin({}, harness.store);
        await give(again, { 1: "reset" });
        expect(toMappers(again, "call")).toEqual([]);
        expect(ended(again)).toMatchObject([{ id: "1", state: "Succeeded", result: "done" }]);
    });

    test("waits over a restart, and for a mapper that starts late", async () => {
        const harness = await started();
        await give(harness, { 1: "reset" });
        await harness.twin.stop();
        const again = await startTwin({}, harness.store);
        expect(toMappers(again, "call")).toHaveLength(1);
        const route = { source: "mapper", group: "twin", operation: "query", resource: "devices" };
        await again.twin.receive(newEnvelope({ route, content: null }));
        expect(toMappers(again, "call")).toHaveLength(1);
    });

    test("expires when no mapper answers in time; an answer that comes later changes nothing", async () => {
        const harness = await started();
        await give(harness, { 1: '{"method":"reset","timeoutSeconds":2}', 2: "reset" });
        await harness.clock.advance(1999);
        expect(call(harness)?.state).toBe("Pending");
        await harness.clock.advance(1);
        expect(call(harness)).toMatchObject({ state: "Expired", reason: "no mapper has answered within 2 s" });
        await answer(harness, { called: { 1: { result: "late" } } });
        expect(call(harness)?.state).toBe("Expired");
        await harness.clock.advance(28_000);
        expect(call(harness, "2")?.state).toBe("Expired");
    });

    test("fails when one of its writes is refused", async () => {
        const harness = await started();
        await give(harness, { 1: '{"method":"adjust","params":{"target":30}}' });
        const [write] = toMappers(harness, "write");
        expect(write?.content).toMatchObject({ id: "call/1/target" });
        const refused = { id: "call/1/target", value: 30, error: "valve stuck" };
        await answer(harness, { written: { target: refused } });
        expect(call(harness)).toMatchObject({ state: "Failed", reason: "target: valve stuck" });
    });

    test("is taken back with its annotation", async () => {
        const harness = await started();
        await give(harness, { 1: "reset" });
        await give(harness, {});
        expect(call(harness)?.state).toBe("Expired");
    });

    test.each([
        ["an unknown method", "fly", "the device has no method fly; it has reset, adjust"],
        ["a property that the method does not write", '{"method":"adjust","params":{"x":1}}', "and not x"],
        ["a read-only property", '{"method":"adjust","params":{"temperature":1}}', "temperature is read only"],
        ["a value of another type", '{"method":"adjust","params":{"target":"hot"}}', "is not an integer"],
        ["a value beyond the model's limits", '{"method":"adjust","params":{"target":101}}', "above the maximum 100"],
        ["nothing", "", "the annotation is empty"],
        ["no JSON", "{", "the annotation is not JSON"],
        ["no method", "{}", "method is missing"],
        ["parameters that are no object", '{"method":"reset","params":[]}', "params is not an object"],
        ["no time", '{"method":"reset","timeoutSeconds":0}', "timeoutSeconds is not a number"],
    ])("with %s fails at once, and says why", async (_, annotation, reason) => {
        const harness = await started();
        await give(harness, { 1: annotation });
        expect(call(harness)?.state).toBe("Failed");
        expect(call(harness)?.reason).toContain(reason);
        expect([...toMappers(harness, "call"), ...ended(harness)]).toMatchObject([{ id: "1", state: "Failed" }]);
    });

    test("a result that is too large for a status is said, not sent", async () => {
        const harness = await started();
        await give(harness, { 1: "reset" });
        await answer(harness, { called: { 1: { result: "x".repeat(70_000) } } });
        expect(call(harness)).toMatchObject({ state: "Succeeded", reason: expect.stringContaining("too large") });
        expect(call(harness)?.result).toBeUndefined();
    });
});
