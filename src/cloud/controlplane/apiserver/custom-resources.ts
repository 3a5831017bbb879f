// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "../../../core/log.ts";
import { namesOf, resourcesOf } from "../../../kube/custom/definition.ts";
import type { ObjectService, WriteOptions } from "../../../kube/rest/objects.ts";
import type { ResourceTable, ServedResource } from "../../../kube/rest/resources.ts";
import { statusOf } from "../../../kube/rest/status.ts";
import type { ObjectRegistry } from "../../../kube/storage/registry.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { CRD_FINALIZER } from "./cluster-rules.ts";

const DEFINITIONS = { group: "apiextensions.k8s.io", plural: "customresourcedefinitions" };
const SYSTEM: WriteOptions = {
    user: "system:apiserver",
    dryRun: false,
    fieldValidation: "Ignore",
    warn: () => {},
};

/** Serves what CustomResourceDefinitions define, for as long as they exist. */
export class CustomResources {
    readonly #registry: ObjectRegistry;
    readonly #table: ResourceTable;
    readonly #objects: ObjectService;
    readonly #log: Logger;
    readonly #served = new Map<string, readonly ServedResource[]>();
    #stop: () => void = () => {};

    constructor(registry: ObjectRegistry, table: ResourceTable, objects: ObjectService, log: Logger) {
        this.#registry = registry;
        this.#table = table;
        this.#objects = objects;
        this.#log = log;
    }

    async start(): Promise<void> {
        const { items, revision } = await this.#registry.list(DEFINITIONS, undefined);
        for (const { object } of items) this.#serve(object);
        this.#stop = this.#registry.watch(DEFINITIONS, {
            since: revision,
            onChange: ({ type, current }) =>
                type === "DELETED" ? this.#withdraw(current.object) : this.#serve(current.object),
            onEnd: () => {},
        });
    }

    stop(): void {
        this.#stop();
    }

    #serve(definition: KubeObject): void {
        const { name } = definition.metadata;
        const now = resourcesOf(definition);
        for (const old of this.#served.get(name) ?? []) {
            if (!now.some((one) => one.version === old.version)) this.#table.delete(old);
        }
        for (const resource of now) this.#table.set(resource);
        this.#served.set(name, now);
        if (definition.metadata.deletionTimestamp !== undefined) void this.#cleanUp(definition);
    }

    #withdraw(definition: KubeObject): void {
        for (const resource of this.#served.get(definition.metadata.name) ?? []) this.#table.delete(resource);
        this.#served.delete(definition.metadata.name);
    }

    /** A definition that is deleted takes its objects along, then goes itself. */
    async #cleanUp(definition: KubeObject): Promise<void> {
        const { name, finalizers } = definition.metadata;
        if (!(finalizers ?? []).includes(CRD_FINALIZER)) return;
        const [resource] = this.#served.get(name) ?? [];
        const { group } = resource ?? { group: "" };
        try {
            const { items } = await this.#registry.list({ group, plural: namesOf(definition).plural }, undefined);
            for (const { object } of items) {
                if (resource !== undefined) {
                    await this.#objects.delete(resource, object.metadata.namespace, object.metadata.name, {}, SYSTEM);
                }
            }
            const crd = this.#table.get(DEFINITIONS.group, "v1", DEFINITIONS.plural);
            if (crd === undefined) return;
            await this.#objects.update(
                crd,
                undefined,
                name,
                (current) => ({
                    ...current,
                    metadata: {
                        ...current.metadata,
                        finalizers: (current.metadata.finalizers ?? []).filter((one) => one !== CRD_FINALIZER),
                    },
                }),
                SYSTEM,
            );
        } catch (error) {
            const { status } = statusOf(error);
            if (status.code !== 404)
                this.#log.error("A deleted custom resource definition could not be cleaned up", { name, error });
        }
    }
}
