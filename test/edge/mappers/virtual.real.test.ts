// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { resolveDevice } from "../../../src/edge/mappers/device-instance.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { eventually } from "../../support/eventually.ts";
import { packageRoot } from "../../support/node-red.ts";
import { startMapperFlow } from "./flow.ts";

test("edge-flows/virtual-mapper.json makes examples/devices/pump.yaml live in Node-RED", async () => {
    const reports: MapperReport[] = [];
    const flow = await startMapperFlow("virtual-mapper.json", ({ route, content }) => {
        if (route.operation === "upload") reports.push(content as MapperReport);
    });
    try {
        expect(flow.nodeRed.missingTypes).toEqual([]);
        const [model, device] = parseAllDocuments(
            readFileSync(join(packageRoot, "examples/devices/pump.yaml"), "utf8"),
        ).map((document) => document.toJS() as unknown);
        const send = (operation: string, content: unknown) =>
            flow.send(newEnvelope({ route: { operation, resource: deviceResource("default/pump") }, content }));
        await send("update", { device, model, instance: resolveDevice(device, model) });
        await send(WRITE, { id: "w1", property: "speed", value: 900 });
        await eventually(() => {
            expect(reports.map(({ state }) => state)).toContain("online");
            expect(reports.flatMap(({ written }) => (written ? [written] : []))).toEqual([
                { speed: { id: "w1", value: 900 } },
            ]);
            expect(reports.flatMap(({ reported }) => reported?.["speed"]?.value ?? []).at(-1)).toBe(900);
        });
    } finally {
        await flow.stop();
    }
});
