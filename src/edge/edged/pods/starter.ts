// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, type RedgeError } from "../../../core/errors/redge-error.ts";
import { expand, resolveEnv } from "../env.ts";
import { oomScoreAdj } from "../podspec/qos.ts";
import type { Container, Pod, StateWaiting } from "../podspec/types.ts";
import { runHandler } from "../probes/handlers.ts";
import type { ContainerRecord, PodRuntime, SandboxRecord } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
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
}

/** Brings one container to life: image, environment, mounts, start, postStart hook; with the kubelet's events. */
export async function startContainer(deps: WorkerDeps, request: StartRequest): Promise<StartAnswer> {
    const { pod, view, runtime } = request;
    const { container, kind, nextAttempt } = view;
    const about = containerSubject(pod, container, kind);
    const context = deps.volumeContext(request.sandbox.ips);
    const image = await deps.images.ensure(runtime, pod, container, context.lookup);
    if ("waiting" in image) {
        deps.events.record(
            about,
            "Warning",
            image.waiting === "ImagePullBackOff" ? "BackOff" : "Failed",
            image.message,
        );
        return { waiting: { reason: image.waiting, message: image.message }, retryMs: image.retryMs };
    }
    if (image.pulled) deps.events.record(about, "Normal", "Pulled", `Successfully pulled image "${container.image}"`);
    try {
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
            oomScoreAdj: oomScoreAdj(pod, container, deps.nodeMemoryBytes),
        });
        deps.events.record(about, "Normal", "Started", `Started container ${container.name}`);
        await postStart(deps, request, started);
        return { started };
    } catch (thrown) {
        if (!isRedgeError(thrown)) throw thrown;
        const reason = reasonOf(thrown);
        const message = errorText(thrown);
        deps.events.record(about, "Warning", "Failed", `Error: ${message}`);
        return { waiting: { reason, message }, retryMs: CONFIG_RETRY_MS };
    }
}

function reasonOf(error: RedgeError): string {
    const config = isRedgeError(
        error,
        "REDGE_EDGED_NO_ANSWER",
        "REDGE_EDGED_OBJECT_INVALID",
        "REDGE_VOLUME_FAILED",
        "REDGE_RUNTIME_ROOT_USER",
    );
    return config ? "CreateContainerConfigError" : "CreateContainerError";
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
    await runtime.stopContainer(started.id, graceOf(pod, view.container));
}

/** Where the pod's ports are reached from the node. */
export function hostOf(pod: Pod, sandbox: SandboxRecord | undefined): string {
    return pod.spec.hostNetwork === true ? "127.0.0.1" : (sandbox?.ips[0] ?? "127.0.0.1");
}

/** Seconds between TERM and KILL outside of a deletion. */
export function graceOf(pod: Pod, _container: Container): number {
    return pod.spec.terminationGracePeriodSeconds ?? 30;
}
