// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "vitest";
import {
    DeviceController,
    type DeviceControllerConfig,
    deviceControllerConfig,
} from "../../../src/cloud/devicecontroller/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { eventually } from "../../support/eventually.ts";
import { kubectl, type RealKube, realKube, startRealKube } from "../../support/kube.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { describeWith } from "../../support/requires.ts";

const API_VERSION = "devices.kubeedge.io/v1beta1";

describeWith([realKube, kubectl], "DeviceController behind a real Kubernetes API server, seen by kubectl", () => {
    let kube: RealKube;
    let admin: Kubectl;
    let cluster: KubeClient;
    let controller: DeviceController;
    const sent: Envelope[] = [];

    const receive = (operation: string, resource: string, content: unknown): Promise<Envelope> => {
        const route = { source: "twin", group: "resource", operation, resource };
        const message = newEnvelope({ route, content, node: "edge-1" });
        return controller.receive(message).then(() => message);
    };
    const confirmed = ({ header }: Envelope) =>
        eventually(() => expect(sent.map((message) => message.header.parent_msg_id)).toContain(header.msg_id));

    beforeAll(async () => {
        kube = await startRealKube({ redgeApis: true });
        admin = new Kubectl(kube.kubeconfig);
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
        cluster = createKubeClient(kube.connection, ports);
        const config = parseConfig<DeviceControllerConfig>(deviceControllerConfig, {});
        controller = new DeviceController(config, { ...ports, cluster });
        controller.on("output", (_, envelope) => sent.push(envelope));
        await controller.start();
        await receive("connect", "node/edge-1", null);
    });

    afterAll(async () => {
        await controller?.stop();
        await cluster?.close();
        await kube?.stop();
    });

    test("a device applied with kubectl reaches its node, and what it reports is read with kubectl", async () => {
        await admin.apply(
            {
                apiVersion: API_VERSION,
                kind: "DeviceModel",
                metadata: { name: "thermo", namespace: "default" },
                spec: {
                    protocol: "modbus",
                    properties: [
                        { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
                        { name: "setpoint", type: "INT", accessMode: "ReadWrite", maximum: "90" },
                    ],
                },
            },
            {
                apiVersion: API_VERSION,
                kind: "Device",
                metadata: { name: "t1", namespace: "default" },
                spec: {
                    deviceModelRef: { name: "thermo" },
                    nodeName: "edge-1",
                    protocol: { protocolName: "modbus", configData: { ip: "192.0.2.7", slaveID: 1 } },
                    properties: [{ name: "temperature" }, { name: "setpoint", desired: { value: "60" } }],
                },
            },
        );
        await eventually(() => {
            const pushed = sent.map(({ route }) => `${route.operation} ${route.resource}`);
            expect(pushed.indexOf("insert default/devicemodel/thermo")).toBeGreaterThanOrEqual(0);
            expect(pushed.indexOf("insert default/device/t1")).toBeGreaterThan(
                pushed.indexOf("insert default/devicemodel/thermo"),
            );
        });

        const time = { timestamp: Date.now() };
        const twin = {
            temperature: { actual: { value: "58.5", metadata: time }, metadata: { type: "float" } },
            setpoint: { expected: { value: "60", metadata: time }, actual: { value: "60", metadata: time } },
        };
        await confirmed(await receive("update", "device/default/t1/twin/edge_updated", { twin }));
        const read = await admin.run("get", "devicestatus", "t1", "-o", "jsonpath={.status.twins[*].reported.value}");
        expect(read).toBe("58.5 60");

        const device = { state: "online", lastOnlineTime: new Date().toISOString() };
        await confirmed(await receive("update", "device/default/t1/state/update", JSON.stringify({ device })));
        await admin.run("wait", "device/t1", "--for=condition=DesiredApplied", "--timeout=60s");
    });

    test("a method called with kubectl annotate goes down with its device; kubectl waits for the result", async () => {
        sent.length = 0;
        const call = '{"method":"reset","params":{"hard":true},"timeoutSeconds":60}';
        await admin.run("annotate", "device", "t1", `call.redge.io/42=${call}`);
        const annotations = expect.objectContaining({ "call.redge.io/42": call });
        const metadata = expect.objectContaining({ annotations });
        await eventually(() =>
            expect(sent.map(({ content }) => content)).toContainEqual(expect.objectContaining({ metadata })),
        );
        await admin.run("wait", "device/t1", "--for=jsonpath={.status.methodCalls[0].state}=Pending", "--timeout=60s");
        const calls = [{ id: "42", state: "Succeeded", result: { cycles: 3 }, finishedMs: Date.now() }];
        await confirmed(await receive("update", "device/default/t1/state/update", { device: { name: "t1" }, calls }));
        await admin.run(
            "wait",
            "device/t1",
            "--for=jsonpath={.status.methodCalls[0].state}=Succeeded",
            "--timeout=60s",
        );
        const result = await admin.run("get", "device", "t1", "-o", "jsonpath={.status.methodCalls[0].result.cycles}");
        expect(result).toBe("3");
        await eventually(async () => expect(await admin.run("get", "events")).toContain("MethodSucceeded"));
        await eventually(async () =>
            expect(await admin.run("get", "device", "t1", "-o", "jsonpath={.metadata.annotations}")).not.toContain(
                "call.",
            ),
        );
    });

    test("a set point kubectl patches is told the node, refused by the model when it is out of range, and withdrawn with the device", async () => {
        const patch = JSON.stringify([{ op: "replace", path: "/spec/properties/1/desired/value", value: "99" }]);
        sent.length = 0;
        await admin.run("patch", "device", "t1", "--type=json", "-p", patch);
        await eventually(() => expect(sent.map(({ route }) => route.resource)).toContain("default/device/t1"));
        await admin.run("wait", "device/t1", "--for=condition=DesiredApplied=false", "--timeout=60s");
        await eventually(async () =>
            expect(await admin.run("describe", "device", "t1")).toContain("setpoint: 99 is above 90"),
        );
        await eventually(async () => expect(await admin.run("get", "events")).toContain("ValueRejected"));
        await admin.run("delete", "device", "t1");
        await eventually(() => expect(sent.map(({ route }) => route.operation)).toContain("delete"));
    });
});
