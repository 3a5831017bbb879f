// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { PodManager } from "../pods/manager.ts";
import type { Pod } from "../podspec/types.ts";
import type { ContainerRecord, PodRuntime } from "../runtimes/runtime.ts";
import type { RemoteCommandTarget } from "./remotecommand/index.ts";

export interface FoundContainer {
    readonly runtime: PodRuntime;
    readonly record: ContainerRecord;
}

/**
 * The newest start of a container, or the one before. A pod of one container needs no container's name.
 * @throws REDGE_RUNTIME_NO_CONTAINER, REDGE_RUNTIME_NOT_STARTED, REDGE_RUNTIME_NO_PREVIOUS
 */
export async function findContainer(
    pods: PodManager,
    namespace: string,
    pod: string,
    container: string,
    previous = false,
): Promise<FoundContainer> {
    const missing = new RedgeError("REDGE_RUNTIME_NO_CONTAINER", { container, pod: `${namespace}/${pod}` });
    const worker = pods.find(namespace, pod);
    if (worker?.runtime === undefined) throw missing;
    const name = container === "" ? worker.pod.spec.containers[0]?.name : container;
    const record = await worker.runtime.get(worker.uid);
    const starts = (record?.containers ?? []).filter((one) => one.name === name).sort((a, b) => a.attempt - b.attempt);
    const found = previous ? starts.at(-2) : starts.at(-1);
    if (found === undefined) throw noStart(worker.pod, name ?? "", previous) ?? missing;
    return { runtime: worker.runtime, record: found };
}

/** Why a container of the pod has nothing to show, in the kubelet's words; undefined when the pod has no such container. */
function noStart(pod: Pod, container: string, previous: boolean): RedgeError | undefined {
    const { status, spec } = pod;
    const all = [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
    if (!all.some(({ name }) => name === container)) return undefined;
    const named = { container, pod: pod.metadata.name };
    if (previous) return new RedgeError("REDGE_RUNTIME_NO_PREVIOUS", named);
    const statuses = [
        ...(status?.containerStatuses ?? []),
        ...(status?.initContainerStatuses ?? []),
        ...(status?.ephemeralContainerStatuses ?? []),
    ];
    const waiting = statuses.find(({ name }) => name === container)?.state.waiting?.reason ?? "ContainerCreating";
    return new RedgeError("REDGE_RUNTIME_NOT_STARTED", { ...named, reason: WAITING[waiting] ?? waiting });
}

const WAITING: Readonly<Record<string, string>> = {
    ErrImagePull: "image can't be pulled",
    ImagePullBackOff: "trying and failing to pull image",
};

/** Where exec, attach and port-forward end. */
export function podTarget(pods: PodManager): RemoteCommandTarget {
    return {
        exec: async (namespace, pod, container, options) => {
            const { runtime, record } = await findContainer(pods, namespace, pod, container);
            return runtime.exec({ containerId: record.id, ...options });
        },
        attach: async (namespace, pod, container, options) => {
            const { runtime, record } = await findContainer(pods, namespace, pod, container);
            return runtime.attach(record.id, options);
        },
        portForward: async (namespace, pod, port) => {
            const worker = pods.find(namespace, pod);
            if (worker?.runtime === undefined) {
                throw new RedgeError("REDGE_RUNTIME_NO_CONTAINER", { container: "", pod: `${namespace}/${pod}` });
            }
            return worker.runtime.portForward(worker.uid, port);
        },
    };
}
