// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, it } from "vitest";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeKubelet } from "../../support/fake-kubelet.ts";
import { Kubectl } from "../../support/kubectl.ts";

export interface Site {
    readonly cluster: KubeClient;
    readonly kubeconfig: string;
    stop(): Promise<void>;
}

interface Listed<T> {
    items: (T & { metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> } })[];
}
interface PodItem {
    spec: { nodeName?: string; containers: { image: string }[] };
    status: { phase: string; conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** The behaviour of workloads that users know from Kubernetes, seen through kubectl; the same for every control plane. */
export function workloadSuite(start: () => Promise<Site>): void {
    let site: Site;
    let kubectl: Kubectl;
    const kubelets: FakeKubelet[] = [];

    beforeAll(async () => {
        site = await start();
        kubectl = new Kubectl(site.kubeconfig);
        for (const name of ["one", "two"]) await addNode(name);
    });

    afterAll(async () => {
        await Promise.all(kubelets.map((kubelet) => kubelet.stop()));
        await site?.stop();
    });

    async function addNode(name: string, labels: Record<string, string> = {}): Promise<FakeKubelet> {
        const kubelet = new FakeKubelet(site.cluster, { name, labels });
        kubelets.push(kubelet);
        await kubelet.start();
        return kubelet;
    }

    let sequence = 0;
    async function freshNamespace(): Promise<string> {
        sequence += 1;
        const name = `suite-${sequence}`;
        await kubectl.run("create", "namespace", name);
        return name;
    }

    const pods = async (namespace: string): Promise<Listed<PodItem>["items"]> =>
        (await kubectl.json<Listed<PodItem>>("-n", namespace, "get", "pods")).items;
    const images = async (namespace: string): Promise<string[]> =>
        (await pods(namespace)).map(({ spec }) => spec.containers[0]?.image ?? "").sort();
    const reach = async <T>(read: () => Promise<T>, wanted: unknown): Promise<void> => {
        await eventually(async () => expect(await read()).toEqual(wanted));
    };
    const events = async (namespace: string, reason: string): Promise<string[]> => {
        const list = await kubectl.json<{ items: { message: string; reason: string }[] }>(
            "-n",
            namespace,
            "get",
            "events",
        );
        return list.items.filter((event) => event.reason === reason).map(({ message }) => message);
    };

    const template = (image: string, spec: Record<string, unknown> = {}): Record<string, unknown> => ({
        metadata: { labels: { app: "web" } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "web", image }], ...spec },
    });
    const selector = { matchLabels: { app: "web" } };
    const deployment = (namespace: string, spec: Record<string, unknown>, image = "web:1"): unknown => ({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web", namespace },
        spec: { selector, template: template(image), ...spec },
    });
    const daemonSet = (namespace: string, spec: Record<string, unknown> = {}, image = "web:1"): unknown => ({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "web", namespace },
        spec: { selector, template: template(image), ...spec },
    });
    const pod = (namespace: string, name: string, spec: Record<string, unknown> = {}): unknown => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image: "web:1" }], ...spec },
    });

    it("rolls a Deployment out, spread over the nodes, and updates, lists and undoes revisions", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 4 }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        // How evenly is a matter of scores; that no node stays empty is not.
        const nodes = new Set((await pods(namespace)).map(({ spec }) => spec.nodeName));
        expect([...nodes].sort()).toEqual(["one", "two"]);
        await kubectl.run("-n", namespace, "set", "image", "deployment/web", "web=web:2");
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:2", "web:2", "web:2", "web:2"]);
        expect(await kubectl.run("-n", namespace, "rollout", "history", "deployment/web")).toMatch(
            /^1 +<none>\n2 +<none>/m,
        );
        await kubectl.run("-n", namespace, "rollout", "undo", "deployment/web");
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:1", "web:1", "web:1", "web:1"]);
        expect(await kubectl.run("-n", namespace, "rollout", "history", "deployment/web")).toMatch(
            /^2 +<none>\n3 +<none>/m,
        );
        expect(await events(namespace, "ScalingReplicaSet")).not.toHaveLength(0);
    });

    it("scales a Deployment up and down", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 1 }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=5");
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await reach(async () => (await pods(namespace)).length, 5);
        await kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=0");
        await reach(async () => (await pods(namespace)).length, 0);
    });

    it("keeps enough pods while a rollout does not work, says so after the deadline, and mends it by undo", async () => {
        const namespace = await freshNamespace();
        const spec = {
            replicas: 4,
            progressDeadlineSeconds: 2,
            strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } },
        };
        await kubectl.apply(deployment(namespace, spec));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("-n", namespace, "set", "image", "deployment/web", "web=never/ready");
        const failed = await kubectl.try(["-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s"]);
        expect(failed.code).toBe(1);
        expect(failed.stderr).toContain("exceeded its progress deadline");
        // The deadline may be over before the controller has done what it can.
        await eventually(async () => {
            const { status } = await kubectl.json<{ status: Record<string, number> }>(
                ...["-n", namespace, "get", "deployment", "web"],
            );
            expect(status).toMatchObject({
                availableReplicas: 3,
                updatedReplicas: 2,
                replicas: 5,
                unavailableReplicas: 2,
            });
        });
        await kubectl.run("-n", namespace, "rollout", "undo", "deployment/web");
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:1", "web:1", "web:1", "web:1"]);
    });

    it("replaces all pods at once with strategy Recreate, and none while paused", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 2, strategy: { type: "Recreate" } }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("-n", namespace, "rollout", "pause", "deployment/web");
        await kubectl.run("-n", namespace, "set", "image", "deployment/web", "web=web:2");
        await kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=3");
        await reach(() => images(namespace), ["web:1", "web:1", "web:1"]);
        await kubectl.run("-n", namespace, "rollout", "resume", "deployment/web");
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:2", "web:2", "web:2"]);
    });

    it("forgets revisions beyond the history limit", async () => {
        const namespace = await freshNamespace();
        for (const image of ["web:1", "web:2", "web:3", "web:4"]) {
            await kubectl.apply(deployment(namespace, { replicas: 1, revisionHistoryLimit: 1 }, image));
            await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        }
        await reach(
            async () => (await kubectl.json<Listed<unknown>>("-n", namespace, "get", "replicasets")).items.length,
            2,
        );
    });

    it("lets a ReplicaSet adopt pods it selects and replaces one that lost its label", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(pod(namespace, "web"));
        await kubectl.apply({
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            metadata: { name: "web", namespace },
            spec: { replicas: 2, selector, template: template("web:1") },
        });
        await reach(async () => (await pods(namespace)).length, 2);
        await kubectl.run("-n", namespace, "label", "pod", "web", "app-");
        await reach(async () => (await pods(namespace)).length, 3);
        const alone = await kubectl.json<{ metadata: { ownerReferences?: unknown } }>(
            "-n",
            namespace,
            "get",
            "pod",
            "web",
        );
        expect(alone.metadata.ownerReferences).toBeUndefined();
    });

    it("runs one DaemonSet pod on every node that fits, follows nodes, updates and undoes", async () => {
        const namespace = await freshNamespace();
        const nodeSelector = { "kubernetes.io/hostname": "two" };
        await kubectl.apply(daemonSet(namespace, { template: template("web:1", { nodeSelector }) }));
        await kubectl.run("-n", namespace, "rollout", "status", "daemonset/web", "--timeout=120s");
        expect((await pods(namespace)).map(({ spec }) => spec.nodeName)).toEqual(["two"]);
        await kubectl.apply(daemonSet(namespace));
        await kubectl.run("-n", namespace, "rollout", "status", "daemonset/web", "--timeout=120s");
        await reach(async () => (await pods(namespace)).map(({ spec }) => spec.nodeName).sort(), ["one", "two"]);
        await kubectl.run("-n", namespace, "set", "image", "daemonset/web", "web=web:2");
        await kubectl.run("-n", namespace, "rollout", "status", "daemonset/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:2", "web:2"]);
        expect(await kubectl.run("-n", namespace, "rollout", "history", "daemonset/web")).toMatch(/^3 +<none>/m);
        await kubectl.run("-n", namespace, "rollout", "undo", "daemonset/web");
        await kubectl.run("-n", namespace, "rollout", "status", "daemonset/web", "--timeout=120s");
        await reach(() => images(namespace), ["web:1", "web:1"]);
    });

    it("leaves the pods of an OnDelete DaemonSet until they are deleted", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(daemonSet(namespace, { updateStrategy: { type: "OnDelete" } }));
        await reach(() => images(namespace), ["web:1", "web:1"]);
        await kubectl.run("-n", namespace, "set", "image", "daemonset/web", "web=web:2");
        await reach(async () => {
            const path = "jsonpath={.status.observedGeneration}";
            return kubectl.run("-n", namespace, "get", "daemonset", "web", "-o", path);
        }, "2");
        expect(await images(namespace)).toEqual(["web:1", "web:1"]);
        const [first] = await pods(namespace);
        await kubectl.run("-n", namespace, "delete", "pod", first?.metadata.name ?? "");
        await reach(() => images(namespace), ["web:1", "web:2"]);
    });

    it("keeps the names of a StatefulSet's pods, updates them from the last and undoes", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply({
            apiVersion: "apps/v1",
            kind: "StatefulSet",
            metadata: { name: "db", namespace },
            spec: { replicas: 2, serviceName: "db", selector, template: template("web:1") },
        });
        await kubectl.run("-n", namespace, "rollout", "status", "statefulset/db", "--timeout=120s");
        await kubectl.run("-n", namespace, "set", "image", "statefulset/db", "web=web:2");
        await kubectl.run("-n", namespace, "rollout", "status", "statefulset/db", "--timeout=120s");
        expect((await pods(namespace)).map(({ metadata }) => metadata.name)).toEqual(["db-0", "db-1"]);
        await reach(() => images(namespace), ["web:2", "web:2"]);
        await kubectl.run("-n", namespace, "rollout", "undo", "statefulset/db");
        await kubectl.run("-n", namespace, "rollout", "status", "statefulset/db", "--timeout=120s");
        await reach(() => images(namespace), ["web:1", "web:1"]);
    });

    it("says why a pod fits nowhere, and places it once it does", async () => {
        const namespace = await freshNamespace();
        const refused = async (name: string): Promise<string> => {
            const found = (await pods(namespace)).find(({ metadata }) => metadata.name === name);
            const condition = found?.status.conditions?.find(({ type }) => type === "PodScheduled");
            return condition?.status === "False" ? (condition.message ?? "") : "";
        };
        await kubectl.apply(
            pod(namespace, "selective", { nodeSelector: { zone: "north" } }),
            pod(namespace, "hungry", {
                containers: [{ name: "main", image: "web:1", resources: { requests: { cpu: "64" } } }],
            }),
        );
        await eventually(async () =>
            expect(await refused("selective")).toMatch(/^0\/2 nodes are available: 2 node\(s\) didn't match/),
        );
        await eventually(async () =>
            expect(await refused("hungry")).toBe("0/2 nodes are available: 2 Insufficient cpu."),
        );
        await eventually(async () =>
            expect((await events(namespace, "FailedScheduling")).length).toBeGreaterThanOrEqual(2),
        );
        await kubectl.run("label", "node", "two", "zone=north");
        await kubectl.run("-n", namespace, "wait", "--for=condition=Ready", "pod/selective", "--timeout=120s");
        await kubectl.run("label", "node", "two", "zone-");
        await eventually(async () => {
            expect(await events(namespace, "Scheduled")).toContain(
                `Successfully assigned ${namespace}/selective to two`,
            );
        });
    });

    it("respects cordons, taints and tolerations", async () => {
        const namespace = await freshNamespace();
        await kubectl.run("cordon", "one");
        await kubectl.run("taint", "node", "two", "only=me:NoSchedule");
        try {
            await kubectl.apply(
                pod(namespace, "plain"),
                pod(namespace, "tolerant", { tolerations: [{ key: "only", operator: "Exists" }] }),
            );
            await kubectl.run("-n", namespace, "wait", "--for=condition=Ready", "pod/tolerant", "--timeout=120s");
            await reach(async () => (await pods(namespace)).map(({ spec }) => spec.nodeName), [undefined, "two"]);
            await kubectl.run("uncordon", "one");
            await kubectl.run("-n", namespace, "wait", "--for=condition=Ready", "pod/plain", "--timeout=120s");
        } finally {
            await kubectl.try(["uncordon", "one"]);
            await kubectl.run("taint", "node", "two", "only-");
        }
    });

    it("keeps pods apart and together by affinity", async () => {
        const namespace = await freshNamespace();
        const term = (app: string): unknown => [
            { labelSelector: { matchLabels: { app } }, topologyKey: "kubernetes.io/hostname" },
        ];
        const required = "requiredDuringSchedulingIgnoredDuringExecution";
        await kubectl.apply(pod(namespace, "first"));
        await kubectl.run("-n", namespace, "wait", "--for=condition=Ready", "pod/first", "--timeout=120s");
        await kubectl.apply(
            pod(namespace, "near", { affinity: { podAffinity: { [required]: term("first") } } }),
            pod(namespace, "far", { affinity: { podAntiAffinity: { [required]: term("first") } } }),
        );
        await kubectl.run("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s");
        const where = Object.fromEntries(
            (await pods(namespace)).map(({ metadata, spec }) => [metadata.name, spec.nodeName]),
        );
        expect(where["near"]).toBe(where["first"]);
        expect(where["far"]).not.toBe(where["first"]);
    });

    const job = (namespace: string, spec: Record<string, unknown>, image = "ends/ok"): unknown => ({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "work", namespace },
        spec: { template: template(image, { restartPolicy: "Never" }), ...spec },
    });
    const count = async (namespace: string, kind: string): Promise<number> =>
        (await kubectl.json<Listed<unknown>>("-n", namespace, "get", kind)).items.length;

    it("runs a Job to completion, and removes it when its time is over", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(job(namespace, { completions: 3, parallelism: 2 }));
        await kubectl.run("-n", namespace, "wait", "--for=condition=Complete", "job/work", "--timeout=120s");
        const { status } = await kubectl.json<{ status: Record<string, unknown> }>(
            "-n",
            namespace,
            "get",
            "job",
            "work",
        );
        expect(status).toMatchObject({
            succeeded: 3,
            startTime: expect.any(String),
            completionTime: expect.any(String),
        });
        expect(await count(namespace, "pods")).toBe(3);
        await kubectl.run("-n", namespace, "delete", "job", "work");
        await reach(() => count(namespace, "pods"), 0);
    });

    it("fails a Job that fails too often", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(job(namespace, { backoffLimit: 0 }, "ends/badly"));
        await kubectl.run("-n", namespace, "wait", "--for=condition=Failed", "job/work", "--timeout=120s");
        const { status } = await kubectl.json<{ status: { failed: number; conditions: { reason: string }[] } }>(
            ...["-n", namespace, "get", "job", "work"],
        );
        expect(status.failed).toBe(1);
        expect(status.conditions[0]?.reason).toBe("BackoffLimitExceeded");
    });

    it("deletes what a deleted owner leaves: in the background, in the foreground, or not at all", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 2 }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("-n", namespace, "delete", "deployment", "web", "--cascade=orphan");
        expect(await count(namespace, "replicasets")).toBe(1);
        expect(await count(namespace, "pods")).toBe(2);
        await kubectl.apply(deployment(namespace, { replicas: 2 }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        expect(await count(namespace, "replicasets")).toBe(1);
        await kubectl.run("-n", namespace, "delete", "deployment", "web", "--cascade=foreground", "--timeout=120s");
        expect(await count(namespace, "replicasets")).toBe(0);
        expect(await count(namespace, "pods")).toBe(0);
        await kubectl.apply(deployment(namespace, { replicas: 2 }));
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("-n", namespace, "delete", "deployment", "web");
        await reach(async () => [await count(namespace, "replicasets"), await count(namespace, "pods")], [0, 0]);
    });

    it("empties a namespace before it goes", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 2 }), {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "settings", namespace },
        });
        await kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s");
        await kubectl.run("delete", "namespace", namespace, "--timeout=120s");
        const { items } = await kubectl.json<Listed<unknown>>("get", "configmaps,pods,replicasets", "--all-namespaces");
        expect(items.filter((item) => JSON.stringify(item).includes(`"${namespace}"`))).toEqual([]);
    });

    it("lists the addresses of ready pods behind a Service", async () => {
        const namespace = await freshNamespace();
        await kubectl.apply(deployment(namespace, { replicas: 2 }), {
            apiVersion: "v1",
            kind: "Service",
            metadata: { name: "web", namespace },
            spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
        });
        await eventually(async () => {
            const { subsets } = await kubectl.json<{ subsets: { addresses: unknown[]; ports: unknown[] }[] }>(
                ...["-n", namespace, "get", "endpoints", "web"],
            );
            expect(subsets).toHaveLength(1);
            expect(subsets[0]?.addresses).toHaveLength(2);
            expect(subsets[0]?.ports).toEqual([{ port: 8080, protocol: "TCP" }]);
        });
    });

    it("gives every namespace a service account and the cluster's CA", async () => {
        const namespace = await freshNamespace();
        await eventually(() => kubectl.run("-n", namespace, "get", "serviceaccount", "default"));
        const ca = await eventually(() =>
            kubectl.run("-n", namespace, "get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"),
        );
        expect(ca).toContain("BEGIN CERTIFICATE");
    });
}
