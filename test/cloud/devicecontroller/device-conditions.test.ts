// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import type { DeviceController } from "../../../src/cloud/devicecontroller/index.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { deviceRig, type Rig } from "../support/rig.ts";

const API = "devices.kubeedge.io/v1beta1";

/** Longer than a silence that is worth no word. */
const LONG_MS = 180_000;

describe("what kubectl describe says of a device", () => {
    let rig: Rig<DeviceController>;

    const add = async (spec: Record<string, unknown> = {}, settleMs = 2000) => {
        await rig.cluster.create(Kinds.device, {
            apiVersion: API,
            kind: "Device",
            metadata: {
                name: "t1",
                namespace: "default",
                creationTimestamp: new Date(rig.clock.nowMs()).toISOString(),
            },
            spec: {
                deviceModelRef: { name: "thermo" },
                nodeName: "edge-1",
                protocol: { protocolName: "modbus" },
                properties: [{ name: "temperature" }, { name: "setpoint" }],
                ...spec,
            },
        });
        await rig.settle(settleMs);
    };
    const patch = async (spec: Record<string, unknown>) => {
        await rig.cluster.patch({ type: Kinds.device, namespace: "default", name: "t1" }, { spec }, "merge");
        await rig.settle(2000);
    };
    const patchModel = async (properties: readonly Record<string, unknown>[]) => {
        const ref = { type: Kinds.deviceModel, namespace: "default", name: "thermo" };
        await rig.cluster.patch(ref, { spec: { properties } }, "merge");
        await rig.settle(2000);
    };
    const report = async (twin: Record<string, unknown>) => {
        await rig.up("update", "device/default/t1/twin/edge_updated", { event_id: "1", timestamp: 1, twin });
        await rig.settle(2000);
    };
    const says = async (state: string) => {
        await rig.up("update", "device/default/t1/state/update", { device: { state } });
        await rig.settle(2000);
    };
    const value = (text: string, metadata = {}, edge = 1) => ({
        actual: { value: text, metadata: { timestamp: rig.clock.nowMs(), ...metadata } },
        actual_version: { cloud: 0, edge },
    });
    const status = () => asRecord(rig.cluster.peek(Kinds.device, "t1")?.["status"]);
    const condition = (type: string) => asRecords(status()["conditions"]).find((one) => one["type"] === type);
    const temperature = { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" };
    const setpoint = { name: "setpoint", type: "INT", accessMode: "ReadWrite", minimum: "5", maximum: "40" };

    beforeEach(async () => {
        rig = deviceRig();
        rig.cluster.inject(Kinds.node, {
            apiVersion: "v1",
            kind: "Node",
            metadata: { name: "edge-1" },
            status: { conditions: [{ type: "Ready", status: "True" }] },
        });
        await rig.start();
        await rig.cluster.create(Kinds.deviceModel, {
            apiVersion: API,
            kind: "DeviceModel",
            metadata: { name: "thermo", namespace: "default" },
            spec: { protocol: "modbus", properties: [temperature, setpoint] },
        });
        await rig.connect();
    });

    test("what cannot work is named, until it is mended", async () => {
        await patchModel([temperature, { ...setpoint, minimum: "low" }]);
        await add({
            protocol: {},
            properties: [{ name: "temperature", desired: { value: "20" } }, { name: "setpoint" }, { name: "setpiont" }],
        });
        expect(condition("SpecValid")).toMatchObject({
            status: "False",
            reason: "InvalidSpec",
            message:
                "spec.protocol.protocolName is missing; setpoint: minimum of the device model is no number: low; " +
                "setpiont: the device model default/thermo has no such property; " +
                "temperature: 20 is desired, and the device model says ReadOnly",
        });
        await patchModel([temperature, setpoint]);
        await patch({
            protocol: { protocolName: "modbus" },
            properties: [{ name: "temperature" }, { name: "setpoint" }],
        });
        expect(condition("SpecValid")).toMatchObject({ status: "True" });
    });

    test("what a device says in its first second is one write", async () => {
        await add({}, 100);
        await rig.up("update", "device/default/t1/state/update", { device: { state: "online" } });
        await rig.settle(500);
        expect(status()).toEqual({});
        await report({ temperature: value("21.5") });
        expect(status()).toMatchObject({ state: "online" });
        expect(condition("ModelFound")).toMatchObject({ status: "True" });
        expect(condition("Reporting")).toMatchObject({ status: "True" });
        expect(rig.cluster.requests.filter((request) => request === "patch devices/t1")).toHaveLength(1);
    });

    test("a device that fits has no word on it", async () => {
        await add();
        expect(condition("SpecValid")).toBeUndefined();
        expect(condition("Readable")).toBeUndefined();
    });

    test("a node that is not named, and one that is not there", async () => {
        await add({ nodeName: "" });
        expect(condition("Reporting")).toMatchObject({ status: "Unknown", reason: "NoNodeNamed" });
        await patch({ nodeName: "edge-9" });
        expect(condition("Reporting")).toMatchObject({
            status: "Unknown",
            reason: "NodeMissing",
            message: "there is no edge node edge-9",
        });
    });

    test("properties that cannot be read are named with the mapper's reason, each reason once", async () => {
        await add();
        await report({
            temperature: { unread: { reason: "no answer" } },
            setpoint: { unread: { reason: "no answer" } },
        });
        expect(condition("Readable")).toMatchObject({
            status: "False",
            reason: "ReadingFailed",
            message: "temperature, setpoint: no answer",
        });
        await report({ temperature: value("21") });
        expect(condition("Readable")).toMatchObject({ message: "setpoint: no answer" });
        await report({ setpoint: value("7") });
        expect(condition("Readable")).toMatchObject({ status: "True" });
        await report({ temperature: value("21", { quality: "bad", reason: "sensor broken" }, 2) });
        expect(condition("Readable")).toMatchObject({ status: "False", message: "temperature: sensor broken" });
    });

    test("a controller that started meanwhile does not call readable what was never read", async () => {
        await add();
        await report({ temperature: { unread: { reason: "no answer" } }, setpoint: value("7") });
        await rig.controller.stop();
        rig = await deviceRig({}, rig.cluster).start();
        await rig.connect();
        await says("offline");
        expect(condition("Readable")).toMatchObject({ status: "False", message: "temperature: no answer" });
        await report({ temperature: value("21") });
        expect(condition("Readable")).toMatchObject({ status: "True" });
    });

    test("a device that was never read keeps the state its mapper gave it, and misses no mapper", async () => {
        await add();
        await says("offline");
        await rig.settle(LONG_MS);
        expect(condition("Reporting")).toMatchObject({ status: "False", reason: "NeverRead" });
        expect(status()).toMatchObject({ state: "offline" });
    });

    test("a device that is away and silent stays offline; one that is well and silent is unknown", async () => {
        await add();
        await report({ temperature: value("21") });
        await says("offline");
        await rig.settle(LONG_MS);
        expect(condition("Reporting")).toMatchObject({ status: "False", reason: "Stale" });
        expect(status()).toMatchObject({ state: "offline" });
        await says("online");
        expect(status()).toMatchObject({ state: "unknown" });
    });

    test("a property that the device no longer has goes from its status by itself", async () => {
        await add();
        await report({ temperature: value("21"), setpoint: value("7") });
        await patch({ properties: [{ name: "setpoint" }, { name: "room" }] });
        const twins = asRecords(asRecord(rig.cluster.peek(Kinds.deviceStatus, "t1")?.["status"])["twins"]);
        expect(twins.map((twin) => twin["propertyName"])).toEqual(["setpoint"]);
    });

    test("a refused value is no longer held against the device when its model has changed", async () => {
        await add();
        await report({ setpoint: value("warm") });
        expect(condition("ValuesValid")).toMatchObject({
            status: "False",
            message: "setpoint: warm is not an integer",
        });
        await patchModel([temperature, { name: "setpoint", type: "STRING", accessMode: "ReadWrite" }]);
        expect(condition("ValuesValid")).toMatchObject({ status: "True" });
    });
});
