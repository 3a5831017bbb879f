// SPDX-License-Identifier: Apache-2.0
import type { Component, Ports } from "../../../../core/component.ts";
import { errorText } from "../../../../core/errors/redge-error.ts";
import type { KubeClient } from "../../../../kube/client/client.ts";
import { Informer } from "../../../../kube/client/informer.ts";
import type { IndexFunction } from "../../../../kube/client/object-index.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../../kube/types.ts";
import type { Lease, Node, RuntimeClass } from "../../objects/node.ts";
import type { Pod } from "../../objects/pod.ts";
import { ControllerKinds } from "../../objects/types.ts";
import type {
    ControllerRevision,
    DaemonSet,
    Deployment,
    Job,
    ReplicaSet,
    StatefulSet,
} from "../../objects/workloads.ts";
import { controllerOf } from "./owners.ts";

export type ControlPorts = Ports & { readonly cluster: KubeClient };

const byNamespace: IndexFunction<KubeObject> = ({ metadata }) => [metadata.namespace ?? ""];
const byController: IndexFunction<KubeObject> = (object) => {
    const controller = controllerOf(object);
    return controller === undefined ? [] : [controller.uid];
};

/** The informers that scheduler and controllers share: one watch a kind, however many look at it. */
export class Caches implements Component {
    readonly #ports: ControlPorts;
    readonly #all: Informer<never>[] = [];
    readonly #stopped = new AbortController();
    readonly pods: Informer<Pod>;
    readonly nodes: Informer<Node>;
    readonly namespaces: Informer<KubeObject>;
    readonly leases: Informer<Lease>;
    readonly runtimeClasses: Informer<RuntimeClass>;
    readonly deployments: Informer<Deployment>;
    readonly replicaSets: Informer<ReplicaSet>;
    readonly daemonSets: Informer<DaemonSet>;
    readonly statefulSets: Informer<StatefulSet>;
    readonly controllerRevisions: Informer<ControllerRevision>;
    readonly jobs: Informer<Job>;
    readonly services: Informer<KubeObject>;
    readonly endpoints: Informer<KubeObject>;
    readonly serviceAccounts: Informer<KubeObject>;
    readonly rootCertificates: Informer<KubeObject>;
    readonly customResourceDefinitions: Informer<KubeObject>;

    constructor(ports: ControlPorts) {
        this.#ports = ports;
        this.pods = this.#informer<Pod>(Kinds.pod, {
            indexes: { namespace: byNamespace, controller: byController, node: ({ spec }) => [spec.nodeName ?? ""] },
        });
        this.nodes = this.#informer<Node>(Kinds.node);
        this.namespaces = this.#informer(Kinds.namespace);
        this.leases = this.#informer<Lease>(Kinds.lease, { namespace: "kube-node-lease" });
        this.runtimeClasses = this.#informer<RuntimeClass>(Kinds.runtimeClass);
        this.deployments = this.#informer<Deployment>(Kinds.deployment);
        this.replicaSets = this.#informer<ReplicaSet>(Kinds.replicaSet, { indexes: { namespace: byNamespace } });
        this.daemonSets = this.#informer<DaemonSet>(Kinds.daemonSet);
        this.statefulSets = this.#informer<StatefulSet>(ControllerKinds.statefulSet);
        this.controllerRevisions = this.#informer<ControllerRevision>(ControllerKinds.controllerRevision, {
            indexes: { namespace: byNamespace },
        });
        this.jobs = this.#informer<Job>(ControllerKinds.job);
        this.services = this.#informer(Kinds.service);
        this.endpoints = this.#informer(Kinds.endpoints);
        this.serviceAccounts = this.#informer(Kinds.serviceAccount, { fieldSelector: "metadata.name=default" });
        this.rootCertificates = this.#informer(Kinds.configMap, { fieldSelector: "metadata.name=kube-root-ca.crt" });
        this.customResourceDefinitions = this.#informer(Kinds.customResourceDefinition);
    }

    /** The RuntimeClass of pods that name one. */
    runtimeClass(name: string | undefined): RuntimeClass | undefined {
        return name === undefined ? undefined : this.runtimeClasses.get(undefined, name);
    }

    async start(): Promise<void> {
        for (const informer of this.#all) await informer.start();
    }

    async stop(): Promise<void> {
        this.#stopped.abort();
        for (const informer of this.#all) await informer.stop();
    }

    /** Resolves to true when every cache is complete, to false when they were stopped before. */
    async whenSynced(): Promise<boolean> {
        const { signal } = this.#stopped;
        await Promise.all(this.#all.map((informer) => informer.whenSynced(signal)));
        return !signal.aborted;
    }

    #informer<T extends KubeObject>(
        type: ResourceType,
        options: {
            namespace?: string;
            fieldSelector?: string;
            indexes?: Readonly<Record<string, IndexFunction<T>>>;
        } = {},
    ): Informer<T> {
        const { cluster, log } = this.#ports;
        const { namespace, fieldSelector, indexes } = options;
        const query = { type, namespace, fieldSelector };
        const informer = new Informer<T>(
            { cluster, query, ...(indexes === undefined ? {} : { indexes }) },
            this.#ports,
        );
        informer.on("trouble", (error) => {
            log.debug("cannot follow the API server, trying again", { kind: type.kind, reason: errorText(error) });
        });
        this.#all.push(informer as unknown as Informer<never>);
        return informer;
    }
}
