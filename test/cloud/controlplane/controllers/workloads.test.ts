// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ControllerKinds } from "../../../../src/cloud/controlplane/objects/types.ts";
import { StatusError } from "../../../../src/kube/rest/status.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../../src/kube/types.ts";
import { Harness, type PodView, selector, template } from "./harness.ts";

let harness: Harness;
beforeEach(async () => {
    harness = await new Harness().start();
    for (const name of ["one", "two", "three"]) await harness.node(name);
});
afterEach(() => harness.stop());

const change = async (type: ResourceType, name: string, patch: unknown): Promise<void> => {
    await harness.cluster.patch({ type, namespace: "default", name }, patch, "merge");
    await harness.settle();
};
const images = async (): Promise<string[]> =>
    (await harness.pods())
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ spec }) => spec.containers[0]?.image ?? "")
        .sort();
const status = async (type: ResourceType, name: string): Promise<Record<string, unknown>> =>
    ((await harness.get(type, name))?.["status"] ?? {}) as Record<string, unknown>;
const condition = async (
    type: ResourceType,
    name: string,
    wanted: string,
): Promise<Record<string, unknown> | undefined> => {
    const { conditions = [] } = (await status(type, name)) as { conditions?: Record<string, unknown>[] };
    return conditions.find((one) => one["type"] === wanted);
};
const isNew = (pod: PodView): boolean => pod.spec.containers[0]?.image === "web:2";

describe("ReplicaSetController", () => {
    it("makes exactly as many pods as wished, though its cache lags behind", async () => {
        await harness.put(Kinds.replicaSet, {
            metadata: { name: "web" },
            spec: { replicas: 7, selector, template: template() },
        });
        await harness.kubelets();
        expect(await harness.pods()).toHaveLength(7);
        expect(harness.cluster.writes.filter((write) => write.startsWith("create pods"))).toHaveLength(7);
        expect(await status(Kinds.replicaSet, "web")).toMatchObject({
            replicas: 7,
            readyReplicas: 7,
            availableReplicas: 7,
        });
    });

    it("replaces a failed pod, and deletes the youngest unready ones first", async () => {
        await harness.put(Kinds.replicaSet, {
            metadata: { name: "web" },
            spec: { replicas: 3, selector, template: template() },
        });
        const [unready] = await harness.pods();
        await harness.kubelets((pod) => pod.metadata.name === unready?.metadata.name);
        await change(Kinds.replicaSet, "web", { spec: { replicas: 2 } });
        await harness.kubelets((pod) => pod.metadata.name === unready?.metadata.name);
        const left = (await harness.pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
        expect(left).toHaveLength(2);
        expect(left.map(({ metadata }) => metadata.name)).not.toContain(unready?.metadata.name);
        await harness.setPhase(left[0]?.metadata.name ?? "", "Failed");
        await harness.kubelets();
        expect((await harness.pods()).filter(({ status }) => status?.phase === "Running")).toHaveLength(2);
    });

    it("says why pods cannot be made, waits longer each time, and goes on when they can", async () => {
        harness.cluster.refuse = (verb, type) => {
            if (verb === "create" && type.plural === "pods") throw new StatusError(403, "Forbidden", "exceeded quota");
        };
        await harness.put(Kinds.replicaSet, {
            metadata: { name: "web" },
            spec: { replicas: 3, selector, template: template() },
        });
        expect(await condition(Kinds.replicaSet, "web", "ReplicaFailure")).toMatchObject({
            reason: "FailedCreate",
            message: "exceeded quota",
        });
        expect((await harness.events("FailedCreate"))[0]?.message).toBe("Error creating: exceeded quota");
        harness.cluster.refuse = undefined;
        await harness.clock.advance(60_000);
        await harness.kubelets();
        expect(await harness.pods()).toHaveLength(3);
        expect(await condition(Kinds.replicaSet, "web", "ReplicaFailure")).toBeUndefined();
    });

    it("counts pods as available only after minReadySeconds", async () => {
        const spec = { replicas: 1, minReadySeconds: 30, selector, template: template() };
        await harness.put(Kinds.replicaSet, { metadata: { name: "web" }, spec });
        await harness.kubelets();
        expect((await status(Kinds.replicaSet, "web"))["availableReplicas"]).toBeUndefined();
        await harness.clock.advance(31_000);
        expect((await status(Kinds.replicaSet, "web"))["availableReplicas"]).toBe(1);
    });
});

describe("DeploymentController", () => {
    const deploy = (spec: Record<string, unknown>): Promise<KubeObject> =>
        harness.put(Kinds.deployment, { metadata: { name: "web" }, spec: { selector, template: template(), ...spec } });

    it("never has fewer available or more pods in all than the strategy allows", async () => {
        await deploy({
            replicas: 4,
            strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
        });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:2") } });
        for (let step = 0; step < 20; step += 1) {
            const pods = (await harness.pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
            expect(pods.length).toBeLessThanOrEqual(5);
            const ready = pods.filter(({ status: of }) => of?.phase === "Running");
            expect(ready.length).toBeGreaterThanOrEqual(3);
            let started = 0;
            await harness.kubelets((pod) => pod.metadata.deletionTimestamp === undefined && started++ > 0);
        }
        await harness.kubelets();
        expect(await images()).toEqual(["web:2", "web:2", "web:2", "web:2"]);
        expect(await status(Kinds.deployment, "web")).toMatchObject({
            updatedReplicas: 4,
            availableReplicas: 4,
            replicas: 4,
        });
        expect(await condition(Kinds.deployment, "web", "Progressing")).toMatchObject({
            reason: "NewReplicaSetAvailable",
        });
    });

    it("numbers revisions, and a rollback takes the old ReplicaSet with a new number", async () => {
        await deploy({ replicas: 1 });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:2") } });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:1") } });
        await harness.kubelets();
        const sets = await harness.list(Kinds.replicaSet);
        expect(sets).toHaveLength(2);
        const revisions = sets
            .map(({ metadata }) => metadata.annotations?.["deployment.kubernetes.io/revision"])
            .sort();
        expect(revisions).toEqual(["2", "3"]);
        const deployment = await harness.get(Kinds.deployment, "web");
        expect(deployment?.metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("3");
        expect(
            sets.some(({ metadata }) => metadata.annotations?.["deployment.kubernetes.io/revision-history"] === "1"),
        ).toBe(true);
    });

    it("reports a rollout that got stuck, once its deadline is over", async () => {
        await deploy({ replicas: 2, progressDeadlineSeconds: 60 });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:2") } });
        await harness.kubelets(isNew);
        const nodesReport = async (): Promise<void> => {
            for (const name of ["one", "two", "three"]) await harness.heartbeat(name);
        };
        await nodesReport();
        await harness.clock.advance(30_000);
        await nodesReport();
        await harness.clock.advance(20_000);
        expect(await condition(Kinds.deployment, "web", "Progressing")).toMatchObject({ status: "True" });
        await nodesReport();
        await harness.clock.advance(20_000);
        expect(await condition(Kinds.deployment, "web", "Progressing")).toMatchObject({
            status: "False",
            reason: "ProgressDeadlineExceeded",
        });
    });

    it("keeps the shares of old and new when it is resized in the middle of a rollout", async () => {
        await deploy({
            replicas: 10,
            strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
        });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:2") } });
        await harness.kubelets(isNew);
        const before = await images();
        expect([before.filter((image) => image === "web:1").length, before.length]).toEqual([8, 13]);
        await change(Kinds.deployment, "web", { spec: { replicas: 15 } });
        await harness.kubelets(isNew);
        const after = await images();
        // 18 = 15 + surge, split 8 to 5 as before: the example of the Kubernetes documentation.
        expect([after.filter((image) => image === "web:1").length, after.length]).toEqual([11, 18]);
    });

    it("starts no new pod of a Recreate rollout before the last old one is gone", async () => {
        await deploy({ replicas: 2, strategy: { type: "Recreate" } });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { template: template("web:2") } });
        await harness.settle();
        expect((await harness.pods()).map(({ spec }) => spec.containers[0]?.image)).toEqual(["web:1", "web:1"]);
        await harness.kubelets();
        expect(await images()).toEqual(["web:2", "web:2"]);
    });

    it("does not roll out while paused", async () => {
        await deploy({ replicas: 2 });
        await harness.kubelets();
        await change(Kinds.deployment, "web", { spec: { paused: true, template: template("web:2") } });
        await harness.kubelets();
        expect(await images()).toEqual(["web:1", "web:1"]);
        expect(await condition(Kinds.deployment, "web", "Progressing")).toMatchObject({
            status: "Unknown",
            reason: "DeploymentPaused",
        });
        await change(Kinds.deployment, "web", { spec: { paused: null } });
        await harness.kubelets();
        expect(await images()).toEqual(["web:2", "web:2"]);
    });
});

describe("DaemonSetController", () => {
    const daemon = (spec: Record<string, unknown> = {}): Promise<KubeObject> =>
        harness.put(Kinds.daemonSet, { metadata: { name: "web" }, spec: { selector, template: template(), ...spec } });

    it("puts one pod on every node, also on one that comes later, with the daemon tolerations", async () => {
        await daemon();
        await harness.kubelets();
        await harness.node("four");
        await harness.kubelets();
        const pods = await harness.pods();
        expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(["four", "one", "three", "two"]);
        expect(pods[0]?.spec.tolerations?.map(({ key }) => key)).toContain("node.kubernetes.io/unreachable");
        expect(await status(Kinds.daemonSet, "web")).toMatchObject({
            desiredNumberScheduled: 4,
            currentNumberScheduled: 4,
            numberReady: 4,
            numberAvailable: 4,
            updatedNumberScheduled: 4,
            numberMisscheduled: 0,
        });
    });

    it("leaves out the nodes that the RuntimeClass of its pods rules out", async () => {
        const scheduling = { nodeSelector: { "edge.redge.io/flows": "true" } };
        await harness.put(Kinds.runtimeClass, { metadata: { name: "node-red" }, handler: "node-red", scheduling });
        await change(Kinds.node, "two", { metadata: { labels: scheduling.nodeSelector } });
        await daemon({ template: template("web:1", { runtimeClassName: "node-red" }) });
        await harness.kubelets();
        expect((await harness.pods()).map(({ spec }) => spec.nodeName)).toEqual(["two"]);
        expect(await status(Kinds.daemonSet, "web")).toMatchObject({ desiredNumberScheduled: 1 });
        await change(Kinds.runtimeClass, "node-red", { scheduling: null });
        await harness.kubelets();
        expect((await harness.pods()).map(({ spec }) => spec.nodeName).sort()).toEqual(["one", "three", "two"]);
    });

    it("misses at most maxUnavailable pods during an update, and surges with maxSurge", async () => {
        await daemon({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } } });
        await harness.kubelets();
        await change(Kinds.daemonSet, "web", { spec: { template: template("web:2") } });
        await harness.kubelets(isNew);
        expect(await images()).toEqual(["web:1", "web:1", "web:2"]);
        await harness.kubelets();
        expect(await images()).toEqual(["web:2", "web:2", "web:2"]);
        const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
        await change(Kinds.daemonSet, "web", {
            spec: { updateStrategy: { type: "RollingUpdate", rollingUpdate }, template: template("web:3") },
        });
        await harness.kubelets((pod) => pod.spec.containers[0]?.image === "web:3");
        expect(await images()).toEqual(["web:2", "web:2", "web:2", "web:3"]);
        await harness.kubelets();
        expect(await images()).toEqual(["web:3", "web:3", "web:3"]);
    });

    it("keeps revisions that kubectl can undo to, and forgets those beyond the limit", async () => {
        await daemon({ revisionHistoryLimit: 1 });
        for (const image of ["web:2", "web:3", "web:4"]) {
            await harness.kubelets();
            await change(Kinds.daemonSet, "web", { spec: { template: template(image) } });
        }
        await harness.kubelets();
        const revisions = (await harness.list(ControllerKinds.controllerRevision)) as unknown as {
            revision: number;
            data: { spec: { template: { $patch: string; spec: { containers: { image: string }[] } } } };
        }[];
        expect(revisions.map(({ revision }) => revision).sort()).toEqual([3, 4]);
        const newest = revisions.find(({ revision }) => revision === 4)?.data.spec.template;
        expect(newest).toMatchObject({ $patch: "replace", spec: { containers: [{ image: "web:4" }] } });
    });

    it("removes its pod from a node that is tainted NoExecute, and leaves it where only scheduling stopped", async () => {
        await daemon();
        await harness.kubelets();
        const taint = (effect: string): unknown => ({ spec: { taints: [{ key: "mine", effect }] } });
        await harness.cluster.patch({ type: Kinds.node, name: "one" }, taint("NoSchedule"), "merge");
        await harness.cluster.patch({ type: Kinds.node, name: "two" }, taint("NoExecute"), "merge");
        await harness.kubelets();
        expect((await harness.pods()).map(({ spec }) => spec.nodeName).sort()).toEqual(["one", "three"]);
        expect(await status(Kinds.daemonSet, "web")).toMatchObject({
            desiredNumberScheduled: 1,
            numberMisscheduled: 1,
        });
    });

    it("replaces a failed daemon pod, waiting longer each time", async () => {
        await daemon({ template: template("web:1", { nodeSelector: { "kubernetes.io/hostname": "one" } }) });
        const failOnce = async (): Promise<void> => {
            await harness.kubelets();
            const [pod] = await harness.pods();
            await harness.setPhase(pod?.metadata.name ?? "", "Failed");
            await harness.kubelets();
        };
        await failOnce();
        expect((await harness.pods())[0]?.status?.phase).toBe("Running");
        await failOnce();
        await harness.clock.advance(1000);
        await harness.kubelets();
        expect((await harness.pods())[0]?.status?.phase).toBe("Running");
        expect((await harness.events("FailedDaemonPod")).length).toBeGreaterThanOrEqual(2);
    });
});

describe("JobController", () => {
    const run = (spec: Record<string, unknown>): Promise<KubeObject> =>
        harness.put(ControllerKinds.job, {
            metadata: { name: "work" },
            spec: { template: template("work:1", { restartPolicy: "Never" }), ...spec },
        });
    const end = async (phase: string): Promise<void> => {
        for (const { metadata, status: of } of await harness.pods()) {
            if (of?.phase === undefined || of.phase === "Running") await harness.setPhase(metadata.name, phase);
        }
    };

    it("runs as many at a time as wished until enough have succeeded", async () => {
        await run({ completions: 3, parallelism: 2 });
        expect(await harness.pods()).toHaveLength(2);
        await end("Succeeded");
        expect(await harness.pods()).toHaveLength(3);
        await end("Succeeded");
        expect(await condition(ControllerKinds.job, "work", "Complete")).toMatchObject({ status: "True" });
        expect(await status(ControllerKinds.job, "work")).toMatchObject({
            succeeded: 3,
            completionTime: expect.any(String),
        });
    });

    it("tries again after 10 s, 20 s ..., and gives up beyond backoffLimit", async () => {
        await run({ backoffLimit: 1 });
        await end("Failed");
        expect(await harness.pods()).toHaveLength(1);
        await harness.clock.advance(11_000);
        expect(await harness.pods()).toHaveLength(2);
        await end("Failed");
        expect(await condition(ControllerKinds.job, "work", "Failed")).toMatchObject({
            reason: "BackoffLimitExceeded",
        });
    });

    it("stops at activeDeadlineSeconds and disappears ttlSecondsAfterFinished later", async () => {
        await run({ activeDeadlineSeconds: 20, ttlSecondsAfterFinished: 100 });
        await harness.clock.advance(21_000);
        expect(await condition(ControllerKinds.job, "work", "Failed")).toMatchObject({ reason: "DeadlineExceeded" });
        await harness.kubelets();
        expect(await harness.pods()).toHaveLength(0);
        await harness.clock.advance(101_000);
        await harness.settle();
        expect(await harness.get(ControllerKinds.job, "work")).toBeUndefined();
    });

    it("has no pods while suspended", async () => {
        await run({ suspend: true });
        expect(await harness.pods()).toHaveLength(0);
        expect(await condition(ControllerKinds.job, "work", "Suspended")).toMatchObject({ status: "True" });
        await change(ControllerKinds.job, "work", { spec: { suspend: false } });
        expect(await harness.pods()).toHaveLength(1);
    });
});

describe("StatefulSetController", () => {
    const names = async (): Promise<string[]> => (await harness.pods()).map(({ metadata }) => metadata.name).sort();
    const type = ControllerKinds.statefulSet;
    const put = (spec: Record<string, unknown> = {}): Promise<KubeObject> =>
        harness.put(type, {
            metadata: { name: "db" },
            spec: { replicas: 3, serviceName: "db", selector, template: template(), ...spec },
        });

    it("makes its pods one after the other, each once the one before is ready, and takes the last away first", async () => {
        await put();
        expect(await names()).toEqual(["db-0"]);
        await harness.kubelets((pod) => pod.metadata.name === "db-1");
        expect(await names()).toEqual(["db-0", "db-1"]);
        await harness.kubelets();
        expect(await names()).toEqual(["db-0", "db-1", "db-2"]);
        const [first] = await harness.pods();
        expect(first?.spec).toMatchObject({ hostname: "db-0", subdomain: "db" });
        expect(first?.metadata.labels).toMatchObject({ "statefulset.kubernetes.io/pod-name": "db-0" });
        await change(type, "db", { spec: { replicas: 1 } });
        expect(
            (await harness.pods())
                .filter(({ metadata }) => metadata.deletionTimestamp)
                .map(({ metadata }) => metadata.name),
        ).toEqual(["db-2"]);
        await harness.kubelets();
        expect(await names()).toEqual(["db-0"]);
    });

    it("replaces a failed pod under the same name, and makes all at once when they do not mind", async () => {
        await put({ podManagementPolicy: "Parallel" });
        expect(await names()).toEqual(["db-0", "db-1", "db-2"]);
        await harness.kubelets();
        await harness.setPhase("db-1", "Failed");
        await harness.kubelets();
        expect(await names()).toEqual(["db-0", "db-1", "db-2"]);
        expect((await harness.pods()).every((pod) => pod.status?.phase === "Running")).toBe(true);
    });

    it("updates from the highest ordinal down to the partition, and waits for each", async () => {
        await put();
        await harness.kubelets();
        const rollingUpdate = { partition: 1 };
        await change(type, "db", { spec: { template: template("web:2"), updateStrategy: { rollingUpdate } } });
        await harness.kubelets(isNew);
        expect(await images()).toEqual(["web:1", "web:1", "web:2"]);
        await harness.kubelets();
        expect(await images()).toEqual(["web:1", "web:2", "web:2"]);
        const before = await status(type, "db");
        expect(before).toMatchObject({ updatedReplicas: 2, currentReplicas: 1, readyReplicas: 3 });
        expect(before["currentRevision"]).not.toBe(before["updateRevision"]);
        await harness.cluster.delete(
            { type: Kinds.pod, namespace: "default", name: "db-0" },
            { gracePeriodSeconds: 0 },
        );
        await harness.kubelets();
        expect(await images()).toEqual(["web:1", "web:2", "web:2"]);
        await change(type, "db", { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } });
        await harness.kubelets();
        expect(await images()).toEqual(["web:2", "web:2", "web:2"]);
        const after = await status(type, "db");
        expect(after["currentRevision"]).toBe(after["updateRevision"]);
    });

    it("gives every pod claims of its own, which outlive it", async () => {
        const claims = [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"] } }];
        await put({ replicas: 2, volumeClaimTemplates: claims });
        await harness.kubelets();
        const [first] = (await harness.pods()) as unknown as { spec: { volumes: unknown[] } }[];
        expect(first?.spec.volumes).toEqual([{ name: "data", persistentVolumeClaim: { claimName: "data-db-0" } }]);
        await change(type, "db", { spec: { replicas: 0 } });
        await harness.kubelets();
        const kept = (await harness.list(ControllerKinds.persistentVolumeClaim)).map(({ metadata }) => metadata.name);
        expect(kept).toEqual(["data-db-0", "data-db-1"]);
    });
});
