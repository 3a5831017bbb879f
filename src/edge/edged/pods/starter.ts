// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, RedgeError } from "../../../core/errors/redge-error.ts";
import { expand, resolveEnv } from "../env.ts";
import { refusedFields } from "../podspec/check.ts";
import { oomScoreAdj } from "../podspec/qos.ts";
import type { Pod, Probe, StateWaiting } from "../podspec/types.ts";
import { runHandler } from "../probes/handlers.ts";
import type { ContainerRecord, PodRecord, PodRuntime, SandboxRecord } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
import { imageEvents } from "./image-events.ts";
import { type ContainerView, containerHash } from "./plan.ts";
import { containerSubject } from "./subject.ts";

/** Errors of a container's own making are tried again this often. */
const CONFIG_RETRY_MS = 10_000;

export type StartAnswer =
    | { readonly started: ContainerRecord }
    | { readonly waiting: StateWaiting; readonly retryMs: number };

export interface StartRequest {
    readonly pod: Pod;
    readonly view: ContainerView;
    readonly runtime: PodRuntime;
    readonly handler: string;
    readonly sandbox: SandboxRecord;
    /** What runs of the pod. */
    readonly record: PodRecord | undefined;
    /** It takes its time: what is known so far may be told. */
    readonly slow: () => void;
}

/** Brings one container to life: image, environment, mounts, start, postStart hook; with the kubelet's events. */
export async function startContainer(deps: WorkerDeps, request: StartRequest): Promise<StartAnswer> {
    const { pod, view, runtime } = request;
    const { container, kind, nextAttempt } = view;
    const about = containerSubject(pod, container, kind);
    const context = deps.volumeContext(request.sandbox.ips);
    const tell = (type: "Normal" | "Warning", reason: string, message: string): void =>
        deps.events.record(about, type, reason, message);
    const image = await deps.images.ensure(runtime, pod, container, context.lookup, () => {
        tell("Normal", "Pulling", `Pulling image "${container.image}"`);
        request.slow();
    });
    if (runtime.hasImages) {
        for (const { type, reason, message } of imageEvents(container.image ?? "", image)) tell(type, reason, message);
    }
    if ("waiting" in image)
        return { waiting: { reason: image.waiting, message: image.message }, retryMs: image.retryMs };
    try {
        const targetId = kind === "ephemeral" ? debugTarget(request) : undefined;
        const env = await resolveEnv(pod, container, context);
        const mounts = await deps.volumes.mounts(pod, container, env);
        const terminationMessageFile = await deps.volumes.terminationFile(
            pod.metadata.uid,
            container.name,
            nextAttempt,
        );
        const started = await runtime.startContainer({
            pod,
            container,
            kind,
            handler: request.handler,
            attempt: nextAttempt,
            hash: containerHash(container),
            image: container.image ?? "",
            imageId: image.imageId,
            env: [...env],
            command: (container.command ?? []).map((part) => expand(part, env)),
            args: (container.args ?? []).map((part) => expand(part, env)),
            mounts,
            terminationMessageFile,
            ...(targetId === undefined ? {} : { targetId }),
            oomScoreAdj: oomScoreAdj(pod, container, deps.nodeMemoryBytes),
        });
        const { state } = started;
        if (state.phase === "exited" && state.message) {
            // A flow that cannot run has ended before its start returned.
            tell("Warning", "Failed", `Error: ${state.message}`);
        } else {
            if (runtime.hasImages) tell("Normal", "Created", `Created container: ${container.name}`);
            tell("Normal", "Started", `Started container ${container.name}`);
        }
        await postStart(deps, request, started);
        return { started };
    } catch (thrown) {
        if (!isRedgeError(thrown)) throw thrown;
        const reason = reasonOf(thrown);
        const message = errorText(thrown);
        tell("Warning", "Failed", `Error: ${message}`);
        return { waiting: { reason, message }, retryMs: CONFIG_RETRY_MS };
    }
}

/**
 * The container that an ephemeral one is to look into. Such a container joins a pod that was admitted without it, so its
 * fields are judged here: the debugging fails, not the pod.
 * @throws REDGE_RUNTIME_FAILED
 */
function debugTarget({ pod, view, record }: StartRequest): string | undefined {
    const what = `ephemeral container ${view.container.name}`;
    const { name, targetContainerName } = view.container;
    const refused = refusedFields(
        { ...pod, spec: { containers: [], ephemeralContainers: [view.container] } },
        "container",
    );
    if (refused.length > 0) {
        const reason = refused.map(({ path, why }) => `${path.replace("[0]", `{${name}}`)}: ${why}`).join("; ");
        throw new RedgeError("REDGE_RUNTIME_FAILED", { what, reason });
    }
    if (!targetContainerName) return undefined;
    const target = record?.containers.find((one) => one.name === targetContainerName && one.state.phase === "running");
    if (target === undefined) {
        const reason = `its target container ${targetContainerName} does not run`;
        throw new RedgeError("REDGE_RUNTIME_FAILED", { what, reason });
    }
    return target.id;
}

function reasonOf(error: RedgeError): string {
    const config = isRedgeError(
        error,
        "REDGE_EDGED_NO_ANSWER",
        "REDGE_EDGED_OBJECT_INVALID",
        "REDGE_VOLUME_FAILED",
        "REDGE_RUNTIME_ROOT_USER",
    );
    if (config) return "CreateContainerConfigError";
    return isRedgeError(error, "REDGE_RUNTIME_START") ? "RunContainerError" : "CreateContainerError";
}

async function postStart(deps: WorkerDeps, request: StartRequest, started: ContainerRecord): Promise<void> {
    const { pod, view, runtime, sandbox } = request;
    const hook = view.container.lifecycle?.postStart;
    if (hook === undefined) return;
    const host = hostOf(pod, sandbox);
    const target = { runtime, container: view.container, containerId: started.id, host };
    const failure = await runHandler(target, hook, 30_000).catch((thrown: unknown) => errorText(thrown));
    if (failure === undefined) return;
    const about = containerSubject(pod, view.container, view.kind);
    deps.events.record(about, "Warning", "FailedPostStartHook", `PostStartHook failed: ${failure}`);
    await runtime.stopContainer(started.id, graceOf(pod));
}

/** Where the pod's ports are reached from the node. */
export function hostOf(pod: Pod, sandbox: SandboxRecord | undefined): string {
    return pod.spec.hostNetwork === true ? "127.0.0.1" : (sandbox?.ips[0] ?? "127.0.0.1");
}

/** Seconds between TERM and KILL outside of a deletion; a probe that ends the container may say so itself. */
export function graceOf(pod: Pod, probe?: Probe): number {
    return probe?.terminationGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}
