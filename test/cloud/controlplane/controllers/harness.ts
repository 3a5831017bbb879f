// SPDX-License-Identifier: Apache-2.0
import { ControlPlaneControllers } from "../../../../src/cloud/controlplane/controllers/index.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { isNotFound } from "../../../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../../src/kube/types.ts";
import { MemoryCluster } from "../../../support/memory-cluster.ts";

/** All controllers over a cluster in memory and a clock that moves when told to. */
export class Harness {
    readonly clock = new ManualClock();
    readonly cluster = new MemoryCluster(this.clock);
    readonly #controllers: ControlPlaneControllers;

    constructor() {
        const ports = { clock: this.clock, log: silentLogger, metrics: noMetrics, random: () => 0 };
        this.#controllers = new ControlPlaneControllers({ caPem: "CA" }, { ...ports, cluster: this.cluster });
    }

    async start(): Promise<this> {
        await this.#controllers.start();
        await this.settle();
        return this;
    }

    stop(): Promise<void> {
        return this.#controllers.stop();
    }

    /** Lets the controllers finish what they can without time passing, but for the shortest retries. */
    async settle(): Promise<void> {
        let writes = -1;
        while (writes !== this.cluster.writes.length) {
            writes = this.cluster.writes.length;
            for (let turn = 0; turn < 6; turn += 1) await this.clock.advance(50);
        }
    }

    async put(type: ResourceType, object: Omit<KubeObject, "apiVersion" | "kind">): Promise<KubeObject> {
        const apiVersion = type.group === "" ? type.version : `${type.group}/${type.version}`;
        const namespace = type.namespaced ? { namespace: "default" } : {};
        const { metadata, ...rest } = object as unknown as { metadata: KubeObject["metadata"] };
        const whole = { apiVersion, kind: type.kind, metadata: { ...namespace, ...metadata }, ...rest };
        const created = await this.cluster.create(type, whole);
        await this.settle();
        return created;
    }

    async node(name: string, labels: Record<string, string> = {}, more: Record<string, unknown> = {}): Promise<void> {
        await this.put(Kinds.node, {
            metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
            spec: {},
            status: {
                allocatable: { cpu: "2", memory: "4Gi", pods: "20" },
                conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: this.now() }],
            },
            ...more,
        });
    }

    /** The node reports in. */
    async heartbeat(name: string): Promise<void> {
        const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: this.now() }];
        const options = { subresource: "status" };
        await this.cluster.patch({ type: Kinds.node, name }, { status: { conditions } }, "strategic", options);
        await this.settle();
    }

    async get(type: ResourceType, name: string, namespace = "default"): Promise<KubeObject | undefined> {
        try {
            return await this.cluster.get({ type, namespace: type.namespaced ? namespace : undefined, name });
        } catch (failure) {
            if (isNotFound(failure)) return undefined;
            throw failure;
        }
    }

    async list(type: ResourceType): Promise<readonly KubeObject[]> {
        return (await this.cluster.list({ type })).items;
    }

    async pods(): Promise<readonly PodView[]> {
        return (await this.list(Kinds.pod)) as unknown as readonly PodView[];
    }

    /** What kubelets would do: bound pods become ready, deleted ones go. */
    async kubelets(unless: (pod: PodView) => boolean = () => false): Promise<void> {
        for (let changed = true; changed; ) {
            changed = false;
            await this.settle();
            for (const pod of await this.pods()) {
                const ref = { type: Kinds.pod, namespace: pod.metadata.namespace, name: pod.metadata.name };
                if (unless(pod)) continue;
                if (pod.metadata.deletionTimestamp !== undefined) {
                    await this.cluster.delete(ref, { gracePeriodSeconds: 0 });
                    changed = true;
                } else if (pod.spec.nodeName !== undefined && pod.status?.phase === undefined) {
                    const conditions = [{ type: "Ready", status: "True", lastTransitionTime: this.now() }];
                    const status = { phase: "Running", podIP: "10.0.0.1", conditions };
                    await this.cluster.patch(ref, { status }, "strategic", { subresource: "status" });
                    changed = true;
                }
            }
        }
        await this.settle();
    }

    async setPhase(name: string, phase: string): Promise<void> {
        const ref = { type: Kinds.pod, namespace: "default", name };
        await this.cluster.patch(ref, { status: { phase } }, "merge", { subresource: "status" });
        await this.settle();
    }

    async events(reason: string): Promise<{ message: string; count: number }[]> {
        const events = (await this.list(Kinds.event)) as unknown as {
            reason: string;
            message: string;
            count: number;
        }[];
        return events.filter((event) => event.reason === reason).map(({ message, count }) => ({ message, count }));
    }

    now(): string {
        return new Date(this.clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    }
}

export interface PodView {
    metadata: KubeObject["metadata"];
    spec: { nodeName?: string; containers: { image: string }[]; tolerations?: { key: string }[] };
    status?: { phase?: string; conditions?: { type: string; status: string; message?: string }[] };
}

export const template = (image = "web:1", spec: Record<string, unknown> = {}): Record<string, unknown> => ({
    metadata: { labels: { app: "web" } },
    spec: { containers: [{ name: "web", image }], ...spec },
});
export const selector = { matchLabels: { app: "web" } };
