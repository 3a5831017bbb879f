// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Timer } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Informer } from "../../src/kube/client/informer.ts";
import { isConflict, isNotFound } from "../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";

export interface FakeNode {
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
    readonly allocatable?: Record<string, string>;
}

const HEARTBEAT_MS = 5000;

/**
 * A node without containers: pods bound to it are Running and Ready at once, those with an image "never/..." never
 * become ready, "ends/ok" ones succeed and "ends/badly" ones fail. For tests of scheduling and controllers.
 */
export class FakeKubelet {
    readonly #cluster: KubeClient;
    readonly #node: FakeNode;
    readonly #pods: Informer<KubeObject>;
    #heartbeat: Timer | undefined;
    readonly #work = new Set<Promise<void>>();
    #stopped = false;

    constructor(cluster: KubeClient, node: FakeNode) {
        this.#cluster = cluster;
        this.#node = node;
        const query = { type: Kinds.pod, fieldSelector: `spec.nodeName=${node.name}` };
        this.#pods = new Informer({ cluster, query }, { clock: systemClock, random: Math.random });
    }

    async start(): Promise<void> {
        const { name, labels = {}, taints, allocatable = { cpu: "4", memory: "8Gi", pods: "110" } } = this.#node;
        await this.#cluster.create(Kinds.node, {
            apiVersion: "v1",
            kind: "Node",
            metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
            spec: taints === undefined ? {} : { taints },
        });
        const status = { allocatable, capacity: allocatable };
        await this.#patchNode({ status: { ...status, conditions: [ready()] } });
        this.#beat();
        this.#pods.on("add", (pod) => this.#run(pod));
        this.#pods.on("update", (pod) => this.#run(pod));
        await this.#pods.start();
    }

    /** Goes away as a machine does that loses its power. */
    async stop(): Promise<void> {
        this.#stopped = true;
        this.#heartbeat?.cancel();
        await this.#pods.stop();
        await Promise.all(this.#work);
    }

    async #patchNode(patch: unknown): Promise<void> {
        const reference = { type: Kinds.node, name: this.#node.name };
        await this.#cluster.patch(reference, patch, "strategic", { subresource: "status" });
    }

    #beat(): void {
        this.#heartbeat = systemClock.after(HEARTBEAT_MS, () => {
            if (this.#stopped) return;
            this.#keep(this.#patchNode({ status: { conditions: [ready()] } }));
            this.#beat();
        });
    }

    #run(pod: KubeObject): void {
        this.#keep(this.#bring(pod));
    }

    async #bring(pod: KubeObject): Promise<void> {
        const reference = { type: Kinds.pod, namespace: pod.metadata.namespace, name: pod.metadata.name };
        if (pod.metadata.deletionTimestamp !== undefined) {
            await this.#cluster.delete(reference, { gracePeriodSeconds: 0, uid: pod.metadata.uid });
            return;
        }
        const { phase } = (pod["status"] ?? {}) as { phase?: string };
        if (phase !== undefined && phase !== "Pending") return;
        const { containers } = pod["spec"] as { containers: { name: string; image: string }[] };
        const images = containers.map(({ image }) => image);
        if (images.some((image) => image.startsWith("never/"))) return;
        const status = images.includes("ends/ok")
            ? { phase: "Succeeded" }
            : images.includes("ends/badly")
              ? { phase: "Failed" }
              : running(containers);
        await this.#cluster.patch(reference, { status }, "strategic", { subresource: "status" });
    }

    #keep(work: Promise<void>): void {
        const done = work
            .catch((failure: unknown) => {
                if (!this.#stopped && !isNotFound(failure) && !isConflict(failure)) throw failure;
            })
            .finally(() => this.#work.delete(done));
        this.#work.add(done);
    }
}

function ready(): Record<string, string> {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    return { type: "Ready", status: "True", reason: "KubeletReady", message: "", lastHeartbeatTime: now };
}

let addresses = 0;

function running(containers: readonly { name: string; image: string }[]): Record<string, unknown> {
    addresses += 1;
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const conditions = ["Initialized", "Ready", "ContainersReady"].map((type) => ({
        type,
        status: "True",
        lastTransitionTime: now,
    }));
    const podIP = `10.1.${addresses >> 8}.${addresses & 255}`;
    return {
        phase: "Running",
        podIP,
        podIPs: [{ ip: podIP }],
        startTime: now,
        conditions,
        containerStatuses: containers.map(({ name, image }) => ({
            name,
            image,
            imageID: "",
            ready: true,
            restartCount: 0,
            state: { running: { startedAt: now } },
        })),
    };
}
