// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "../../../core/log.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { parsePod } from "../podspec/types.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
import { PodWorker } from "./worker.ts";

export interface PodManagerPorts {
    readonly log: Logger;
    readonly nodeName: string;
    readonly runtimes: readonly PodRuntime[];
    readonly deps: (finished: (podUid: string) => void) => WorkerDeps;
}

/** All pods of this node, one worker each. */
export class PodManager {
    readonly #ports: PodManagerPorts;
    readonly #deps: WorkerDeps;
    readonly #workers = new Map<string, PodWorker>();
    readonly #stopListening: (() => void)[] = [];
    #listed = false;
    #stopped = false;

    constructor(ports: PodManagerPorts) {
        this.#ports = ports;
        this.#deps = ports.deps((uid) => this.#finished(uid));
    }

    start(): void {
        for (const runtime of this.#ports.runtimes) this.#listen(runtime);
    }

    /** An engine has come that was not there at the start: pods may have waited for it, and it may hold what nobody owns. */
    follow(runtime: PodRuntime): void {
        this.#listen(runtime);
        this.#changed(runtime, undefined);
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        for (const stop of this.#stopListening) stop();
        await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    }

    get workers(): readonly PodWorker[] {
        return [...this.#workers.values()];
    }

    find(namespace: string, name: string): PodWorker | undefined {
        return this.workers.find(({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name);
    }

    /** A pod as it should be. Pods of other nodes are not ours. */
    apply(object: KubeObject): void {
        const pod = parsePod(object);
        if (pod.spec.nodeName !== this.#ports.nodeName) return;
        const known = this.#workers.get(pod.metadata.uid);
        if (known !== undefined) {
            known.update(pod);
            return;
        }
        const older = this.find(pod.metadata.namespace, pod.metadata.name);
        older?.remove();
        const worker = new PodWorker(pod, this.#deps);
        this.#workers.set(pod.metadata.uid, worker);
        worker.wake();
    }

    /** The API server has deleted it. */
    remove(object: KubeObject): void {
        const { uid, namespace, name } = object.metadata;
        const worker = uid === undefined ? this.find(namespace ?? "", name) : this.#workers.get(uid);
        worker?.remove();
    }

    /** Every pod there is has been applied: what runs beside them belongs to nobody. */
    async listed(): Promise<void> {
        this.#listed = true;
        await Promise.all(this.#ports.runtimes.map((runtime) => this.#sweepOf(runtime)));
        for (const uid of await this.#deps.volumes.podUids()) {
            if (!this.#workers.has(uid)) await this.#deps.volumes.remove(uid);
        }
    }

    /** A ConfigMap, Secret or RuntimeClass has changed: whoever may use it looks again. */
    objectChanged(type: string, namespace: string, name: string): void {
        const needle = JSON.stringify(name);
        for (const worker of this.#workers.values()) {
            const local = type === "runtimeclass" || worker.pod.metadata.namespace === namespace;
            if (local && JSON.stringify(worker.pod.spec).includes(needle)) worker.wake();
        }
    }

    linkUp(): void {
        for (const worker of this.#workers.values()) worker.linkUp();
    }

    #finished(uid: string): void {
        const worker = this.#workers.get(uid);
        this.#workers.delete(uid);
        worker?.stop().catch((thrown: unknown) => this.#ports.log.error("worker did not end", { error: thrown }));
    }

    #listen(runtime: PodRuntime): void {
        this.#stopListening.push(runtime.onChange((podUid) => this.#changed(runtime, podUid)));
    }

    #changed(runtime: PodRuntime, podUid: string | undefined): void {
        if (podUid !== undefined) {
            this.#workers.get(podUid)?.wake();
            return;
        }
        for (const worker of this.#workers.values()) worker.wake();
        void this.#sweepOf(runtime);
    }

    async #sweepOf(runtime: PodRuntime): Promise<void> {
        if (!this.#listed || this.#stopped) return;
        try {
            for (const { pod } of await runtime.list()) {
                if (this.#workers.has(pod.uid)) continue;
                this.#ports.log.info("removing what no pod owns", {
                    pod: `${pod.namespace}/${pod.name}`,
                    uid: pod.uid,
                });
                await runtime.removePod(pod.uid);
            }
        } catch (thrown) {
            this.#ports.log.warn("could not look for what no pod owns", { runtime: runtime.name, error: thrown });
        }
    }
}
