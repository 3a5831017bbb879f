// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { isSidecar, type Pod } from "../podspec/types.ts";
import { runHandler } from "../probes/handlers.ts";
import type { PodRecord, PodRuntime } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
import { type ContainerView, viewsOf } from "./plan.ts";
import { hostOf } from "./starter.ts";
import { containerSubject } from "./subject.ts";

/** Seconds the pod may take to end: what the deletion says, else what the spec says. */
export function terminationGrace(pod: Pod): number {
    return pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}

/** Stops everything that runs: containers first, all at once, then sidecars in reverse order. Removes nothing. */
export async function stopPod(
    deps: WorkerDeps,
    runtime: PodRuntime,
    pod: Pod,
    record: PodRecord,
    graceSeconds: number,
): Promise<void> {
    const running = viewsOf(pod, record).filter(({ current }) => current?.state.phase === "running");
    const sidecars = running.filter(({ kind, container }) => kind === "init" && isSidecar(container));
    const others = running.filter((view) => !sidecars.includes(view));
    const untilMs = deps.clock.monotonicMs() + graceSeconds * 1000;
    await Promise.all(others.map((view) => stopOne(deps, runtime, pod, record, view, graceSeconds)));
    for (const view of sidecars.reverse()) {
        const leftSeconds = Math.max(0, Math.ceil((untilMs - deps.clock.monotonicMs()) / 1000));
        await stopOne(deps, runtime, pod, record, view, Math.max(leftSeconds, Math.min(2, graceSeconds)));
    }
}

/** Shortens stops that are under way. */
export function stopSooner(
    runtime: PodRuntime,
    record: PodRecord | undefined,
    graceSeconds: number,
    log: Logger,
): void {
    for (const { id, state } of record?.containers ?? []) {
        if (state.phase !== "running") continue;
        runtime.stopContainer(id, graceSeconds).catch((thrown: unknown) => {
            log.debug("container was gone before it could be stopped sooner", { id, error: thrown });
        });
    }
}

/** preStop hook, then TERM, then KILL, all within the grace period. `why`: what the event says. */
export async function stopOne(
    deps: WorkerDeps,
    runtime: PodRuntime,
    pod: Pod,
    record: PodRecord,
    view: ContainerView,
    graceSeconds: number,
    why = `Stopping container ${view.container.name}`,
): Promise<void> {
    const { container, current, kind } = view;
    if (current === undefined) return;
    deps.events.record(containerSubject(pod, container, kind), "Normal", "Killing", why);
    const beganMs = deps.clock.monotonicMs();
    const hook = container.lifecycle?.preStop;
    if (hook !== undefined && graceSeconds > 0) {
        const target = { runtime, container, containerId: current.id, host: hostOf(pod, record.sandbox) };
        const failure = await preStop(deps, target, hook, graceSeconds);
        if (failure !== undefined) {
            const about = containerSubject(pod, container, kind);
            deps.events.record(about, "Warning", "FailedPreStopHook", `PreStopHook failed: ${failure}`);
        }
    }
    const usedSeconds = (deps.clock.monotonicMs() - beganMs) / 1000;
    const left = Math.max(hook === undefined ? 0 : Math.min(2, graceSeconds), Math.ceil(graceSeconds - usedSeconds));
    await runtime.stopContainer(current.id, left);
}

async function preStop(
    deps: WorkerDeps,
    target: Parameters<typeof runHandler>[0],
    hook: Parameters<typeof runHandler>[1],
    graceSeconds: number,
): Promise<string | undefined> {
    if (hook.sleep !== undefined) {
        const waitMs = Math.min(hook.sleep.seconds, graceSeconds) * 1000;
        await new Promise<void>((resolve) => deps.clock.after(waitMs, resolve));
        return undefined;
    }
    return runHandler(target, hook, graceSeconds * 1000).catch((thrown: unknown) => errorText(thrown));
}
