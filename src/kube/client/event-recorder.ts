// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../core/clock.ts";
import type { Component, Ports } from "../../core/component.ts";
import { errorText, isRedgeError } from "../../core/errors/redge-error.ts";
import { Kinds, type KubeObject } from "../types.ts";
import { Backoff } from "./backoff.ts";
import type { KubeClient } from "./client.ts";
import { EventCorrelator, type EventText, type Occurrence } from "./event-correlator.ts";
import { isNotFound } from "./status-error.ts";

export interface EventRecorderConfig {
    readonly cluster: KubeClient;
    /** Who reports, e.g. "daemonset-controller"; shown in the FROM column. */
    readonly component: string;
    /** The node it runs on, for components of a node. */
    readonly host?: string | undefined;
}

/** What an event is about; `fieldPath` names a part of it, e.g. "spec.containers{web}". */
export type Regarding = Pick<KubeObject, "apiVersion" | "kind" | "metadata"> & { readonly fieldPath?: string };

export type EventRecorderPorts = Pick<Ports, "clock" | "log" | "random">;

const QUEUE_LIMIT = 1000;
const ATTEMPTS = 12;

/**
 * Writes core/v1 Events as Kubernetes' own components do: the same happening again raises the count of its Event, many
 * similar ones are combined, and one object cannot flood the cluster. Never fails its caller: an event that cannot be
 * written is retried, then dropped and logged.
 */
export class EventRecorder implements Component {
    readonly #config: EventRecorderConfig;
    readonly #ports: EventRecorderPorts;
    readonly #correlator: EventCorrelator;
    readonly #queue: Occurrence[] = [];
    readonly #stopped = new AbortController();
    #writing = false;

    constructor(config: EventRecorderConfig, ports: EventRecorderPorts) {
        this.#config = config;
        this.#ports = ports;
        this.#correlator = new EventCorrelator(config, ports.clock);
    }

    /** Nothing to start: events are taken from the beginning. */
    async start(): Promise<void> {}

    async stop(): Promise<void> {
        this.#stopped.abort();
        this.#queue.length = 0;
    }

    /** Reports that something happened; returns at once. */
    record(regarding: Regarding, type: EventText["type"], reason: string, message: string): void {
        if (this.#stopped.signal.aborted) return;
        const occurrence = this.#correlator.note(regarding, { type, reason, message });
        if (occurrence === undefined) return;
        if (this.#queue.length >= QUEUE_LIMIT) {
            this.#queue.shift();
            this.#ports.log.warn("too many events wait for the API server; the oldest was dropped");
        }
        this.#queue.push(occurrence);
        if (!this.#writing) void this.#drain();
    }

    async #drain(): Promise<void> {
        this.#writing = true;
        for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await this.#persist(next);
        this.#writing = false;
    }

    async #persist(occurrence: Occurrence): Promise<void> {
        const backoff = new Backoff(this.#ports.random);
        const { signal } = this.#stopped;
        while (!signal.aborted) {
            try {
                await this.#write(occurrence);
                return;
            } catch (failure) {
                const pointless = !isRedgeError(failure, "REDGE_KUBE_UNREACHABLE") || backoff.failures >= ATTEMPTS;
                if (pointless) {
                    this.#ports.log.debug("an event was not written", { reason: errorText(failure) });
                    return;
                }
                await sleep(this.#ports.clock, backoff.nextMs(), signal);
            }
        }
    }

    async #write({ event, repeated }: Occurrence): Promise<void> {
        const { cluster } = this.#config;
        if (repeated) {
            const { namespace, name } = event.metadata;
            const { count, message, lastTimestamp } = event;
            try {
                await cluster.patch({ type: Kinds.event, namespace, name }, { count, message, lastTimestamp }, "merge");
                return;
            } catch (failure) {
                // Its hour was over; it begins anew.
                if (!isNotFound(failure)) throw failure;
            }
        }
        await cluster.create(Kinds.event, event);
    }
}
