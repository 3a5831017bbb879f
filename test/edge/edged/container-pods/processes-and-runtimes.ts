// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { pod, until } from "../harness.ts";
import { type EngineSuite, POD } from "./suite.ts";

/** Containers that look into others, and those of another OCI runtime. */
export function processesAndRuntimes(suite: EngineSuite): void {
    const { end, gateway, logOf, phaseIs } = suite;

    it("lets an ephemeral container look into another's processes, once, and harms nobody by it", async () => {
        const one = await gateway();
        const { cloud, edged } = one;
        const made = pod("web", {
            containers: [{ name: "web", image: suite.engine.image, command: ["sleep", "3600"] }],
        });
        cloud.apply(POD, made);
        await phaseIs(cloud, "Running");
        const debug = (name: string, more: object = {}) => ({
            name,
            image: suite.engine.image,
            command: ["sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; exit 4"],
            ...more,
        });
        const ephemeralContainers = [
            debug("into", { targetContainerName: "web" }),
            debug("alone"),
            debug("nowhere", { targetContainerName: "gone" }),
            debug("strange", { volumeDevices: [{ name: "disk", devicePath: "/dev/x" }] }),
        ];
        cloud.apply(POD, { ...made, status: cloud.status(POD), spec: { ...made.spec, ephemeralContainers } });
        const statuses = await until(
            () => {
                const told = cloud.status(POD)?.ephemeralContainerStatuses;
                const ended = told?.filter(({ state }) => state.terminated !== undefined);
                const waiting = told?.filter(({ state }) => state.waiting?.message !== undefined);
                return ended?.length === 2 && waiting?.length === 2 ? told : undefined;
            },
            () => `two ended, two waiting: ${JSON.stringify(cloud.status(POD)?.ephemeralContainerStatuses)}`,
        );
        expect(await logOf(one, "into")).toBe("sleep 3600 ");
        expect(await logOf(one, "alone")).toContain("/proc/1/cmdline");
        expect(statuses[0]?.state.terminated).toMatchObject({ exitCode: 4 });
        expect(statuses[2]?.state.waiting?.message).toContain("target container gone does not run");
        expect(statuses[3]?.state.waiting?.message).toContain("volumeDevices");
        edged.pods.find("default", "web")?.wake();
        await until(() => edged.pods.find("default", "web")?.idle || undefined, "looked again");
        expect(cloud.status(POD)?.ephemeralContainerStatuses?.[0]?.restartCount).toBe(0);
        expect(cloud.status(POD)?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
        await end(cloud);
    });

    it("starts a pod by the OCI runtime that its RuntimeClass names, and says so when there is none", async () => {
        const { cloud, edged } = await gateway();
        const runtimeClass = (name: string, handler: string): void => {
            const made = { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name }, handler };
            cloud.put(`null/runtimeclass/${name}`, made);
        };
        runtimeClass("lighter", "crun");
        runtimeClass("heavy", "kata");
        const containers = [{ name: "web", image: suite.engine.image, command: ["sleep", "3600"] }];
        cloud.apply(POD, pod("web", { runtimeClassName: "lighter", containers }));
        await phaseIs(cloud, "Running");
        const id = edged.pods.find("default", "web")?.record?.containers[0]?.id ?? "";
        expect(await suite.engine.runtimeOf(id)).toContain("crun");
        await end(cloud);
        for (const [name, says] of [
            ["heavy", 'No runtime of this node serves the handler "kata"'],
            ["missing", 'RuntimeClass.node.k8s.io "missing" not found'],
        ]) {
            cloud.apply(POD, pod("web", { runtimeClassName: name ?? "", containers }));
            const told = await until(
                () => cloud.events.find(({ message }) => String(message).includes(says ?? "")),
                `event of ${name}`,
            );
            expect(told).toMatchObject({ type: "Warning", reason: "FailedCreatePodSandBox" });
            // Events have no queue to wait in, as a status has: which of the two comes first is not said.
            await phaseIs(cloud, "Pending");
            await end(cloud);
        }
    });
}
