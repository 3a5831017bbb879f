// SPDX-License-Identifier: Apache-2.0
import type { Component } from "../../../../core/component.ts";
import { Emitter } from "../../../../core/emitter.ts";
import { Informer } from "../../../../kube/client/informer.ts";
import type { KubeObject, ResourceType } from "../../../../kube/types.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { customResourceType, typeKey } from "./resource-types.ts";

export interface Member {
    readonly type: ResourceType;
    readonly object: KubeObject;
}

export type GraphEvents = {
    changed: [member: Member];
    gone: [member: Member];
};

const byOwner = (object: KubeObject): readonly string[] =>
    (object.metadata.ownerReferences ?? []).map(({ uid }) => uid);

/** All that ownership needs to know: the contents of Secrets and ConfigMaps are not kept a second time. */
function outline({ apiVersion, kind, metadata }: KubeObject): KubeObject {
    const { managedFields: _, annotations: __, ...kept } = metadata;
    return { apiVersion, kind, metadata: kept };
}

/** Every object of every kind that can own or be owned, custom resources included as their definitions come and go. */
export class OwnerGraph extends Emitter<GraphEvents> implements Component {
    readonly #caches: Caches;
    readonly #ports: ControlPorts;
    readonly #informers = new Map<string, { readonly type: ResourceType; readonly informer: Informer<KubeObject> }>();
    readonly #off: (() => void)[] = [];
    readonly #builtin: readonly ResourceType[];
    #started = false;

    constructor(builtin: readonly ResourceType[], caches: Caches, ports: ControlPorts) {
        super();
        this.#builtin = builtin;
        this.#caches = caches;
        this.#ports = ports;
    }

    async start(): Promise<void> {
        if (this.#started) return;
        this.#started = true;
        for (const type of this.#builtin) this.#follow(type);
        const definitions = this.#caches.customResourceDefinitions;
        const added = (definition: KubeObject): void => {
            const type = customResourceType(definition);
            if (type !== undefined) this.#follow(type);
        };
        for (const definition of definitions.list()) added(definition);
        this.#off.push(
            definitions.on("add", added),
            definitions.on("update", (definition, previous) => {
                const before = customResourceType(previous);
                const type = customResourceType(definition);
                if (before !== undefined && before.version !== type?.version) this.#drop(before);
                added(definition);
            }),
            definitions.on("delete", (definition) => {
                const type = customResourceType(definition);
                if (type !== undefined) this.#drop(type);
            }),
        );
    }

    async stop(): Promise<void> {
        for (const off of this.#off.splice(0)) off();
        for (const { informer } of this.#informers.values()) await informer.stop();
    }

    get types(): readonly ResourceType[] {
        return [...this.#informers.values()].map(({ type }) => type);
    }

    /** True once everything has been listed; before, "nobody owns it" would be a guess. */
    get complete(): boolean {
        return [...this.#informers.values()].every(({ informer }) => informer.synced);
    }

    get(type: string, namespace: string | undefined, name: string): Member | undefined {
        const found = this.#informers.get(type);
        const object = found?.informer.get(namespace, name);
        return found === undefined || object === undefined ? undefined : { type: found.type, object };
    }

    dependents(uid: string): Member[] {
        return [...this.#informers.values()].flatMap(({ type, informer }) =>
            informer.byIndex("owner", uid).map((object) => ({ type, object })),
        );
    }

    #follow(type: ResourceType): void {
        const key = typeKey(type);
        if (this.#informers.has(key)) return;
        const informer = new Informer<KubeObject>(
            { cluster: this.#ports.cluster, query: { type }, parse: outline, indexes: { owner: byOwner } },
            this.#ports,
        );
        informer.on("add", (object) => this.emit("changed", { type, object }));
        informer.on("update", (object) => this.emit("changed", { type, object }));
        informer.on("delete", (object) => this.emit("gone", { type, object }));
        this.#informers.set(key, { type, informer });
        void informer.start();
    }

    #drop(type: ResourceType): void {
        const key = typeKey(type);
        void this.#informers.get(key)?.informer.stop();
        this.#informers.delete(key);
    }
}
