// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { type Container, type ContainerStatus, isSidecar, type Pod } from "../podspec/types.ts";
import type { ContainerKind, ContainerRecord, PodRecord } from "../runtimes/runtime.ts";

/** One container of the spec beside what the runtime has of it. */
export interface ContainerView {
    readonly container: Container;
    readonly kind: ContainerKind;
    /** The newest start, if it belongs to the sandbox that is up. */
    readonly current?: ContainerRecord;
    /** The start before, for lastState and `kubectl logs --previous`. */
    readonly previous?: ContainerRecord;
    readonly nextAttempt: number;
}

export interface PlannedStart {
    readonly view: ContainerView;
    /** Set when it replaces one that exited: when, for the back-off. */
    readonly exited?: ContainerRecord;
}

export interface Plan {
    readonly views: readonly ContainerView[];
    readonly start: readonly PlannedStart[];
    /** Running with a spec that has changed since. */
    readonly replace: readonly ContainerView[];
    readonly initialized: boolean;
    /** Nothing runs and nothing will be started again. */
    readonly finished?: "Succeeded" | "Failed";
}

/** What makes a container be made anew (Kubernetes 1.32: name and image). */
export function containerHash(container: Container): string {
    return createHash("sha256")
        .update(JSON.stringify([container.name, container.image ?? ""]))
        .digest("hex")
        .slice(0, 16);
}

/** Spec and records side by side, in the order init, containers, ephemeral. */
export function viewsOf(pod: Pod, record: PodRecord | undefined): readonly ContainerView[] {
    const lists: readonly [ContainerKind, readonly Container[], readonly ContainerStatus[]][] = [
        ["init", pod.spec.initContainers ?? [], pod.status?.initContainerStatuses ?? []],
        ["container", pod.spec.containers, pod.status?.containerStatuses ?? []],
        ["ephemeral", pod.spec.ephemeralContainers ?? [], pod.status?.ephemeralContainerStatuses ?? []],
    ];
    return lists.flatMap(([kind, containers, statuses]) =>
        containers.map((container) => {
            const known = (record?.containers ?? [])
                .filter(({ name }) => name === container.name)
                .sort((a, b) => a.attempt - b.attempt);
            const current = known.at(-1);
            const previous = known.at(-2);
            const told = statuses.find(({ name }) => name === container.name);
            const nextAttempt =
                current !== undefined
                    ? current.attempt + (current.state.phase === "created" ? 0 : 1)
                    : told?.containerID
                      ? (told.restartCount ?? 0) + 1
                      : 0;
            return {
                container,
                kind,
                nextAttempt,
                ...(current === undefined ? {} : { current }),
                ...(previous === undefined ? {} : { previous }),
            };
        }),
    );
}

/** What has to happen next. `freshSandbox`: containers of the sandbox before count as gone. `started`: startup probe passed. */
export function planPod(
    pod: Pod,
    views: readonly ContainerView[],
    options: { readonly freshSandbox: boolean; readonly started: (container: string) => boolean },
): Plan {
    const start: PlannedStart[] = [];
    const replace: ContainerView[] = [];
    const policy = pod.spec.restartPolicy ?? "Always";
    const apps = views.filter(({ kind }) => kind === "container");
    const appsBegun = !options.freshSandbox && apps.some(({ current }) => current !== undefined);
    let initialized = true;
    let failed = false;
    for (const view of views.filter(({ kind }) => kind === "init")) {
        const { current } = view;
        const gone =
            current === undefined ||
            current.state.phase === "created" ||
            (options.freshSandbox && current.state.phase === "exited");
        if (isSidecar(view.container)) {
            if (gone) start.push({ view });
            else if (current.state.phase === "exited") start.push({ view, exited: current });
            else if (changed(view)) replace.push(view);
            if (appsBegun) continue;
            if (gone || current.state.phase !== "running" || !options.started(view.container.name)) {
                initialized = false;
                break;
            }
            continue;
        }
        if (appsBegun || (!gone && current.state.phase === "exited" && current.state.exitCode === 0)) continue;
        initialized = false;
        if (gone) start.push({ view });
        else if (current.state.phase === "exited") {
            if (policy === "Never") failed = true;
            else start.push({ view, exited: current });
        }
        break;
    }
    if (initialized) for (const view of apps) planApp(view, policy, options.freshSandbox, start, replace);
    const told = pod.status?.ephemeralContainerStatuses ?? [];
    for (const view of views) {
        // It is started once: what the status knows has had its turn, though the sandbox it ran in is gone.
        const before = told.some(({ name, containerID }) => name === view.container.name && containerID !== undefined);
        const waits = view.current === undefined ? !before : !begun(view);
        if (view.kind === "ephemeral" && waits) start.push({ view });
    }
    const finished = failed ? "Failed" : initialized ? outcome(apps, policy) : undefined;
    if (finished === undefined) return { views, start, replace, initialized };
    return { views, start: [], replace: [], initialized, finished };
}

function planApp(
    view: ContainerView,
    policy: string,
    freshSandbox: boolean,
    start: PlannedStart[],
    replace: ContainerView[],
): void {
    const { current } = view;
    if (current === undefined || current.state.phase === "created") start.push({ view });
    else if (current.state.phase === "exited") {
        const again = policy === "Always" || (policy === "OnFailure" && current.state.exitCode !== 0);
        if (again) start.push(freshSandbox ? { view } : { view, exited: current });
    } else if (changed(view)) replace.push(view);
}

/** A job-like pod ends when all its containers have exited for good. */
function outcome(apps: readonly ContainerView[], policy: string): "Succeeded" | "Failed" | undefined {
    if (policy === "Always") return undefined;
    let failed = false;
    for (const { current } of apps) {
        if (current?.state.phase !== "exited") return undefined;
        if (current.state.exitCode !== 0) {
            if (policy === "OnFailure") return undefined;
            failed = true;
        }
    }
    return failed ? "Failed" : "Succeeded";
}

function begun({ current }: ContainerView): boolean {
    return current !== undefined && current.state.phase !== "created";
}

function changed({ container, current }: ContainerView): boolean {
    return current !== undefined && current.hash !== containerHash(container);
}
