// SPDX-License-Identifier: Apache-2.0
import type { Container, Pod } from "../podspec/types.ts";
import type { ContainerKind } from "../runtimes/runtime.ts";
import type { EventSubject } from "./events.ts";

const FIELD: Readonly<Record<ContainerKind, string>> = {
    init: "initContainers",
    container: "containers",
    ephemeral: "ephemeralContainers",
};

/** The pod as the object of an event. */
export function podSubject(pod: Pod): EventSubject {
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    return { kind: "Pod", namespace, name, uid, resourceVersion };
}

/** One container of the pod as the object of an event. */
export function containerSubject(pod: Pod, container: Container, kind: ContainerKind): EventSubject {
    return { ...podSubject(pod), fieldPath: `spec.${FIELD[kind]}{${container.name}}` };
}
