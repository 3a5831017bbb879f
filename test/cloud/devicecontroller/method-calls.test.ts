// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import type { DeviceController } from "../../../src/cloud/devicecontroller/index.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { deviceRig, type Rig } from "../support/rig.ts";

const API = "devices.kubeedge.io/v1beta1";
const DEVICE = { type: Kinds.device, namespace: "default", name: "t1" };

describe("calls of device methods in the API", () => {
    let rig: Rig<DeviceController>;

    const annotate = (calls: Record<string, string | null>) => {
        const entries = Object.entries(calls).map(([id, call]) => [`call.redge.io/${id}`, call]);
        return rig.cluster.patch(DEVICE, { metadata: { annotations: Object.fromEntries(entries) } }, "merge");
    };
    const calls = () => asRecords(asRecord(rig.cluster.peek(Kinds.device, "t1")?.["status"])["methodCalls"]);
    const annotations = () => Object.keys(rig.cluster.peek(Kinds.device, "t1")?.metadata.annotations ?? {});
    /** What is said of methods; the gateway of these tests has no Node object, of which there is an event, too. */
    const events = () =>
        rig.cluster.all(Kinds.event).flatMap(({ reason }) => (String(reason).startsWith("Method") ? [reason] : []));
    const end = (results: readonly unknown[], node?: string) =>
        rig.up(
            "update",
            "device/default/t1/state/update",
            { device: { name: "t1" }, calls: results },
            node === undefined ? {} : { node },
        );

    beforeEach(async () => {
        rig = await deviceRig().start();
        await rig.cluster.create(Kinds.deviceModel, {
            apiVersion: API,
            kind: "DeviceModel",
            metadata: { name: "m", namespace: "default" },
            spec: {},
        });
        await rig.cluster.create(Kinds.device, {
            apiVersion: API,
            kind: "Device",
            metadata: { name: "t1", namespace: "default" },
            spec: { deviceModelRef: { name: "m" }, nodeName: "edge-1", methods: [{ name: "reset" }] },
        });
        await rig.connect();
        await rig.settle(2000);
        rig.take();
    });

    test("goes down with the Device, is pending, and ends with the edge's result, an event and without annotation", async () => {
        await annotate({ a: "reset" });
        await rig.settle();
        expect(rig.sent.at(0)?.content).toMatchObject({ metadata: { annotations: { "call.redge.io/a": "reset" } } });
        expect(calls()).toMatchObject([{ id: "a", method: "reset", state: "Pending" }]);
        const finishedMs = rig.clock.nowMs();
        const { reply } = await end([{ id: "a", state: "Succeeded", result: { count: 3 }, finishedMs }]);
        await rig.settle(1000);
        expect(reply?.content).toBe("OK");
        const finishedTime = new Date(finishedMs).toISOString();
        expect(calls()).toMatchObject([{ id: "a", state: "Succeeded", result: { count: 3 }, finishedTime }]);
        expect(annotations()).toEqual([]);
        expect(events()).toEqual(["MethodSucceeded"]);
    });

    test("a result that is told twice, or of a call that nobody made, changes nothing", async () => {
        await annotate({ a: "reset" });
        await rig.settle();
        await end([{ id: "a", state: "Failed", reason: "stuck" }]);
        await end([
            { id: "a", state: "Succeeded" },
            { id: "stray", state: "Succeeded" },
        ]);
        await rig.settle(1000);
        expect(calls()).toMatchObject([{ id: "a", state: "Failed", reason: "stuck" }]);
        expect(calls()).toHaveLength(1);
        expect(events()).toEqual(["MethodFailed"]);
    });

    test("one that was made for a gateway that stays away expires, and never reaches it", async () => {
        await rig.controller.receive(rig.message("disconnect", "node/edge-1", null));
        await annotate({ a: '{"method":"reset","timeoutSeconds":10}', b: "reset" });
        await rig.settle();
        await rig.clock.advance(15_000);
        await rig.settle(1000);
        expect(calls()).toMatchObject([
            { id: "a", state: "Expired", reason: "no answer within 10 s" },
            { id: "b", state: "Pending" },
        ]);
        rig.sent.length = 0;
        await rig.connect();
        const device = rig.sent.find(({ route }) => route.resource === "default/device/t1");
        expect(asRecord(asRecord(device?.content)["metadata"])["annotations"]).toEqual({ "call.redge.io/b": "reset" });
    });

    test("time runs on over a restart of the controller", async () => {
        await annotate({ a: '{"method":"reset","timeoutSeconds":10}' });
        await rig.settle();
        await rig.controller.stop();
        const next = deviceRig({}, rig.cluster);
        await next.clock.advance(rig.clock.nowMs() + 15_000 - next.clock.nowMs());
        rig = await next.start();
        await rig.settle(1000);
        expect(calls()).toMatchObject([{ id: "a", state: "Expired" }]);
    });

    test("a result that comes after all is worth more than the expiry", async () => {
        await annotate({ a: '{"method":"reset","timeoutSeconds":10}' });
        await rig.settle();
        await rig.clock.advance(15_000);
        await end([{ id: "a", state: "Succeeded", result: 1 }]);
        await rig.settle(1000);
        expect(calls()).toMatchObject([{ id: "a", state: "Succeeded", result: 1 }]);
        expect(calls()[0]).not.toHaveProperty("reason");
    });

    test("one that cannot be read fails, an id that was used is not begun again", async () => {
        await annotate({ a: "{" });
        await rig.settle(1000);
        expect(calls()).toMatchObject([{ id: "a", state: "Failed" }]);
        await annotate({ a: "reset" });
        await rig.settle(1000);
        expect(calls()).toMatchObject([{ id: "a", state: "Failed" }]);
        expect(annotations()).toEqual([]);
    });

    test("another node's word on it is refused", async () => {
        await annotate({ a: "reset" });
        await rig.settle();
        const { error } = await end([{ id: "a", state: "Succeeded" }], "edge-2");
        expect(error).toMatchObject({ code: "REDGE_CLOUD_FORBIDDEN" });
        expect(calls()).toMatchObject([{ state: "Pending" }]);
    });

    test("the last twenty are remembered", async () => {
        for (let index = 0; index < 25; index += 1) await annotate({ [`c${String(index).padStart(2, "0")}`]: "{" });
        await rig.settle(1000);
        expect(calls().map(({ id }) => id)).toEqual(
            Array.from({ length: 20 }, (_, index) => `c${String(index + 5).padStart(2, "0")}`),
        );
    });
});
