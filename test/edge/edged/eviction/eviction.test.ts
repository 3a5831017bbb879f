// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FlowRuntime } from "../../../../src/edge/edged/index.ts";
import type { Pod } from "../../../../src/edge/edged/podspec/types.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { FakeFlowHost } from "../fake-flow-host.ts";
import { FakeMachine } from "../fake-machine.ts";
import { configMap, flowPod, type Gateway, NODE, removeTempDirs, startGateway, testPorts, until } from "../harness.ts";

const MIB = 2 ** 20;
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);
const running: Gateway[] = [];

afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
    await removeTempDirs();
});

/** A gateway whose flows use what the test says. */
async function gateway(more: Partial<Parameters<typeof startGateway>[0]> = {}) {
    const host = new FakeFlowHost();
    const machine = new FakeMachine();
    const started = await startGateway({
        runtimes: (rootDir, store) => [new FlowRuntime({ ...testPorts, store, host, logDir: join(rootDir, "logs") })],
        machine,
        ...more,
        config: {
            evictionHard: "memory.available<100Mi,nodefs.available<10%,pid.available<1%",
            evictionPressureTransitionSeconds: 0,
            ...more.config,
        },
    });
    running.push(started);
    await until(() => started.cloud.objects.get(`null/node/${NODE}`), "node registered");
    return { ...started, host, machine };
}

type Started = Awaited<ReturnType<typeof gateway>>;

async function run({ cloud, host }: Started, name: string, memoryBytes: number, spec: Partial<Pod["spec"]> = {}) {
    host.memoryBytes.set(name, memoryBytes);
    cloud.put(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "flow.json": FLOW }));
    const made = flowPod(name);
    cloud.apply(`default/pod/${name}`, { ...made, spec: { ...made.spec, ...spec } });
    await until(() => cloud.status(`default/pod/${name}`)?.phase === "Running" || undefined, `${name} running`);
}

function condition(node: KubeObject | undefined, type: string): string | undefined {
    const { conditions } = (node?.["status"] ?? {}) as { conditions?: { type: string; status: string }[] };
    return conditions?.find((one) => one.type === type)?.status;
}

describe("a node short of memory", () => {
    it("ends the pod that is furthest over its request, says why, and leaves the others", async () => {
        const started = await gateway();
        const { cloud, edged, machine, host } = started;
        await run(started, "small", 10 * MIB);
        await run(started, "big", 500 * MIB);
        machine.memoryAvailableBytes = 50 * MIB;
        await edged.eviction.look();
        const told = await until(() => {
            const status = cloud.status("default/pod/big");
            return status?.phase === "Failed" ? status : undefined;
        }, "big evicted");
        expect(told.reason).toBe("Evicted");
        expect(told.message).toContain("The node was low on resource: memory. Threshold quantity: 104857600 (100Mi)");
        expect(told.conditions?.find(({ type }) => type === "DisruptionTarget")).toMatchObject({
            status: "True",
            reason: "TerminationByKubelet",
        });
        expect(cloud.status("default/pod/small")?.phase).toBe("Running");
        expect([...host.units.values()].map(({ pod }) => pod)).toEqual(["small"]);
        const event = cloud.events.find(({ reason }) => reason === "Evicted");
        expect(event).toMatchObject({ type: "Warning", involvedObject: { kind: "Pod", name: "big" } });
        expect(cloud.events.some(({ reason }) => reason === "EvictionThresholdMet")).toBe(true);
    });

    it("says so in its conditions at once, and takes it back when the pressure is gone", async () => {
        const started = await gateway();
        const { cloud, edged, machine } = started;
        const memory = (): string | undefined => condition(cloud.objects.get(`null/node/${NODE}`), "MemoryPressure");
        expect(memory()).toBe("False");
        machine.memoryAvailableBytes = 50 * MIB;
        await edged.eviction.look();
        await until(() => memory() === "True" || undefined, "MemoryPressure True");
        machine.memoryAvailableBytes = 500 * MIB;
        await edged.eviction.look();
        await until(() => memory() === "False" || undefined, "MemoryPressure False");
    });

    it("takes pods that asked for memory, and no BestEffort ones", async () => {
        const started = await gateway();
        const { cloud, edged, machine } = started;
        machine.memoryAvailableBytes = 50 * MIB;
        await edged.eviction.look();
        cloud.apply("default/pod/greedy", flowPod("greedy"));
        const refused = await until(() => {
            const status = cloud.status("default/pod/greedy");
            return status?.phase === "Failed" ? status : undefined;
        }, "greedy refused");
        expect(refused).toMatchObject({ reason: "Evicted", message: "The node had condition: [MemoryPressure]." });
        cloud.put("default/configmap/modest-flow", configMap("modest-flow", { "flow.json": FLOW }));
        cloud.apply("default/pod/modest", flowPod("modest", { resources: { requests: { memory: "1Mi" } } }));
        await until(() => cloud.status("default/pod/modest")?.phase === "Running" || undefined, "modest running");
    });

    it("evicts nobody while a soft threshold's grace period lasts, and gives the pod time after it", async () => {
        const started = await gateway({
            config: {
                evictionHard: "memory.available<0%",
                evictionSoft: "memory.available<300Mi",
                evictionSoftGracePeriod: "memory.available=1h",
            },
        });
        const { cloud, edged, machine } = started;
        await run(started, "web", 500 * MIB);
        machine.memoryAvailableBytes = 200 * MIB;
        await edged.eviction.look();
        expect(cloud.status("default/pod/web")?.phase).toBe("Running");
        expect(edged.eviction.pressures.size).toBe(0);
    });

    it("leaves a critical pod alone", async () => {
        const started = await gateway();
        await run(started, "critical", 900 * MIB, { priority: 2_000_001_000 });
        started.machine.memoryAvailableBytes = 1;
        await started.edged.eviction.look();
        expect(started.cloud.status("default/pod/critical")?.phase).toBe("Running");
        expect(started.host.units.size).toBe(1);
    });

    it("keeps an evicted pod's status over a restart, and does not run it again", async () => {
        const store = new MemoryStore();
        const first = await gateway({ store });
        await run(first, "web", 500 * MIB);
        first.machine.memoryAvailableBytes = 1;
        await first.edged.eviction.look();
        await until(() => first.cloud.status("default/pod/web")?.phase === "Failed" || undefined, "evicted");
        await first.stop();
        const second = await gateway({ store, cloud: first.cloud, rootDir: first.rootDir });
        const worker = await until(() => second.edged.pods.find("default", "web"), "known again");
        await until(() => worker.pod.status?.reason === "Evicted" || undefined, "still evicted");
        expect(second.host.units.size).toBe(0);
    });
});

describe("a node short of disk or process ids", () => {
    it("ends the pod that wrote most", async () => {
        const started = await gateway();
        const { cloud, edged, machine, rootDir } = started;
        const volumes = [
            { name: "flow", configMap: { name: "writer-flow" } },
            { name: "work", emptyDir: {} },
        ];
        await run(started, "other", MIB);
        await run(started, "writer", MIB, { volumes });
        const worker = edged.pods.find("default", "writer");
        writeFileSync(join(rootDir, "pods", worker?.uid ?? "", "volumes/work/data"), Buffer.alloc(MIB, 1));
        machine.diskFreeBytes = 2 ** 30;
        await edged.eviction.look();
        await until(() => cloud.status("default/pod/writer")?.phase === "Failed" || undefined, "writer evicted");
        expect(cloud.status("default/pod/writer")?.message).toContain("low on resource: ephemeral-storage");
        expect(cloud.status("default/pod/other")?.phase).toBe("Running");
        await until(
            () => condition(cloud.objects.get(`null/node/${NODE}`), "DiskPressure") === "True" || undefined,
            "told",
        );
    });

    it("says PIDPressure", async () => {
        const { edged, machine, cloud } = await gateway();
        machine.processes = 995;
        await edged.eviction.look();
        await until(
            () => condition(cloud.objects.get(`null/node/${NODE}`), "PIDPressure") === "True" || undefined,
            "told",
        );
    });

    it("ends a pod whose emptyDir has outgrown its sizeLimit, pressure or not", async () => {
        const started = await gateway();
        const { cloud, edged, rootDir } = started;
        const volumes = [
            { name: "flow", configMap: { name: "writer-flow" } },
            { name: "work", emptyDir: { sizeLimit: "256Ki" } },
        ];
        await run(started, "writer", MIB, { volumes });
        const dir = join(rootDir, "pods", edged.pods.find("default", "writer")?.uid ?? "", "volumes/work");
        writeFileSync(join(dir, "little"), Buffer.alloc(64 * 1024, 1));
        await edged.eviction.look();
        expect(cloud.status("default/pod/writer")?.phase).toBe("Running");
        mkdirSync(join(dir, "deep"));
        writeFileSync(join(dir, "deep/much"), Buffer.alloc(512 * 1024, 1));
        await edged.eviction.look();
        await until(() => cloud.status("default/pod/writer")?.phase === "Failed" || undefined, "writer evicted");
        expect(cloud.status("default/pod/writer")).toMatchObject({
            reason: "Evicted",
            message: 'Usage of EmptyDir volume "work" exceeds the limit "256Ki".',
        });
        expect(edged.eviction.pressures.size).toBe(0);
    });
});
