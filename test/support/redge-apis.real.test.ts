// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "./eventually.ts";
import { kubectl as kubectlPart, type RealKube, realKube, startRealKube } from "./kube.ts";
import { Kubectl } from "./kubectl.ts";
import { describeWith } from "./requires.ts";

describeWith([realKube, kubectlPart], "device kinds behind a real API server", () => {
    let kube: RealKube;
    let kubectl: Kubectl;

    beforeAll(async () => {
        kube = await startRealKube({ scheduler: false, controllers: false, redgeApis: true });
        kubectl = new Kubectl(kube.kubeconfig);
    });
    afterAll(() => kube?.stop());

    it("writes, lists, watches and deletes a DeviceModel through the one address", async () => {
        await kubectl.run("create", "namespace", "site");
        const model = {
            apiVersion: "devices.kubeedge.io/v1beta1",
            kind: "DeviceModel",
            metadata: { name: "boiler", namespace: "site" },
            spec: { protocol: "modbus", properties: [{ name: "temperature", type: "FLOAT", accessMode: "ReadOnly" }] },
        };
        await eventually(() => kubectl.apply(model));
        expect(await kubectl.run("-n", "site", "get", "devicemodels")).toContain("boiler");
        expect(await kubectl.run("api-resources", "--api-group=devices.kubeedge.io", "-o", "name")).toContain(
            "devices.",
        );
        await kubectl.run("-n", "site", "delete", "devicemodel", "boiler");
        expect(await kubectl.run("-n", "site", "get", "devicemodels", "-o", "name")).toBe("");
    });
});
