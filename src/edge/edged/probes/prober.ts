// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import type { Container, Pod, Probe } from "../podspec/types.ts";
import type { ContainerRecord } from "../runtimes/runtime.ts";
import { ProbeLoop } from "./probe-loop.ts";

export type ProbeKind = "liveness" | "readiness" | "startup";

export interface ProberPorts {
    readonly clock: Clock;
    readonly random: () => number;
    /** Tries a probe on a running container: undefined when it succeeded, else why not. */
    readonly attempt: (
        container: Container,
        containerId: string,
        probe: Probe,
        timeoutMs: number,
    ) => Promise<string | undefined>;
    /** Readiness or start-up changed: the status has to be computed again. */
    readonly changed: () => void;
    /** A try failed. */
    readonly failed: (container: Container, kind: ProbeKind, message: string) => void;
    /** Liveness or startup failed for good: the container has to be killed. Its probes rest until it is another one. */
    readonly dead: (container: Container, containerId: string, kind: "liveness" | "startup") => void;
}

interface Watched {
    readonly id: string;
    ready: boolean;
    started: boolean;
    loops: ProbeLoop[];
}

/** The probes of one pod's containers. Liveness and readiness wait for the startup probe, as in Kubernetes. */
export class Prober {
    readonly #ports: ProberPorts;
    readonly #watched = new Map<string, Watched>();

    constructor(ports: ProberPorts) {
        this.#ports = ports;
    }

    /** Starts the probes of containers that run, stops those of containers that do not. */
    follow(pod: Pod, running: readonly { readonly container: Container; readonly record: ContainerRecord }[]): void {
        for (const [name, watched] of this.#watched) {
            if (!running.some(({ record }) => record.name === name && record.id === watched.id)) this.#drop(name);
        }
        for (const { container, record } of running) {
            if (!this.#watched.has(container.name)) this.#begin(pod, container, record);
        }
    }

    ready(name: string): boolean {
        return this.#watched.get(name)?.ready ?? false;
    }

    started(name: string): boolean {
        return this.#watched.get(name)?.started ?? false;
    }

    stop(): void {
        for (const name of [...this.#watched.keys()]) this.#drop(name);
    }

    #drop(name: string): void {
        for (const loop of this.#watched.get(name)?.loops ?? []) loop.stop();
        this.#watched.delete(name);
    }

    #begin(pod: Pod, container: Container, record: ContainerRecord): void {
        const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
        // After a restart of the gateway an adopted container goes on as it was; probes correct it when they must.
        const told = statuses.find(({ name, containerID }) => name === record.name && containerID?.endsWith(record.id));
        const watched: Watched = {
            id: record.id,
            started: container.startupProbe === undefined || told?.started === true,
            ready: container.readinessProbe === undefined || told?.ready === true,
            loops: [],
        };
        if (container.startupProbe !== undefined && !watched.started) watched.ready = false;
        this.#watched.set(container.name, watched);
        if (watched.started) this.#afterStart(container, watched, told !== undefined);
        else if (container.startupProbe !== undefined) {
            this.#loop(container, watched, "startup", container.startupProbe, false, (healthy) => {
                if (!healthy || watched.started) return;
                watched.started = true;
                for (const loop of watched.loops) loop.stop();
                watched.ready = container.readinessProbe === undefined;
                this.#afterStart(container, watched, false);
                this.#ports.changed();
            });
        }
    }

    #afterStart(container: Container, watched: Watched, adopted: boolean): void {
        if (container.livenessProbe !== undefined) {
            this.#loop(container, watched, "liveness", container.livenessProbe, adopted, () => {});
        }
        if (container.readinessProbe !== undefined) {
            this.#loop(container, watched, "readiness", container.readinessProbe, adopted, (healthy) => {
                if (watched.ready === healthy) return;
                watched.ready = healthy;
                this.#ports.changed();
            });
        }
    }

    #loop(
        container: Container,
        watched: Watched,
        kind: ProbeKind,
        probe: Probe,
        spread: boolean,
        told: (healthy: boolean) => void,
    ): void {
        const attempt = (spec: Probe, timeoutMs: number): Promise<string | undefined> =>
            this.#ports.attempt(container, watched.id, spec, timeoutMs);
        const loop = new ProbeLoop(probe, this.#ports.clock, attempt, ({ failure, decided }) => {
            if (failure !== undefined) this.#ports.failed(container, kind, failure);
            if (!decided) return;
            told(failure === undefined);
            if (failure === undefined || kind === "readiness") return;
            for (const each of watched.loops) each.stop();
            this.#ports.dead(container, watched.id, kind);
        });
        watched.loops.push(loop);
        loop.start(spread ? this.#ports.random() * (probe.periodSeconds ?? 10) * 1000 : 0);
    }
}
