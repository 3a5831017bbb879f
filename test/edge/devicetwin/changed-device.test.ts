// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";
import { ID } from "./thermo.ts";

const TWIN = `$hw/events/device/${ID}/twin`;
const MODEL = "default/devicemodel/thermo-model";
const DEVICE = "default/device/thermo-1";

async function withThermo(target?: string): Promise<Harness> {
    const harness = await startTwin();
    await harness.cloud("insert", MODEL, thermoModel);
    await harness.cloud("insert", DEVICE, thermo(target));
    return harness;
}

const modelWith = (changed: Record<string, unknown>) => ({
    ...thermoModel,
    spec: {
        ...thermoModel.spec,
        properties: thermoModel.spec.properties.map((property) =>
            property.name === changed["name"] ? { ...property, ...changed } : property,
        ),
    },
});
const deviceWith = (properties: readonly unknown[]) => {
    const device = thermo(undefined);
    return { ...device, spec: { ...device.spec, properties } };
};
const report = (harness: Harness, content: Parameters<typeof mapperReport>[1]) =>
    harness.twin.receive(mapperReport(ID, content));
const property = (harness: Harness, name: string) => harness.twin.records.get(ID)?.twin.get(name);
const answers = (harness: Harness, suffix: string) =>
    harness
        .take("eventbus")
        .filter(({ route }) => route.resource === `${TWIN}/${suffix}`)
        .map(({ content }) => content);
/** What the cloud was told last of a property. */
const told = (harness: Harness, name: string) =>
    harness.sent.edgehub
        .filter(({ route }) => route.resource.endsWith("/twin/edge_updated"))
        .map(({ content }) => (content as { twin: Record<string, unknown> }).twin[name])
        .findLast((twin) => twin !== undefined);
const writes = (harness: Harness) =>
    harness.take("mappers").flatMap(({ route, content }) => (route.operation === "write" ? [content] : []));
const update = (harness: Harness, twin: Record<string, unknown>) =>
    harness.mqtt(`${TWIN}/update`, { event_id: "e", twin });

describe("a Device or its model that changes", () => {
    test("a property of another type takes values of that type, and keeps what is of it", async () => {
        const harness = await withThermo();
        await update(harness, { target: { actual: { value: "20" } }, temperature: { actual: { value: "21.5" } } });
        await harness.cloud("update", MODEL, modelWith({ name: "target", type: "STRING" }));
        expect(property(harness, "target")).toMatchObject({ type: "string", actual: { value: "20" } });
        harness.take("eventbus");
        await update(harness, { target: { actual: { value: "warm" } } });
        expect(answers(harness, "update/result")).toMatchObject([
            { twin: { target: { metadata: { type: "string" } } } },
        ]);
        await harness.cloud("update", MODEL, modelWith({ name: "target", type: "BOOLEAN" }));
        expect(property(harness, "target")).toMatchObject({ type: "boolean" });
        expect(property(harness, "target")?.actual).toBeUndefined();
        expect(property(harness, "temperature")).toMatchObject({ type: "float", actual: { value: "21.5" } });
    });

    test("a property that is no longer listed goes from the twin; what only clients know stays", async () => {
        const harness = await withThermo("30");
        await update(harness, { target: { actual: { value: "20" } }, note: { actual: { value: "hall 3" } } });
        await harness.cloud("update", DEVICE, deviceWith([{ name: "temperature" }, { name: "room" }]));
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/get`, { event_id: "g" });
        const [got] = answers(harness, "get/result") as { twin: object }[];
        expect(Object.keys(got?.twin ?? {})).toEqual(["note"]);
        await update(harness, { temperature: { actual: { value: "21" } } });
        // What is desired of a property that is gone is no difference to anything.
        expect(answers(harness, "update/delta")).toEqual([]);
    });

    test("a desired value that the model refused is handed out when the model lets it", async () => {
        const harness = await withThermo("150");
        expect(property(harness, "target")?.failed?.reason).toContain("above the maximum 100");
        harness.take("mappers");
        await harness.cloud("update", MODEL, modelWith({ name: "target", maximum: "200" }));
        expect(writes(harness)).toMatchObject([{ property: "target", value: 150 }]);
        expect(property(harness, "target")?.failed).toBeUndefined();
    });

    test("a desired value that the device refused is tried again where it is now to be written", async () => {
        const harness = await withThermo("50");
        const [write] = writes(harness) as { id: string }[];
        await report(harness, { written: { target: { id: write?.id, value: 50, error: "illegal data address" } } });
        await harness.cloud("update", DEVICE, thermo("50"));
        expect(writes(harness)).toEqual([]);
        const visitors = { protocolName: "modbus", configData: { offset: 7 } };
        await harness.cloud(
            "update",
            DEVICE,
            deviceWith([{ name: "temperature" }, { name: "target", desired: { value: "50" }, visitors }]),
        );
        expect(writes(harness)).toMatchObject([{ property: "target", value: 50, visitor: visitors }]);
    });
});

describe("a property that cannot be read", () => {
    test("its reason reaches the cloud although there is no value, once, and goes with the first one", async () => {
        const harness = await withThermo();
        const bad = { value: null, quality: "bad" as const, reason: "register Foo is not known" };
        await report(harness, { reported: { temperature: bad } });
        expect(told(harness, "temperature")).toMatchObject({ unread: { reason: "register Foo is not known" } });
        const { seq } = property(harness, "temperature") ?? {};
        await report(harness, { reported: { temperature: bad } });
        expect(property(harness, "temperature")?.seq).toBe(seq);
        await harness.confirmAll();
        await report(harness, { reported: { temperature: { value: 21 } } });
        expect(told(harness, "temperature")).toMatchObject({ actual: { value: "21" } });
        expect(told(harness, "temperature")).not.toHaveProperty("unread");
    });

    test("a device that cannot be as it is described is let go by mappers, and says why; mended, it comes back", async () => {
        const harness = await withThermo();
        await report(harness, { reported: { temperature: { value: 21 } }, state: "online" });
        await harness.confirmAll();
        harness.take("mappers");
        await harness.cloud("update", MODEL, modelWith({ name: "target", minimum: "low" }));
        expect(harness.take("mappers").map(({ route }) => route.operation)).toEqual(["delete"]);
        expect(harness.twin.records.get(ID)?.state).toBe("unhealthy");
        const reason = expect.stringContaining("target.minimum is not a number: low");
        expect(told(harness, "target")).toMatchObject({ unread: { reason } });
        expect(told(harness, "temperature")).toMatchObject({
            actual: { value: "21", metadata: { quality: "bad", reason } },
        });
        await harness.cloud("update", MODEL, thermoModel);
        expect(harness.take("mappers").map(({ route }) => route.operation)).toEqual(["update"]);
    });
});

test.each([
    ["an empty number", "", "twin.temperature: an empty value is not of type float"],
    ["half a character", "\ud83d", "twin.temperature is not valid Unicode"],
])("%s is no value", async (_what, value, reason) => {
    const harness = await withThermo();
    harness.take("eventbus");
    await update(harness, { temperature: { actual: { value } } });
    expect(answers(harness, "update/result")).toMatchObject([{ event_id: "e", code: 400, reason }]);
    await update(harness, { temperature: { expected: { value: "" }, actual: { value: "1" } } });
    expect(answers(harness, "update/result")).toMatchObject([{ twin: { temperature: { actual: { value: "1" } } } }]);
});
