// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from "vitest";
import { Kinds } from "../../../../src/kube/types.ts";
import { Harness } from "./harness.ts";

let harness: Harness;
afterEach(() => harness.stop());

const taintsOf = async (name: string): Promise<string[]> => {
    const node = (await harness.get(Kinds.node, name)) as unknown as {
        spec: { taints?: { key: string; effect: string }[] };
    };
    return (node.spec.taints ?? []).map(({ key, effect }) => `${key.split("/")[1]}:${effect}`);
};
const readyOf = async (name: string): Promise<string | undefined> => {
    const node = (await harness.get(Kinds.node, name)) as unknown as {
        status: { conditions: { type: string; status: string }[] };
    };
    return node.status.conditions.find(({ type }) => type === "Ready")?.status;
};
const pod = (name: string, node: string, tolerations: unknown[] = []): Parameters<Harness["put"]>[1] => ({
    metadata: { name },
    spec: { nodeName: node, containers: [{ name: "main", image: "web:1" }], tolerations },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});
const forSeconds = (tolerationSeconds: number): unknown => ({
    key: "node.kubernetes.io/unreachable",
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds,
});

describe("NodeLifecycleController", () => {
    it("marks a silent node Unknown after 40 s, taints it, and takes it back when it reports", async () => {
        harness = await new Harness().start();
        await harness.node("one");
        await harness.clock.advance(39_000);
        expect(await readyOf("one")).toBe("True");
        await harness.clock.advance(2000);
        await harness.settle();
        expect(await readyOf("one")).toBe("Unknown");
        expect(await taintsOf("one")).toEqual(["unreachable:NoSchedule", "unreachable:NoExecute"]);
        expect(await harness.events("NodeNotReady")).toHaveLength(1);
        await harness.heartbeat("one");
        expect(await readyOf("one")).toBe("True");
        expect(await taintsOf("one")).toEqual([]);
    });

    it("takes a renewed lease as a sign of life", async () => {
        harness = await new Harness().start();
        await harness.node("one");
        const metadata = { name: "one", namespace: "kube-node-lease" };
        await harness.put(Kinds.lease, { metadata, spec: { renewTime: harness.now() } });
        for (let beat = 0; beat < 6; beat += 1) {
            await harness.clock.advance(10_000);
            const ref = { type: Kinds.lease, ...metadata };
            await harness.cluster.patch(ref, { spec: { renewTime: harness.now() } }, "merge");
        }
        expect(await readyOf("one")).toBe("True");
        await harness.clock.advance(41_000);
        expect(await readyOf("one")).toBe("Unknown");
    });

    it("evicts pods of an unreachable node when their toleration ends, and tells it", async () => {
        harness = await new Harness().start();
        await harness.node("one");
        await harness.put(Kinds.pod, pod("short", "one", [forSeconds(30)]));
        await harness.put(Kinds.pod, pod("none", "one"));
        await harness.put(Kinds.pod, pod("ever", "one", [{ operator: "Exists" }]));
        await harness.clock.advance(41_000);
        await harness.settle();
        const leaving = async (): Promise<string[]> =>
            (await harness.pods())
                .filter(({ metadata }) => metadata.deletionTimestamp)
                .map(({ metadata }) => metadata.name);
        expect(await leaving()).toEqual(["none"]);
        await harness.clock.advance(31_000);
        await harness.settle();
        expect((await leaving()).sort()).toEqual(["none", "short"]);
        expect(await harness.events("TaintManagerEviction")).toHaveLength(2);
        const [ever] = (await harness.pods()).filter(({ metadata }) => metadata.name === "ever");
        expect(ever?.status?.conditions?.[0]?.status).toBe("False");
    });

    it("leaves the pods of an edge node alone while it is out of reach, unless told otherwise", async () => {
        harness = await new Harness().start();
        const edge = { "node-role.kubernetes.io/edge": "" };
        await harness.node("edge", edge);
        await harness.put(Kinds.pod, pod("kept", "edge"));
        await harness.clock.advance(3_600_000);
        await harness.settle();
        expect(await taintsOf("edge")).toEqual(["unreachable:NoSchedule"]);
        const [kept] = await harness.pods();
        expect(kept?.metadata.deletionTimestamp).toBeUndefined();
        expect(kept?.status?.conditions?.[0]?.status).toBe("True");
        const annotations = { "kubeedge.io/evict-when-unreachable": "true" };
        await harness.cluster.patch({ type: Kinds.node, name: "edge" }, { metadata: { annotations } }, "merge");
        await harness.settle();
        expect(await taintsOf("edge")).toEqual(["unreachable:NoSchedule", "unreachable:NoExecute"]);
        expect((await harness.pods())[0]?.metadata.deletionTimestamp).toBeDefined();
    });

    it("turns pressure and cordons into taints and keeps those of others", async () => {
        harness = await new Harness().start();
        await harness.node(
            "one",
            {},
            {
                spec: { unschedulable: true, taints: [{ key: "mine/own", effect: "NoSchedule" }] },
                status: {
                    conditions: [
                        { type: "Ready", status: "True" },
                        { type: "DiskPressure", status: "True" },
                    ],
                },
            },
        );
        expect(await taintsOf("one")).toEqual([
            "own:NoSchedule",
            "disk-pressure:NoSchedule",
            "unschedulable:NoSchedule",
        ]);
    });
});

describe("PodGarbageController", () => {
    it("removes pods of a node that is gone, after a while, and deleted pods without a node at once", async () => {
        harness = await new Harness().start();
        await harness.put(Kinds.pod, pod("orphan", "nowhere"));
        await harness.clock.advance(39_000);
        expect(await harness.pods()).toHaveLength(1);
        await harness.clock.advance(2000);
        expect(await harness.pods()).toHaveLength(0);
        await harness.put(Kinds.pod, {
            metadata: { name: "unbound", deletionTimestamp: harness.now() },
            spec: { containers: [] },
        });
        expect(await harness.pods()).toHaveLength(0);
    });
});
