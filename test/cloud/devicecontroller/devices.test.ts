// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import type { DeviceController } from "../../../src/cloud/devicecontroller/index.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import { deviceRig, type Rig } from "../support/rig.ts";

const API = "devices.kubeedge.io/v1beta1";
const AT = 1_795_357_299_065;

describe("devices of a node", () => {
    let rig: Rig<DeviceController>;

    const addModel = (name = "thermo"): Promise<KubeObject> =>
        rig.cluster.create(Kinds.deviceModel, {
            apiVersion: API,
            kind: "DeviceModel",
            metadata: { name, namespace: "default" },
            spec: {
                protocol: "modbus",
                properties: [
                    { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
                    { name: "setpoint", type: "INT", accessMode: "ReadWrite", minimum: "5", maximum: "40" },
                ],
            },
        });
    const addDevice = (name: string, spec: Record<string, unknown> = {}): Promise<KubeObject> =>
        rig.cluster.create(Kinds.device, {
            apiVersion: API,
            kind: "Device",
            metadata: { name, namespace: "default", labels: { description: "hall" } },
            spec: {
                deviceModelRef: { name: "thermo" },
                nodeName: "edge-1",
                properties: [{ name: "temperature" }, { name: "setpoint", desired: { value: "21" } }],
                ...spec,
            },
        });
    const patchDevice = (name: string, patch: unknown) =>
        rig.cluster.patch({ type: Kinds.device, namespace: "default", name }, patch, "merge");
    const desire = (value: string) =>
        patchDevice("t1", {
            spec: { properties: [{ name: "temperature" }, { name: "setpoint", desired: { value } }] },
        });
    const report = (twin: Record<string, unknown>, extra: { node?: string; sync?: boolean } = {}, device = "t1") =>
        rig.up("update", `device/default/${device}/twin/edge_updated`, { event_id: "1", timestamp: AT, twin }, extra);
    const value = (text: string, timestamp = AT, edge = 1) => ({
        actual: { value: text, metadata: { timestamp } },
        metadata: { type: "float" },
        actual_version: { cloud: 0, edge },
    });
    const twins = () => asRecords(asRecord(rig.cluster.peek(Kinds.deviceStatus, "t1")?.["status"])["twins"]);
    const reported = () => asRecord(asRecord(twins().find((t) => t["propertyName"] === "temperature"))["reported"]);
    const condition = (type: string) =>
        asRecords(asRecord(rig.cluster.peek(Kinds.device, "t1")?.["status"])["conditions"]).find(
            (c) => c["type"] === type,
        );

    const nodeIs = (ready: string) =>
        rig.cluster.inject(Kinds.node, {
            apiVersion: "v1",
            kind: "Node",
            metadata: { name: "edge-1" },
            status: { conditions: [{ type: "Ready", status: ready }] },
        });

    beforeEach(async () => {
        rig = deviceRig();
        nodeIs("True");
        await rig.start();
    });

    describe("down", () => {
        test("on connect the membership, each model once, the devices, and the list of both", async () => {
            const model = await addModel();
            const t1 = await addDevice("t1");
            const t2 = await addDevice("t2");
            await addDevice("elsewhere", { nodeName: "edge-2" });
            await rig.settle();
            await rig.connect();
            expect(rig.sent.map(({ route }) => `${route.group} ${route.operation} ${route.resource}`)).toEqual([
                "twin update membership",
                "resource update default/devicemodel/thermo",
                "resource update default/device/t1",
                "resource update default/device/t2",
                "resource sync node/edge-1",
            ]);
            expect(rig.sent[0]?.content).toMatchObject({
                added_devices: [
                    { id: "default/t1", name: "t1", description: "hall" },
                    { id: "default/t2", name: "t2", description: "hall" },
                ],
                removed_devices: null,
            });
            expect(rig.sent[4]?.content).toEqual({
                kinds: ["Device", "DeviceModel"],
                uids: [t1, model, t2].map(({ metadata }) => metadata.uid),
            });
        });

        test("a new device goes after its membership and its model; the next one needs no model", async () => {
            await rig.connect();
            rig.take();
            await addModel();
            await addDevice("t1");
            await rig.settle();
            expect(rig.take()).toEqual([
                "update membership",
                "insert default/devicemodel/thermo",
                "insert default/device/t1",
            ]);
            await addDevice("t2");
            await rig.settle();
            expect(rig.take()).toEqual(["update membership", "insert default/device/t2"]);
        });

        test("a device waits for its model, and says so", async () => {
            await rig.connect();
            rig.take();
            await addDevice("t1");
            await rig.settle(1000);
            expect(rig.take()).toEqual(["update membership"]);
            expect(condition("ModelFound")).toMatchObject({ status: "False", reason: "ModelMissing" });
            expect(rig.cluster.all(Kinds.event)[0]).toMatchObject({ type: "Warning", reason: "ModelMissing" });
            await addModel();
            await rig.settle(1000);
            expect(rig.take()).toEqual(["insert default/devicemodel/thermo", "insert default/device/t1"]);
            expect(condition("ModelFound")).toMatchObject({ status: "True" });
        });

        test("a change of the spec is told, one of the status is not; a model's change is told by itself", async () => {
            await addModel();
            await addDevice("t1");
            await rig.connect();
            await rig.settle(2000);
            rig.take();
            await patchDevice("t1", { status: { state: "ok" } });
            await rig.settle();
            expect(rig.take()).toEqual([]);
            await desire("22");
            await rig.settle();
            expect(rig.take()).toEqual(["update default/device/t1"]);
            const ref = { type: Kinds.deviceModel, namespace: "default", name: "thermo" };
            await rig.cluster.patch(ref, { spec: { protocol: "opcua" } }, "merge");
            await rig.settle();
            expect(rig.take()).toEqual(["update default/devicemodel/thermo"]);
        });

        test("a device that moves leaves one node and joins the other", async () => {
            await addModel();
            await addDevice("t1");
            await rig.connect("edge-1");
            await rig.connect("edge-2");
            rig.take();
            await patchDevice("t1", { spec: { nodeName: "edge-2" } });
            await rig.settle();
            expect(rig.sent.map(({ node, route }) => `${node} ${route.operation} ${route.resource}`)).toEqual([
                "edge-1 update membership",
                "edge-1 delete default/device/t1",
                "edge-1 delete default/devicemodel/thermo",
                "edge-2 update membership",
                "edge-2 insert default/devicemodel/thermo",
                "edge-2 insert default/device/t1",
            ]);
        });

        test("a deleted device goes, its model with the last of them", async () => {
            await addModel();
            await addDevice("t1");
            await addDevice("t2");
            await rig.connect();
            rig.take();
            await rig.cluster.delete({ type: Kinds.device, namespace: "default", name: "t1" });
            await rig.settle();
            expect(rig.take()).toEqual(["update membership", "delete default/device/t1"]);
            await rig.cluster.delete({ type: Kinds.device, namespace: "default", name: "t2" });
            await rig.settle();
            expect(rig.take()).toEqual([
                "update membership",
                "delete default/device/t2",
                "delete default/devicemodel/thermo",
            ]);
        });

        test("an edge that asks for its membership is confirmed and told all of it", async () => {
            await addModel();
            await addDevice("t1");
            await rig.connect();
            rig.take();
            const { reply } = await rig.up("get", "membership/detail", "{}");
            expect(reply).toMatchObject({
                content: "OK",
                route: { group: "twin", operation: "response", resource: "twin" },
            });
            expect(rig.sent.at(-1)?.content).toMatchObject({ added_devices: [{ id: "default/t1", twin: {} }] });
        });
    });

    describe("up", () => {
        beforeEach(async () => {
            await addModel();
            await addDevice("t1");
            await rig.connect();
            await rig.settle(2000);
            rig.take();
        });

        test("every device has a status object that goes with it", () => {
            const { ownerReferences } = rig.cluster.peek(Kinds.deviceStatus, "t1")?.metadata ?? {};
            const { uid } = rig.cluster.peek(Kinds.device, "t1")?.metadata ?? {};
            expect(ownerReferences).toMatchObject([{ kind: "Device", name: "t1", uid, controller: true }]);
        });

        test("the first report of a property is visible, and confirmed after it is", async () => {
            let confirmedBefore: number | undefined;
            rig.cluster.beforeWrite = async () => {
                confirmedBefore ??= rig.sent.length;
            };
            const { reply } = await report({ temperature: value("21.5") });
            expect(reported()).toEqual({
                value: "21.5",
                metadata: { timestamp: String(AT), type: "float", version: "1" },
            });
            expect(confirmedBefore).toBe(0);
            expect(reply?.route).toEqual({
                source: "devicecontroller",
                group: "twin",
                operation: "response",
                resource: "twin",
            });
            expect(reply?.content).toBe("OK");
        });

        test("reports of one property do not disturb the others", async () => {
            await report({ temperature: value("21.5") });
            await rig.settle(1000);
            await report({ setpoint: { ...value("20"), expected: { value: "21", metadata: { timestamp: AT } } } });
            await rig.settle(1000);
            expect(twins()).toMatchObject([
                { propertyName: "temperature", reported: { value: "21.5" } },
                { propertyName: "setpoint", reported: { value: "20" }, observedDesired: { value: "21" } },
            ]);
        });

        test("what comes quickly is joined: newest values, few writes, every message confirmed", async () => {
            rig.cluster.requests.length = 0;
            for (let count = 1; count <= 50; count += 1) {
                const message = rig.message("update", "device/default/t1/twin/edge_updated", {
                    twin: { temperature: value(String(count), AT + count, count) },
                });
                await rig.controller.receive(message);
            }
            await rig.settle(1000);
            expect(reported()["value"]).toBe("50");
            const writes = rig.cluster.requests.filter((request) => request === "patch devicestatuses/t1");
            expect(writes.length).toBeLessThanOrEqual(2);
            expect(rig.take()).toHaveLength(50);
        });

        test.each([
            ["older by the edge's clock", value("1", AT - 1000, 1), "2"],
            ["newer, though the edge counts from the start again", value("1", AT + 1000, 1), "1"],
            ["older by a clock that was set back, but counted on", value("1", AT - 3_600_000, 9), "1"],
        ])("a report that is %s", async (_, late, expected) => {
            await report({ temperature: value("2", AT, 5) });
            await rig.settle(1000);
            const { reply } = await report({ temperature: late });
            await rig.settle(1000);
            expect(reported()["value"]).toBe(expected);
            expect(reply?.content ?? "OK").toBe("OK");
        });

        test("what is present is shown at once; the reports that lead to it come after it, cost the API nothing and are confirmed", async () => {
            const content = { twin: {}, present: { temperature: value("30", AT + 30, 30) } };
            await rig.up("update", "device/default/t1/twin/edge_updated", content);
            await rig.settle(1000);
            expect(reported()["value"]).toBe("30");
            rig.take();
            rig.cluster.requests.length = 0;
            for (let count = 1; count < 30; count += 1)
                await report({ temperature: value(String(count), AT + count, count) });
            await rig.settle(1000);
            expect(reported()).toMatchObject({ value: "30", metadata: { timestamp: String(AT + 30) } });
            expect(rig.take()).toHaveLength(29);
            expect(rig.cluster.requests.filter((request) => request === "patch devicestatuses/t1")).toEqual([]);
            await report({ temperature: value("31", AT + 31, 31) });
            await rig.settle(1000);
            expect(reported()["value"]).toBe("31");
        });

        test("staleness is judged by what the API knows after a restart, too", async () => {
            await report({ temperature: value("2", AT, 5) });
            await rig.controller.stop();
            rig = await deviceRig({}, rig.cluster).start();
            await rig.connect();
            await report({ temperature: value("1", AT - 1, 4) });
            await rig.settle(1000);
            expect(reported()["value"]).toBe("2");
        });

        test("state and last seen go to both objects", async () => {
            const content = JSON.stringify({ device: { state: "online", lastOnlineTime: "2026-11-22T14:21:46Z" } });
            const { reply } = await rig.up("update", "device/default/t1/state/update", content);
            await rig.settle(2000);
            expect(reply?.content).toBe("OK");
            const expected = { state: "online", lastOnlineTime: "2026-11-22T14:21:46Z" };
            expect(rig.cluster.peek(Kinds.deviceStatus, "t1")?.["status"]).toMatchObject(expected);
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject(expected);
            await rig.up("update", "device/default/t1/state/update", { device: { state: "offline" } });
            await rig.settle(2000);
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject({ ...expected, state: "offline" });
        });

        test("a desired value is pending, confirmed, or refused with the reason", async () => {
            expect(condition("DesiredApplied")).toMatchObject({ status: "False", reason: "Pending" });
            await report({ setpoint: { expected: { value: "21.0", metadata: { timestamp: AT } } } });
            await rig.settle(2000);
            expect(condition("DesiredApplied")).toMatchObject({ status: "True", reason: "Confirmed" });
            await desire("99");
            await rig.settle(2000);
            expect(condition("DesiredApplied")).toMatchObject({
                reason: "ValueRejected",
                message: "setpoint: 99 is above 40",
            });
            await desire("30");
            await report({
                setpoint: { failed: { value: "30", reason: "slave answered: illegal data value", timestamp: AT } },
            });
            await rig.settle(2000);
            expect(condition("DesiredApplied")).toMatchObject({
                reason: "ValueRejected",
                message: "setpoint: 30: slave answered: illegal data value",
            });
            expect(rig.cluster.all(Kinds.event).map((event) => event["reason"])).toContain("ValueRejected");
        });

        test("a device nobody hears of any more says so, by its own time stamps, and its state is unknown", async () => {
            const now = rig.clock.nowMs();
            await patchDevice("t1", {
                spec: { properties: [{ name: "temperature", reportToCloud: true, collectCycle: 60_000 }] },
            });
            await report({ temperature: value("20", now) });
            await rig.up("update", "device/default/t1/state/update", { device: { state: "ok" } });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "True" });
            await rig.settle(5 * 60_000 + 40_000);
            expect(condition("Reporting")).toMatchObject({ status: "False", reason: "Stale" });
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject({ state: "unknown" });
            await report({ temperature: value("19", now + 1000, 2) });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "False" });
            await report({ temperature: value("21", rig.clock.nowMs(), 3) });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "True" });
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject({ state: "ok" });
        });

        test("a device of which nothing can be read says so, and why, until a value comes again", async () => {
            const bad = { timestamp: AT, quality: "bad", reason: "the mapper does not answer" };
            await report({ temperature: value("20") });
            await report({ temperature: { ...value("20", AT, 2), actual: { value: "20", metadata: bad } } });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({
                status: "False",
                reason: "NoGoodValue",
                message: "no value can be read: the mapper does not answer",
            });
            await report({ temperature: value("21", AT + 1, 3) });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "True" });
        });

        test("a device that was never heard of misses its mapper, unless it has nothing to report", async () => {
            const creationTimestamp = new Date(rig.clock.nowMs()).toISOString();
            await patchDevice("t1", {
                metadata: { creationTimestamp },
                spec: { properties: [{ name: "temperature", reportToCloud: false }] },
            });
            await rig.settle(180_000);
            expect(condition("Reporting")).toBeUndefined();
            await patchDevice("t1", { spec: { properties: [{ name: "temperature" }] } });
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "False", reason: "MapperMissing" });
        });

        test("devices of a node that is not ready are unknown until it is back", async () => {
            await report({ temperature: value("20") });
            await rig.up("update", "device/default/t1/state/update", { device: { state: "ok" } });
            nodeIs("Unknown");
            await rig.settle(2000);
            expect(condition("Reporting")).toMatchObject({ status: "Unknown", reason: "NodeNotReady" });
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject({ state: "unknown" });
            nodeIs("True");
            await rig.settle(2000);
            expect(rig.cluster.peek(Kinds.device, "t1")?.["status"]).toMatchObject({ state: "ok" });
        });

        test("a value that is none of the property's type is not shown, and said so", async () => {
            await report({ temperature: value("20") });
            await rig.settle(1000);
            const { reply } = await report({ temperature: value("warm", AT + 1, 2) });
            await rig.settle(2000);
            expect(reported()["value"]).toBe("20");
            expect(condition("ValuesValid")).toMatchObject({
                status: "False",
                message: "temperature: warm is not a number",
            });
            expect(reply?.content ?? "OK").toBe("OK");
            await report({ temperature: value("21", AT + 2, 3) });
            await rig.settle(2000);
            expect(condition("ValuesValid")).toMatchObject({ status: "True" });
        });

        test("the last good value of a failed reading keeps its time and says why", async () => {
            await report({
                temperature: {
                    actual: { value: "20", metadata: { timestamp: AT, quality: "bad", reason: "timeout" } },
                    actual_version: { edge: 2 },
                },
            });
            expect(reported()).toMatchObject({ value: "20", metadata: { quality: "bad", reason: "timeout" } });
        });

        test("nothing is confirmed while the API is down, everything when it is back", async () => {
            rig.cluster.beforeWrite = async () => {
                throw Object.assign(new Error("down"), {});
            };
            const { reply } = await report({ temperature: value("23") });
            await rig.settle(3000);
            expect(reply).toBeUndefined();
            expect(rig.take()).toEqual([]);
            rig.cluster.beforeWrite = async () => {};
            await rig.settle(20_000);
            expect(reported()["value"]).toBe("23");
            expect(rig.take()).toEqual(["response twin"]);
        });

        test("another node's device and an unknown one are refused; an outbox is told", async () => {
            expect((await report({}, { node: "edge-2" })).error).toMatchObject({ code: "REDGE_CLOUD_FORBIDDEN" });
            const unknown = await report({}, {}, "none");
            expect(unknown.error).toMatchObject({ code: "REDGE_CLOUD_BAD_REQUEST" });
            expect(unknown.reply).toBeUndefined();
            const told = await report({}, { sync: true }, "none");
            expect(told.reply?.route).toMatchObject({ operation: "error", group: "twin" });
        });

        test("a status object somebody deleted comes back with what was known", async () => {
            await report({ temperature: value("24") });
            await rig.settle(1000);
            await rig.cluster.delete({ type: Kinds.deviceStatus, namespace: "default", name: "t1" });
            await rig.settle(2000);
            expect(reported()["value"]).toBe("24");
        });

        test.each([
            ["no twin", {}],
            ["a twin that is none", { twin: 5 }],
            ["a property that is none", { twin: { temperature: "x" } }],
            ["a value that is an object", { twin: { temperature: { actual: { value: {} } } } }],
            [
                "a time that is text",
                { twin: { temperature: { actual: { value: "25", metadata: { timestamp: "now" } } } } },
            ],
            ["a time beyond all calendars", { twin: { temperature: value("25", 1e300) } }],
            ["text that is no JSON", "{"],
            ["nothing", null],
        ])("%s in a report does no harm", async (_, content) => {
            await rig.up("update", "device/default/t1/twin/edge_updated", content);
            await rig.settle(1000);
            await report({ setpoint: value("7", AT + 5) });
            await rig.settle(1000);
            expect(twins()).toContainEqual(expect.objectContaining({ propertyName: "setpoint" }));
        });
    });
});
