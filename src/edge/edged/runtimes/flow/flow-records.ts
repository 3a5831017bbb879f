// SPDX-License-Identifier: Apache-2.0
import type { DocumentStore } from "../../../../store/store.ts";
import type { ContainerKind, PodRecord, PodRef, RunState } from "../runtime.ts";

export interface FlowContainer {
    readonly id: string;
    readonly name: string;
    readonly kind: ContainerKind;
    readonly attempt: number;
    readonly hash: string;
    readonly image: string;
    readonly state: RunState;
    readonly terminationMessageFile?: string;
}

export interface FlowPod {
    readonly pod: PodRef;
    readonly createdMs: number;
    readonly containers: readonly FlowContainer[];
}

/** Newest attempts kept of each container, as a container engine would keep its dead containers. */
const KEPT_ATTEMPTS = 2;

/** What a flow runtime knows of its pods, on disk, so that a restart of the gateway changes nothing about them. */
export class FlowRecords {
    readonly #store: DocumentStore;
    readonly #pods = new Map<string, FlowPod>();

    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /** Reads all. What ran before is `created` now: present, to be taken up again under the same attempt. */
    async load(): Promise<void> {
        this.#pods.clear();
        for (const { key, value } of await this.#store.scan<FlowPod>("")) {
            this.#pods.set(key, { ...value, containers: value.containers.map(interrupted) });
        }
    }

    get(podUid: string): FlowPod | undefined {
        return this.#pods.get(podUid);
    }

    all(): readonly FlowPod[] {
        return [...this.#pods.values()];
    }

    find(containerId: string): { readonly pod: FlowPod; readonly container: FlowContainer } | undefined {
        for (const pod of this.#pods.values()) {
            const container = pod.containers.find(({ id }) => id === containerId);
            if (container !== undefined) return { pod, container };
        }
        return undefined;
    }

    async put(pod: FlowPod): Promise<void> {
        this.#pods.set(pod.pod.uid, pod);
        await this.#store.write([{ op: "put", key: pod.pod.uid, value: pod }]);
    }

    /** Adds or replaces one container; attempts beyond the kept ones are dropped and returned. */
    async putContainer(podUid: string, container: FlowContainer): Promise<readonly FlowContainer[]> {
        const pod = this.#pods.get(podUid);
        if (pod === undefined) return [];
        const others = pod.containers.filter(({ id }) => id !== container.id);
        const all = [...others, container];
        const same = all.filter(({ name }) => name === container.name).sort((a, b) => b.attempt - a.attempt);
        const dropped = same.slice(KEPT_ATTEMPTS);
        await this.put({ ...pod, containers: all.filter((one) => !dropped.includes(one)) });
        return dropped;
    }

    async setState(containerId: string, state: RunState): Promise<void> {
        const found = this.find(containerId);
        if (found !== undefined) await this.putContainer(found.pod.pod.uid, { ...found.container, state });
    }

    async remove(podUid: string): Promise<void> {
        this.#pods.delete(podUid);
        await this.#store.write([{ op: "delete", key: podUid }]);
    }
}

/** As the pod worker sees it. A flow needs no sandbox: it is on the gateway's network. */
export function toPodRecord(pod: FlowPod, ips: readonly string[]): PodRecord {
    return {
        pod: pod.pod,
        sandbox: { id: pod.pod.uid, ready: true, ips, createdMs: pod.createdMs },
        containers: pod.containers.map((container) => ({ ...container, pod: pod.pod, imageId: container.image })),
    };
}

function interrupted(container: FlowContainer): FlowContainer {
    if (container.state.phase !== "running") return container;
    return { ...container, state: { phase: "created", startedMs: container.state.startedMs } };
}
