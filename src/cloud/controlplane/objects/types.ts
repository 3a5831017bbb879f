// SPDX-License-Identifier: Apache-2.0
import { Kinds, type ResourceType } from "../../../kube/types.ts";

const apps = { group: "apps", version: "v1", namespaced: true } as const;

/** Resources beside `Kinds` that the controllers work with. */
export const ControllerKinds = {
    controllerRevision: { ...apps, kind: "ControllerRevision", plural: "controllerrevisions" },
    statefulSet: { ...apps, kind: "StatefulSet", plural: "statefulsets" },
    persistentVolumeClaim: {
        group: "",
        version: "v1",
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        namespaced: true,
    },
    job: { group: "batch", version: "v1", kind: "Job", plural: "jobs", namespaced: true },
} as const satisfies Record<string, ResourceType>;

/** The kinds whose objects the garbage collector and namespace deletion look after, beside custom resources. */
export const collectedKinds: readonly ResourceType[] = [
    Kinds.pod,
    Kinds.configMap,
    Kinds.secret,
    Kinds.service,
    Kinds.endpoints,
    Kinds.serviceAccount,
    Kinds.lease,
    Kinds.deployment,
    Kinds.replicaSet,
    Kinds.daemonSet,
    ControllerKinds.statefulSet,
    ControllerKinds.persistentVolumeClaim,
    ControllerKinds.controllerRevision,
    ControllerKinds.job,
];
