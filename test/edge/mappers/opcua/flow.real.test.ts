// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { packageRoot } from "../../../support/node-red.ts";
import { describeWith } from "../../../support/requires.ts";
import { startMapperFlow } from "../flow.ts";
import { compileServer, open62541Part, startServer } from "./open62541.ts";

describeWith([open62541Part], "edge-flows/opcua-mapper.json in Node-RED", () => {
    test("examples/devices/press.yaml is read from a server and written to it", async () => {
        const scratch = mkdtempSync(join(tmpdir(), "redge-opcua-"));
        const reports: MapperReport[] = [];
        const server = await startServer(compileServer(scratch));
        const flow = await startMapperFlow("opcua-mapper.json", ({ route, content }) => {
            if (route.operation === "upload") reports.push(content as MapperReport);
        });
        try {
            expect(flow.nodeRed.missingTypes).toEqual([]);
            const [model, device] = parseAllDocuments(
                readFileSync(join(packageRoot, "examples/devices/press.yaml"), "utf8").replace(
                    "opc.tcp://127.0.0.1:4840",
                    server.url,
                ),
            ).map((document) => document.toJS() as unknown);
            const send = (operation: string, content: unknown) =>
                flow.send(newEnvelope({ route: { operation, resource: deviceResource("default/press") }, content }));
            await send("update", { device, model, instance: resolveDevice(device, model) });
            await send(WRITE, { id: "w1", property: "setpoint", value: 180 });
            await eventually(() => {
                expect(reports.map(({ state }) => state)).toContain("online");
                expect(reports.flatMap(({ reported }) => reported?.["setpoint"]?.value ?? []).at(-1)).toBe(180);
                expect(
                    reports.flatMap(({ reported }) => reported?.["temperature"]?.value ?? []).length,
                ).toBeGreaterThan(1);
            });
        } finally {
            await flow.stop();
            await server.stop();
            rmSync(scratch, { recursive: true, force: true });
        }
    });
});
