// SPDX-License-Identifier: Apache-2.0
import type { Component } from "../../../core/component.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { DaemonSetController } from "./daemonset/daemonset-controller.ts";
import { DeploymentController } from "./deployment/deployment-controller.ts";
import { EndpointsController } from "./endpoints-controller.ts";
import { EventTtlController } from "./event-ttl-controller.ts";
import { GarbageCollector } from "./garbagecollector/garbage-collector.ts";
import { JobController } from "./job/job-controller.ts";
import { Caches, type ControlPorts } from "./lib/caches.ts";
import type { Controller } from "./lib/controller.ts";
import { NamespaceController } from "./namespace/namespace-controller.ts";
import { NamespaceDefaultsController } from "./namespace-defaults-controller.ts";
import { NodeLifecycleController } from "./nodelifecycle/node-lifecycle-controller.ts";
import { PodGarbageController } from "./podgc-controller.ts";
import { ReplicaSetController } from "./replicaset/replicaset-controller.ts";
import { StatefulSetController } from "./statefulset/statefulset-controller.ts";

export type { ControlPorts } from "./lib/caches.ts";

export interface ControlPlaneControllersConfig {
    /** CA of the API server, published as kube-root-ca.crt in every namespace; absent: not published. */
    readonly caPem?: string | undefined;
}

/**
 * What kube-scheduler and kube-controller-manager do for a cluster of one site, over any API server that has neither:
 * scheduling, workloads, garbage collection, namespaces and the life of nodes.
 */
export class ControlPlaneControllers implements Component {
    readonly #caches: Caches;
    readonly #controllers: readonly Controller[];
    #started = false;

    constructor(config: ControlPlaneControllersConfig, ports: ControlPorts) {
        this.#caches = new Caches(ports);
        const kinds = [
            Scheduler,
            DeploymentController,
            ReplicaSetController,
            DaemonSetController,
            StatefulSetController,
            JobController,
            EndpointsController,
            NodeLifecycleController,
            PodGarbageController,
            GarbageCollector,
            NamespaceController,
            EventTtlController,
        ];
        this.#controllers = [
            new NamespaceDefaultsController(config.caPem, this.#caches, ports),
            ...kinds.map((Kind) => new Kind(this.#caches, ports)),
        ];
    }

    /** Begins to follow the API server and works once all its objects are known; does not wait for that. */
    async start(): Promise<void> {
        if (this.#started) return;
        this.#started = true;
        for (const controller of this.#controllers) await controller.start();
        await this.#caches.start();
        void this.#caches.whenSynced().then(async (complete) => {
            if (complete) await Promise.all(this.#controllers.map((controller) => controller.run()));
        });
    }

    async stop(): Promise<void> {
        for (const controller of this.#controllers) await controller.stop();
        await this.#caches.stop();
    }
}
