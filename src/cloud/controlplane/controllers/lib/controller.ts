// SPDX-License-Identifier: Apache-2.0
import type { Component } from "../../../../core/component.ts";
import type { Regarding } from "../../../../kube/client/event-recorder.ts";
import { EventRecorder } from "../../../../kube/client/event-recorder.ts";
import type { Informer } from "../../../../kube/client/informer.ts";
import type { KubeObject } from "../../../../kube/types.ts";
import type { Caches, ControlPorts } from "./caches.ts";
import { WorkQueue } from "./work-queue.ts";

/**
 * News of a set's pods are gathered for so long before it is looked at: a thousand pods that become ready one by one
 * cost some fifty looks, not a thousand.
 */
export const GATHER_MS = 20;

/** `namespace/name`, or the name alone. */
export function keyOf(object: KubeObject): string {
    const { namespace, name } = object.metadata;
    return namespace === undefined ? name : `${namespace}/${name}`;
}

export function splitKey(key: string): { namespace: string | undefined; name: string } {
    const slash = key.indexOf("/");
    if (slash < 0) return { namespace: undefined, name: key };
    return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * One control loop. `watch` adds keys to the queue when something changes, `reconcile` brings the object of a key to
 * its wished state. `watch` runs before the caches fill and the queue works after, so that nothing is missed and
 * nothing is decided on half a picture.
 */
export abstract class Controller implements Component {
    protected readonly ports: ControlPorts;
    protected readonly caches: Caches;
    protected readonly queue: WorkQueue;
    protected readonly events: EventRecorder;
    readonly #listening: (() => void)[] = [];

    constructor(name: string, caches: Caches, ports: ControlPorts) {
        this.caches = caches;
        this.ports = { ...ports, log: ports.log.child({ controller: name }) };
        this.queue = new WorkQueue((key) => this.reconcile(key), this.ports);
        this.events = new EventRecorder({ cluster: ports.cluster, component: name }, this.ports);
    }

    /** Listens to the caches. To be called before they start. */
    protected abstract watch(): void;

    protected abstract reconcile(key: string): Promise<void>;

    /** Listens; the work begins with `run`. */
    async start(): Promise<void> {
        this.watch();
    }

    /** The caches are complete: begins to work. */
    async run(): Promise<void> {
        await this.queue.start();
    }

    async stop(): Promise<void> {
        for (const off of this.#listening.splice(0)) off();
        await this.queue.stop();
        await this.events.stop();
    }

    protected get nowMs(): number {
        return this.ports.clock.nowMs();
    }

    /** Calls `listener` for every object that appears, changes or goes (then with `gone` set). */
    protected follow<T extends KubeObject>(
        informer: Informer<T>,
        listener: (object: T, previous: T | undefined, gone: boolean) => void,
    ): void {
        this.#listening.push(
            informer.on("add", (object) => listener(object, undefined, false)),
            informer.on("update", (object, previous) => listener(object, previous, false)),
            informer.on("delete", (object) => listener(object, undefined, true)),
        );
    }

    protected normal(about: Regarding, reason: string, message: string): void {
        this.events.record(about, "Normal", reason, message);
    }

    protected warning(about: Regarding, reason: string, message: string): void {
        this.events.record(about, "Warning", reason, message);
    }
}
