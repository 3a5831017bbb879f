// SPDX-License-Identifier: Apache-2.0
import type { Container, Pod, Probe } from "../podspec/types.ts";
import { tryProbe } from "../probes/handlers.ts";
import { Prober } from "../probes/prober.ts";
import type { PodRecord, PodRuntime } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
import { graceOf, hostOf } from "./starter.ts";
import { containerSubject } from "./subject.ts";

/** The pod as its worker knows it when a probe is due, and what the worker does about the outcome. */
export interface ProbedPod {
    readonly pod: () => Pod;
    readonly runtime: () => PodRuntime | undefined;
    readonly record: () => PodRecord | undefined;
    readonly changed: () => void;
    /** A container has to be restarted. */
    readonly kill: (name: string, containerId: string, why: string, graceSeconds: number) => void;
}

/** A prober of one pod's containers that reports failures as the kubelet's `Unhealthy` events. */
export function podProber(deps: WorkerDeps, probed: ProbedPod): Prober {
    return new Prober({
        clock: deps.clock,
        random: deps.random,
        changed: probed.changed,
        attempt: (container, containerId, probe, timeoutMs) => {
            const runtime = probed.runtime();
            if (runtime === undefined) return Promise.resolve("no runtime");
            const host = hostOf(probed.pod(), probed.record()?.sandbox);
            return tryProbe({ runtime, container, containerId, host }, probe, timeoutMs);
        },
        failed: (container, kind, message) => {
            const about = containerSubject(probed.pod(), container, "container");
            const name = `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
            deps.events.record(about, "Warning", "Unhealthy", `${name} probe failed: ${message}`);
        },
        dead: (container, containerId, kind) => {
            const grace = graceOf(probed.pod(), probeOf(container, kind));
            probed.kill(container.name, containerId, `failed ${kind} probe`, grace);
        },
    });
}

function probeOf(container: Container, kind: "liveness" | "startup"): Probe | undefined {
    return kind === "liveness" ? container.livenessProbe : container.startupProbe;
}
