// SPDX-License-Identifier: Apache-2.0
import { qosClass } from "../podspec/qos.ts";
import {
    type Condition,
    type Container,
    type ContainerState,
    type ContainerStatus,
    isSidecar,
    type Pod,
    type PodStatus,
    type StateWaiting,
    type VolumeMountStatus,
} from "../podspec/types.ts";
import type { ContainerRecord } from "../runtimes/runtime.ts";
import type { ContainerView, Plan } from "./plan.ts";

export interface StatusInput {
    readonly pod: Pod;
    readonly nowMs: number;
    /** When the node took the pod up. */
    readonly seenMs: number;
    readonly runtimeName: string;
    readonly plan: Plan | undefined;
    readonly views: readonly ContainerView[];
    readonly sandboxReady: boolean;
    readonly podIps: readonly string[];
    readonly hostIps: readonly string[];
    /** Why a container that should run does not, by container name. */
    readonly waiting: ReadonlyMap<string, StateWaiting>;
    readonly ready: (container: string) => boolean;
    readonly started: (container: string) => boolean;
    /** Termination messages by container id. */
    readonly messages: ReadonlyMap<string, string>;
    /** Ends the pod whatever its containers say: refused at admission, deadline exceeded, evicted. */
    readonly failure?: { readonly reason: string; readonly message: string };
    /** All containers have been stopped because the pod is being deleted. */
    readonly terminated: boolean;
}

/** RFC 3339 with seconds, as metav1.Time. */
export function timeText(ms: number): string {
    return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The whole status of a pod from what is observed. Pure: the same input gives the same status. */
export function podStatus(input: StatusInput): PodStatus {
    const { pod, views, plan } = input;
    const statuses = views.map((view) => ({ view, status: containerStatus(view, input) }));
    const of = (kind: string): ContainerStatus[] =>
        statuses.filter(({ view }) => view.kind === kind).map(({ status }) => status);
    const phase = podPhase(input, of("container"));
    const ended = phase === "Succeeded" || phase === "Failed";
    const initialized = plan?.initialized === true || ended;
    const [podIp] = input.podIps;
    const [hostIp] = input.hostIps;
    const init = of("init");
    const ephemeral = of("ephemeral");
    const incomplete = statuses.filter(({ view, status }) => view.kind === "init" && !initDone(view, status));
    const unready = statuses
        .filter(({ view, status }) => needsReady(view) && !status.ready)
        .map(({ status }) => status.name);
    return {
        phase,
        ...(input.failure === undefined ? {} : { reason: input.failure.reason, message: input.failure.message }),
        conditions: conditions(input, {
            initialized,
            ended,
            incomplete: incomplete.map(({ status }) => status.name),
            unready,
            succeeded: phase === "Succeeded",
        }),
        ...(hostIp === undefined ? {} : { hostIP: hostIp, hostIPs: input.hostIps.map((ip) => ({ ip })) }),
        ...(podIp === undefined ? {} : { podIP: podIp, podIPs: input.podIps.map((ip) => ({ ip })) }),
        startTime: pod.status?.startTime ?? timeText(input.seenMs),
        qosClass: pod.status?.qosClass ?? qosClass(pod),
        ...(init.length === 0 ? {} : { initContainerStatuses: init }),
        containerStatuses: of("container"),
        ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
    };
}

function podPhase(input: StatusInput, apps: readonly ContainerStatus[]): string {
    if (input.failure !== undefined) return "Failed";
    if (input.plan?.finished !== undefined) return input.plan.finished;
    if (input.terminated) {
        const failed = apps.some(({ state }) => state.terminated?.exitCode !== 0);
        return failed ? "Failed" : "Succeeded";
    }
    const begun = input.views.some(({ kind, current }) => kind === "container" && current !== undefined);
    const missing = input.views.some(({ kind, current }) => kind === "container" && current === undefined);
    return begun && !missing && input.plan?.initialized !== false ? "Running" : "Pending";
}

/** It has run to its end, or, a sidecar, has started. */
function initDone({ container }: ContainerView, { state, started }: ContainerStatus): boolean {
    return isSidecar(container) ? started : state.terminated?.exitCode === 0;
}

function needsReady({ kind, container }: ContainerView): boolean {
    return kind === "container" || (kind === "init" && isSidecar(container));
}

function conditions(
    input: StatusInput,
    is: {
        readonly initialized: boolean;
        readonly ended: boolean;
        readonly incomplete: readonly string[];
        readonly unready: readonly string[];
        readonly succeeded: boolean;
    },
): Condition[] {
    const { pod } = input;
    const notReady = `containers with unready status: [${is.unready.join(" ")}]`;
    const notInitialized = `containers with incomplete status: [${is.incomplete.join(" ")}]`;
    const done = is.ended || input.terminated;
    const containersReady = !done && is.unready.length === 0;
    const gatesOpen = (pod.spec.readinessGates ?? []).every(({ conditionType }) =>
        pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === "True"),
    );
    const unready = done
        ? { reason: is.succeeded ? "PodCompleted" : "PodFailed" }
        : { reason: "ContainersNotReady", message: notReady };
    const wanted: Condition[] = [
        { type: "PodReadyToStartContainers", status: input.sandboxReady && !done ? "True" : "False" },
        {
            type: "Initialized",
            status: is.initialized ? "True" : "False",
            ...(is.initialized
                ? is.succeeded
                    ? { reason: "PodCompleted" }
                    : {}
                : { reason: "ContainersNotInitialized", message: notInitialized }),
        },
        { type: "Ready", ...readiness(containersReady && gatesOpen, containersReady ? gateClosed : unready) },
        { type: "ContainersReady", ...readiness(containersReady, unready) },
        ...disruption(input),
    ];
    return wanted.map((condition) => {
        const before = pod.status?.conditions?.find(({ type }) => type === condition.type);
        const same = before?.status === condition.status && before.lastTransitionTime !== undefined;
        return {
            ...condition,
            lastTransitionTime: same ? before.lastTransitionTime : timeText(input.nowMs),
        } as Condition;
    });
}

/** Job controllers tell an eviction from a failure of the pod's own by it. */
function disruption({ failure }: StatusInput): Condition[] {
    if (failure?.reason !== "Evicted") return [];
    return [{ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message: failure.message }];
}

const gateClosed = { reason: "ReadinessGatesNotReady", message: "a readiness gate is not open" };

function readiness(
    ready: boolean,
    unready: { reason: string; message?: string },
): { status: "True" | "False"; reason?: string; message?: string } {
    return ready ? { status: "True" } : { status: "False", ...unready };
}

function containerStatus(view: ContainerView, input: StatusInput): ContainerStatus {
    const { container, current, previous } = view;
    const told = toldStatus(view, input.pod);
    const waiting = input.waiting.get(container.name);
    const running = current?.state.phase === "running";
    let state: ContainerState;
    let lastState: ContainerState = {};
    if (current === undefined) {
        if (told?.state?.terminated !== undefined && (input.terminated || ended(input.pod)))
            return { ...told, ready: false };
        const creating = input.plan?.initialized === false ? "PodInitializing" : "ContainerCreating";
        state = { waiting: waiting ?? { reason: view.kind === "init" ? "PodInitializing" : creating } };
        if (told?.lastState !== undefined) lastState = told.lastState;
    } else if (current.state.phase === "exited" && waiting !== undefined && !input.terminated) {
        state = { waiting };
        lastState = terminated(current, input);
    } else {
        state = stateOf(current, input);
        if (previous !== undefined) lastState = terminated(previous, input);
        else if (current.attempt > 0 && told?.lastState !== undefined) lastState = told.lastState;
    }
    const completed = view.kind === "init" && current?.state.phase === "exited" && current.state.exitCode === 0;
    return {
        name: container.name,
        state,
        lastState,
        ready: completed || (running && current.ready !== false && input.ready(container.name)),
        started: running && input.started(container.name),
        restartCount: current?.attempt ?? told?.restartCount ?? 0,
        image: current?.image ?? container.image ?? "",
        imageID: current?.imageId ?? told?.imageID ?? "",
        ...(current === undefined ? {} : { containerID: `${input.runtimeName}://${current.id}` }),
        ...mountsOf(container),
    };
}

/** What is mounted where, as kubelets tell it since Kubernetes 1.31. */
function mountsOf({ volumeMounts }: Container): { volumeMounts?: VolumeMountStatus[] } {
    if (volumeMounts === undefined || volumeMounts.length === 0) return {};
    return {
        volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
            name,
            mountPath,
            ...(readOnly === true ? { readOnly, recursiveReadOnly: "Disabled" } : {}),
        })),
    };
}

function toldStatus(view: ContainerView, pod: Pod): ContainerStatus | undefined {
    const { status } = pod;
    const lists = { init: status?.initContainerStatuses, container: status?.containerStatuses };
    const list = view.kind === "ephemeral" ? status?.ephemeralContainerStatuses : lists[view.kind];
    return list?.find(({ name }) => name === view.container.name);
}

function ended(pod: Pod): boolean {
    return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function stateOf(record: ContainerRecord, input: StatusInput): ContainerState {
    if (record.state.phase === "running") return { running: { startedAt: timeText(record.state.startedMs) } };
    if (record.state.phase === "created" && record.state.startedMs !== undefined) {
        return { running: { startedAt: timeText(record.state.startedMs) } };
    }
    if (record.state.phase === "created") return { waiting: { reason: "ContainerCreating" } };
    return terminated(record, input);
}

function terminated(record: ContainerRecord, input: StatusInput): ContainerState {
    if (record.state.phase !== "exited") return {};
    const { exitCode, reason, startedMs, finishedMs } = record.state;
    const message = input.messages.get(record.id) ?? record.state.message;
    return {
        terminated: {
            exitCode,
            reason,
            ...(message === undefined || message === "" ? {} : { message }),
            startedAt: timeText(startedMs),
            finishedAt: timeText(finishedMs),
            containerID: `${input.runtimeName}://${record.id}`,
        },
    };
}

/** What other writers put into the status (PodScheduled, readiness gates) with what Edged observed. */
export function mergeStatus(told: PodStatus | undefined, own: PodStatus): PodStatus {
    const others = (told?.conditions ?? []).filter(({ type }) => !own.conditions?.some((known) => known.type === type));
    return { ...own, conditions: [...(own.conditions ?? []), ...others] };
}

/** Milliseconds until activeDeadlineSeconds has passed; infinite without one. */
export function deadlineMs(pod: Pod, nowMs: number): number {
    const limit = pod.spec.activeDeadlineSeconds;
    const startTime = pod.status?.startTime;
    if (limit === undefined || startTime === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, Date.parse(startTime) + limit * 1000 - nowMs);
}
