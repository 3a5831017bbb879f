// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { expect, test } from "vitest";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { startTwin, thermo, thermoModel } from "./harness.ts";

const ID = "default/thermo-1";
const TOPICS = [
    `$hw/events/device/${ID}/twin/update`,
    `$hw/events/device/${ID}/twin/get`,
    `$hw/events/device/${ID}/state/update`,
    "$hw/events/device/a/b/twin/update",
    "$hw/events/device//twin/update",
    "$hw/events/node/edge/membership/get",
    "$hw/events/device",
];

/** Documents that are nearly right: known keys with values of every kind. */
const scalar = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant("x".repeat(70_000)),
);
const value = fc.oneof(
    scalar,
    fc.record({ value: scalar, metadata: fc.oneof(scalar, fc.record({ timestamp: scalar })) }, { requiredKeys: [] }),
);
const twin = fc.record(
    {
        expected: value,
        actual: value,
        optional: scalar,
        metadata: fc.oneof(scalar, fc.record({ type: scalar })),
        expected_version: value,
        actual_version: value,
    },
    { requiredKeys: [] },
);
const document = fc.oneof(
    fc.json().map((text) => JSON.parse(text) as unknown),
    fc.record(
        {
            event_id: scalar,
            timestamp: scalar,
            state: scalar,
            twin: fc.oneof(scalar, fc.dictionary(fc.string({ unit: "binary" }), fc.oneof(scalar, twin))),
        },
        { requiredKeys: [] },
    ),
);

test("no document on any topic stops the next one from being served", async () => {
    const harness = await startTwin();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
    let count = 0;
    await fc.assert(
        fc.asyncProperty(fc.constantFrom(...TOPICS), document, async (topic, content) => {
            await harness.mqtt(topic, content);
            harness.take("eventbus");
            count += 1;
            const reading = String(count);
            await harness.mqtt(`$hw/events/device/${ID}/twin/update`, {
                event_id: "next",
                twin: { probe: { actual: { value: reading } } },
            });
            expect(harness.take("eventbus")[0]?.content).toMatchObject({
                event_id: "next",
                twin: { probe: { actual: { value: reading } } },
            });
        }),
        { numRuns: 500 },
    );
}, 30_000);

test("no message of a mapper or of the cloud does either; refusals have a code", async () => {
    const harness = await startTwin();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
    const resources = [
        `default/device/thermo-1`,
        "default/devicemodel/thermo-model",
        "membership",
        "membership/detail",
        "devices",
        "default/device/thermo-1/twin",
        "x",
    ];
    const content = fc.oneof(
        document,
        fc.record(
            {
                reported: fc.dictionary(fc.string(), fc.oneof(scalar, value)),
                written: fc.dictionary(fc.string(), scalar),
                state: scalar,
            },
            { requiredKeys: [] },
        ),
        fc.record({
            metadata: fc.record({ name: scalar, namespace: scalar }),
            spec: fc.oneof(
                scalar,
                fc.record({ properties: fc.oneof(scalar, fc.array(fc.oneof(scalar, value))), protocol: value }),
            ),
        }),
        fc.record(
            {
                added_devices: fc.array(fc.oneof(scalar, fc.record({ id: scalar }))),
                removed_devices: scalar,
                devices: fc.array(fc.record({ id: scalar })),
            },
            { requiredKeys: [] },
        ),
    );
    await fc.assert(
        fc.asyncProperty(
            fc.constantFrom("mapper", "devicecontroller"),
            fc.constantFrom("upload", "query", "insert", "update", "delete"),
            fc.constantFrom(...resources),
            content,
            async (source, operation, resource, given) => {
                const route = { source, group: "twin", operation, resource };
                await harness.twin.receive(newEnvelope({ route, content: given })).catch((thrown: unknown) => {
                    expect(thrown).toMatchObject({ code: expect.stringMatching(/^REDGE_DEVICE_/) });
                });
                await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
                await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
                harness.take("eventbus");
                await harness.mqtt(`$hw/events/device/${ID}/twin/get`, { event_id: "next" });
                expect(harness.take("eventbus")[0]?.content).toMatchObject({ event_id: "next" });
            },
        ),
        { numRuns: 500 },
    );
}, 30_000);
