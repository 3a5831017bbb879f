// SPDX-License-Identifier: Apache-2.0
import { isNotFound } from "../../../../kube/client/status-error.ts";
import { Kinds, type OwnerReference, type ResourceType } from "../../../../kube/types.ts";
import { ControllerKinds, collectedKinds } from "../../objects/types.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller } from "../lib/controller.ts";
import { named } from "../lib/owners.ts";
import { type Member, OwnerGraph } from "./owner-graph.ts";
import { customResourceType, typeKey } from "./resource-types.ts";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";
const INCOMPLETE_RETRY_MS = 200;

type OwnerState = "solid" | "dangling" | "waiting";

/** Deletes what is owned by nothing that lives, and carries out foreground and orphaning deletions. */
export class GarbageCollector extends Controller {
    readonly #graph: OwnerGraph;

    constructor(caches: Caches, ports: ControlPorts) {
        super("garbage-collector-controller", caches, ports);
        this.#graph = new OwnerGraph(collectedKinds, caches, this.ports);
    }

    protected watch(): void {
        this.#graph.on("changed", (member) => {
            const { ownerReferences = [], deletionTimestamp, finalizers = [] } = member.object.metadata;
            const leaving =
                deletionTimestamp !== undefined && finalizers.some((name) => name === FOREGROUND || name === ORPHAN);
            if (ownerReferences.length > 0 || leaving) this.queue.add(memberKey(member));
        });
        this.#graph.on("gone", (member) => {
            for (const dependent of this.#graph.dependents(member.object.metadata.uid ?? "")) {
                this.queue.add(memberKey(dependent));
            }
            // An owner that waits for its dependents may be able to go now.
            for (const owner of member.object.metadata.ownerReferences ?? []) this.#lookAtOwner(member, owner);
        });
    }

    override async run(): Promise<void> {
        await this.#graph.start();
        await super.run();
    }

    override async stop(): Promise<void> {
        await super.stop();
        await this.#graph.stop();
        this.#graph.clear();
    }

    protected async reconcile(key: string): Promise<void> {
        if (!this.#graph.complete) {
            this.queue.addAfter(key, INCOMPLETE_RETRY_MS);
            return;
        }
        const [type = "", namespace = "", name = ""] = key.split("|");
        const member = this.#graph.get(type, namespace === "" ? undefined : namespace, name);
        if (member === undefined) return;
        const { deletionTimestamp, finalizers = [] } = member.object.metadata;
        if (deletionTimestamp !== undefined) {
            if (finalizers.includes(ORPHAN)) await this.#orphan(member);
            else if (finalizers.includes(FOREGROUND)) await this.#deleteDependents(member);
            return;
        }
        await this.#collect(member);
    }

    async #collect(member: Member): Promise<void> {
        const references = member.object.metadata.ownerReferences ?? [];
        if (references.length === 0) return;
        const states = await Promise.all(references.map((reference) => this.#stateOf(member, reference)));
        const of = (...wanted: OwnerState[]): OwnerReference[] =>
            references.filter((_, index) => wanted.includes(states[index] ?? "solid"));
        if (of("solid").length > 0) {
            if (of("dangling", "waiting").length > 0) await this.#setOwners(member, of("solid"));
            return;
        }
        const hasDependents = this.#graph.dependents(member.object.metadata.uid ?? "").length > 0;
        const foreground = of("waiting").length > 0 && hasDependents;
        await this.#delete(member, foreground ? "Foreground" : "Background");
    }

    /** Deletes what depends on a leaving object; lets it go once nothing is left that may block it. */
    async #deleteDependents(member: Member): Promise<void> {
        const { uid = "" } = member.object.metadata;
        const dependents = this.#graph.dependents(uid);
        const blocking = dependents.filter(({ object }) =>
            object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
        );
        if (blocking.length === 0) await this.#dropFinalizer(member, FOREGROUND);
        for (const dependent of dependents) {
            if (dependent.object.metadata.deletionTimestamp === undefined) this.queue.add(memberKey(dependent));
        }
    }

    async #orphan(member: Member): Promise<void> {
        const { uid = "" } = member.object.metadata;
        for (const dependent of this.#graph.dependents(uid)) {
            const kept = (dependent.object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
            await this.#setOwners(dependent, kept);
        }
        await this.#dropFinalizer(member, ORPHAN);
    }

    async #stateOf(member: Member, reference: OwnerReference): Promise<OwnerState> {
        const type = this.#typeOf(reference);
        // A kind nobody here knows: whether its object lives cannot be told, so nothing is deleted.
        if (type === undefined) return "solid";
        const namespace = type.namespaced ? member.object.metadata.namespace : undefined;
        const cached = this.#graph.get(typeKey(type), namespace, reference.name)?.object;
        try {
            const owner =
                cached?.metadata.uid === reference.uid
                    ? cached
                    : await this.ports.cluster.get({ type, namespace, name: reference.name });
            if (owner.metadata.uid !== reference.uid) return "dangling";
            const { deletionTimestamp, finalizers = [] } = owner.metadata;
            return deletionTimestamp !== undefined && finalizers.includes(FOREGROUND) ? "waiting" : "solid";
        } catch (failure) {
            if (isNotFound(failure)) return "dangling";
            throw failure;
        }
    }

    #typeOf({ apiVersion, kind }: OwnerReference): ResourceType | undefined {
        const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
        const custom = this.caches.customResourceDefinitions
            .list()
            .flatMap((definition) => customResourceType(definition) ?? []);
        const known: readonly ResourceType[] = [...Object.values(Kinds), ...Object.values(ControllerKinds), ...custom];
        return known.find((type) => type.group === group && type.kind === kind);
    }

    #lookAtOwner(member: Member, reference: OwnerReference): void {
        const type = this.#typeOf(reference);
        if (type === undefined) return;
        const namespace = type.namespaced ? member.object.metadata.namespace : undefined;
        const owner = this.#graph.get(typeKey(type), namespace, reference.name);
        if (owner?.object.metadata.deletionTimestamp !== undefined) this.queue.add(memberKey(owner));
    }

    async #setOwners({ type, object }: Member, owners: readonly OwnerReference[]): Promise<void> {
        const ownerReferences = owners.length > 0 ? owners : null;
        const patch = { metadata: { uid: object.metadata.uid, ownerReferences } };
        await this.#unlessGone(this.ports.cluster.patch({ type, ...named(object) }, patch, "merge"));
    }

    async #dropFinalizer({ type, object }: Member, finalizer: string): Promise<void> {
        const { resourceVersion, finalizers = [] } = object.metadata;
        const kept = finalizers.filter((name) => name !== finalizer);
        const patch = { metadata: { resourceVersion, finalizers: kept.length > 0 ? kept : null } };
        await this.#unlessGone(this.ports.cluster.patch({ type, ...named(object) }, patch, "merge"));
    }

    async #delete({ type, object }: Member, propagationPolicy: "Foreground" | "Background"): Promise<void> {
        const { uid, resourceVersion } = object.metadata;
        // The version too: an owner reference added meanwhile must not be overlooked.
        const options = { uid, resourceVersion, propagationPolicy };
        await this.#unlessGone(this.ports.cluster.delete({ type, ...named(object) }, options));
    }

    async #unlessGone(work: Promise<unknown>): Promise<void> {
        try {
            await work;
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }
}

function memberKey({ type, object }: Member): string {
    return `${typeKey(type)}|${object.metadata.namespace ?? ""}|${object.metadata.name}`;
}
