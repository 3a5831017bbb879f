// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kinds } from "../../../../src/kube/types.ts";
import { Harness } from "../controllers/harness.ts";

let harness: Harness;
beforeEach(async () => {
    harness = await new Harness().start();
});
afterEach(() => harness.stop());

const pod = async (
    name: string,
    spec: Record<string, unknown> = {},
    labels: Record<string, string> = {},
): Promise<void> => {
    const containers = [{ name: "main", image: "web:1" }];
    await harness.put(Kinds.pod, { metadata: { name, labels }, spec: { containers, ...spec } });
};
const asking = (resources: Record<string, string>): unknown[] => [
    { name: "main", image: "w", resources: { requests: resources } },
];
const nodeOf = async (name: string): Promise<string | undefined> =>
    (await harness.pods()).find(({ metadata }) => metadata.name === name)?.spec.nodeName;
const refusal = async (name: string): Promise<string | undefined> =>
    (await harness.pods())
        .find(({ metadata }) => metadata.name === name)
        ?.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False")?.message;

describe("Scheduler", () => {
    it("says that there are no nodes, and schedules when one comes", async () => {
        await pod("first");
        expect(await refusal("first")).toBe("no nodes available to schedule pods");
        await harness.node("one");
        expect(await nodeOf("first")).toBe("one");
        expect((await harness.events("Scheduled"))[0]?.message).toBe("Successfully assigned default/first to one");
    });

    it("counts each reason over the nodes, as Kubernetes words them", async () => {
        await harness.node("small", { zone: "north" });
        await harness.node("tainted", { zone: "north" });
        await harness.node("south", { zone: "south" });
        await harness.node("cordoned", { zone: "north" });
        const taints = [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }];
        await harness.cluster.patch({ type: Kinds.node, name: "tainted" }, { spec: { taints } }, "merge");
        await harness.cluster.patch({ type: Kinds.node, name: "cordoned" }, { spec: { unschedulable: true } }, "merge");
        await harness.settle();
        await pod("picky", { nodeSelector: { zone: "north" }, containers: asking({ cpu: "3", memory: "1Ti" }) });
        expect(await refusal("picky")).toBe(
            "0/4 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 node(s) didn't match Pod's node " +
                "affinity/selector, 1 node(s) had untolerated taint {dedicated: gpu}, 1 node(s) were unschedulable.",
        );
        expect(await harness.events("FailedScheduling")).toHaveLength(1);
    });

    it("fills nodes only up to what they have, init containers and overhead counted, and goes on when pods end", async () => {
        await harness.node("one");
        await pod("a", { containers: asking({ cpu: "500m" }), initContainers: asking({ cpu: "1500m" }) });
        await pod("b", { containers: asking({ cpu: "200m" }), overhead: { cpu: "200m" } });
        await pod("c", { containers: asking({ cpu: "200m" }) });
        expect([await nodeOf("a"), await nodeOf("b"), await nodeOf("c")]).toEqual(["one", "one", undefined]);
        await harness.setPhase("b", "Succeeded");
        expect(await nodeOf("c")).toBe("one");
    });

    it("serves the pod of higher priority first", async () => {
        await pod("low", { priority: 1, containers: asking({ cpu: "2" }) });
        await pod("high", { priority: 10, containers: asking({ cpu: "2" }) });
        await harness.node("one");
        expect([await nodeOf("low"), await nodeOf("high")]).toEqual([undefined, "one"]);
    });

    it("does not give two pods the same host port, and minds protocol and address", async () => {
        await harness.node("one");
        const port = (hostPort: number, more: Record<string, unknown> = {}): unknown[] => [
            { name: "main", image: "w", ports: [{ containerPort: 1, hostPort, ...more }] },
        ];
        await pod("a", { containers: port(80) });
        await pod("b", { containers: port(80) });
        await pod("c", { containers: port(80, { protocol: "UDP" }) });
        await pod("d", { containers: port(80, { hostIP: "10.0.0.9" }) });
        expect([await nodeOf("a"), await nodeOf("b"), await nodeOf("c"), await nodeOf("d")]).toEqual([
            "one",
            undefined,
            "one",
            undefined,
        ]);
        expect(await refusal("b")).toContain("1 node(s) didn't have free ports for the requested pod ports");
    });

    it("adds the node selector and tolerations of a RuntimeClass", async () => {
        await harness.node("cloud");
        await harness.node("edge", { "node-role.kubernetes.io/edge": "" });
        const scheduling = { nodeSelector: { "node-role.kubernetes.io/edge": "" } };
        await harness.put(Kinds.runtimeClass, { metadata: { name: "node-red" }, handler: "node-red", scheduling });
        await pod("flow", { runtimeClassName: "node-red" });
        expect(await nodeOf("flow")).toBe("edge");
    });

    it("understands every operator of node affinity, and terms as alternatives", async () => {
        await harness.node("one", { cores: "8", zone: "a" });
        await harness.node("two", { cores: "2", zone: "b", slow: "" });
        const affinity = (...terms: unknown[]): Record<string, unknown> => ({
            affinity: {
                nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
            },
        });
        const need = (key: string, operator: string, ...values: string[]): unknown => ({
            matchExpressions: [{ key, operator, values }],
        });
        const cases: [string, unknown[], string | undefined][] = [
            ["gt", [need("cores", "Gt", "4")], "one"],
            ["lt", [need("cores", "Lt", "4")], "two"],
            ["in", [need("zone", "In", "b", "c")], "two"],
            ["notin", [need("zone", "NotIn", "b")], "one"],
            ["exists", [need("slow", "Exists")], "two"],
            ["absent", [need("slow", "DoesNotExist")], "one"],
            ["either", [need("zone", "In", "x"), need("zone", "In", "b")], "two"],
            ["field", [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["two"] }] }], "two"],
            ["empty", [{}], undefined],
        ];
        for (const [name, terms, wanted] of cases) {
            await pod(name, affinity(...terms));
            expect([name, await nodeOf(name)]).toEqual([name, wanted]);
        }
    });

    it("keeps to required anti-affinity of pods that are there already", async () => {
        await harness.node("one");
        const term = { labelSelector: { matchLabels: { app: "loud" } }, topologyKey: "kubernetes.io/hostname" };
        await pod("quiet", {
            affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } },
        });
        await pod("loud", {}, { app: "loud" });
        expect(await refusal("loud")).toBe(
            "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
        );
    });

    it("lets the first of a group that wants to be together go anywhere, and the rest follow", async () => {
        await harness.node("one");
        await harness.node("two");
        const term = { labelSelector: { matchLabels: { app: "pack" } }, topologyKey: "kubernetes.io/hostname" };
        const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
        for (const name of ["a", "b", "c"]) await pod(name, { affinity }, { app: "pack" });
        const nodes = new Set([await nodeOf("a"), await nodeOf("b"), await nodeOf("c")]);
        expect([...nodes]).toHaveLength(1);
        expect(nodes.has(undefined)).toBe(false);
    });

    it("keeps within maxSkew of a topology spread constraint", async () => {
        await harness.node("one", { zone: "a" });
        await harness.node("two", { zone: "b" });
        await harness.cluster.patch({ type: Kinds.node, name: "two" }, { spec: { unschedulable: true } }, "merge");
        await harness.settle();
        const labelSelector = { matchLabels: { app: "web" } };
        const constraint = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector };
        for (const name of ["a", "b"]) await pod(name, { topologySpreadConstraints: [constraint] }, { app: "web" });
        expect([await nodeOf("a"), await nodeOf("b")]).toEqual(["one", undefined]);
    });

    it("prefers nodes by weight, and avoids PreferNoSchedule where it can", async () => {
        await harness.node("a");
        await harness.node("b", { disk: "ssd" });
        const taints = [{ key: "old", effect: "PreferNoSchedule" }];
        await harness.cluster.patch({ type: Kinds.node, name: "a" }, { spec: { taints } }, "merge");
        await harness.settle();
        await pod("plain");
        expect(await nodeOf("plain")).toBe("b");
        const preference = { matchExpressions: [{ key: "disk", operator: "DoesNotExist" }] };
        const preferred = [{ weight: 100, preference }];
        const tolerations = [{ key: "old", operator: "Exists" }];
        const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
        await pod("fond", { affinity, tolerations });
        expect(await nodeOf("fond")).toBe("a");
    });

    it("leaves pods of another scheduler, gated ones and bound ones alone", async () => {
        await harness.node("one");
        await pod("other", { schedulerName: "mine" });
        await pod("gated", { schedulingGates: [{ name: "wait" }] });
        expect([await nodeOf("other"), await nodeOf("gated")]).toEqual([undefined, undefined]);
        expect(harness.cluster.writes.filter((write) => write.startsWith("bind"))).toEqual([]);
    });

    it("tries again when binding fails, and tells no success before", async () => {
        await harness.node("one");
        let failures = 2;
        harness.cluster.refuse = (verb) => {
            if (verb === "bind" && failures-- > 0) throw new Error("connection lost");
        };
        await pod("a");
        await harness.clock.advance(1000);
        expect(await nodeOf("a")).toBe("one");
        expect((await harness.events("Scheduled"))[0]?.count).toBe(1);
    });
});
