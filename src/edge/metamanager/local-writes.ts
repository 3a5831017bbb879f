// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Timer } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { conflict, MODIFIED_MEANWHILE, StatusError } from "../../kube/rest/status.ts";
import type { KubeObject, ResourceType } from "../../kube/types.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { Applications } from "./applications.ts";
import { askCluster, isDeletion, nameOf, namespaceOf, readCluster } from "./cluster-requests.ts";
import { Grants } from "./grants.ts";
import { compareVersions, type ObjectTable } from "./object-table.ts";
import { desired, mergeChanges } from "./three-way.ts";
import { type QueuedWrite, WriteQueue } from "./write-queue.ts";
import type { WriteOutcome, WriteReport } from "./write-report.ts";

/** One change of one object, as a client of this gateway asks for it. */
export interface LocalWrite {
    readonly resource: string;
    readonly type: ResourceType;
    readonly actor: string;
    /** The very object that the change was made from; undefined: it must not exist. */
    readonly from: KubeObject | undefined;
    /** Undefined: deleted. With a new deletionTimestamp: deleted after its grace period. */
    readonly next: KubeObject | undefined;
}

export interface LocalWritesPorts extends Pick<Ports, "clock" | "log"> {
    readonly store: DocumentStore;
    readonly objects: ObjectTable;
    readonly applications: Applications;
    readonly report: WriteReport;
    readonly online: () => boolean;
    /** Runs changes of the table one after another. */
    readonly inOrder: <T>(action: () => Promise<T>) => Promise<T>;
    /** Tells Edged; `current` undefined: it is gone. */
    readonly tellEdged: (resource: string, current: KubeObject | undefined, previous: KubeObject | undefined) => void;
}

/** Somebody else changed the object between reading and writing: read again. */
export class WriteRaced extends Error {
    override readonly name = "WriteRaced";
}

const RETRY_MS = 10_000;
const TRIES = 5;

/**
 * What is written at this gateway. With a link it goes straight to the cluster and is kept here as the cluster answers
 * it. Without one it holds here at once, is queued on disk, and joined with the cluster's state when the link is back:
 * field by field, and where both changed the same field the cluster's value stands (and somebody is told).
 */
export class LocalWrites {
    readonly #ports: LocalWritesPorts;
    readonly #queue: WriteQueue;
    readonly #grants: Grants;
    #flushing = false;
    #retry: Timer | undefined;

    constructor(ports: LocalWritesPorts) {
        this.#ports = ports;
        this.#queue = new WriteQueue(ports.store);
        this.#grants = new Grants(ports.store);
    }

    async load(): Promise<void> {
        for (const resource of await this.#queue.load())
            this.#ports.log.warn("a queued change was unreadable and is not made", { resource });
        await this.#grants.load();
        this.#ports.report.queued(this.#queue.size);
    }

    stop(): void {
        this.#retry?.cancel();
    }

    /** What is written goes to the cluster at once. */
    get online(): boolean {
        return this.#ports.online();
    }

    isQueued(resource: string): boolean {
        return this.#queue.get(resource) !== undefined;
    }

    /** Without a link: what the cluster allowed this account before. With one the cluster decides. */
    mayWrite(actor: string, verb: string, plural: string, namespace: string): boolean {
        return this.#ports.online() || this.#grants.has(actor, verb, plural, namespace);
    }

    /**
     * @returns the object as it is here now; for a delete the last state
     * @throws WriteRaced, StatusError as the API refuses it, REDGE_STORE_*
     */
    commit(write: LocalWrite): Promise<KubeObject> {
        const through = this.#ports.online() && !this.isQueued(write.resource);
        return through ? this.#through(write) : this.#ports.inOrder(() => this.#keep(write));
    }

    /** Brings everything that is queued to the cluster, while there is a link. */
    flush(): void {
        this.#retry?.cancel();
        if (this.#flushing) return;
        this.#flushing = true;
        this.#flush()
            .catch((error: unknown) => {
                this.#ports.log.warn("changes made here wait for the cluster", { reason: errorText(error) });
                if (this.#ports.online()) this.#retry = this.#ports.clock.after(RETRY_MS, () => this.flush());
            })
            .finally(() => {
                this.#flushing = false;
            });
    }

    /**
     * Joins what the cluster has with the change that is queued for it. Call in order.
     * @param remote undefined: the cluster deleted it
     */
    async rebase(resource: string, remote: KubeObject | undefined): Promise<void> {
        const write = this.#queue.get(resource);
        if (write === undefined) return;
        if (remote === undefined) {
            if (write.base !== null) await this.#settle(write, undefined, "conflict", "it was deleted in the cluster");
            return;
        }
        const seen = write.base?.metadata.resourceVersion;
        if (seen !== undefined && compareVersions(remote.metadata.resourceVersion, seen) <= 0) return;
        if (write.local === null) {
            const untouched = write.base !== null && isDeepStrictEqual(desired(write.base), desired(remote));
            if (untouched) await this.#requeue({ ...write, base: remote });
            else await this.#settle(write, remote, "conflict", "deleted here, but changed in the cluster: it stays");
            return;
        }
        const { object, conflicts, differs } = mergeChanges(write.base ?? undefined, write.local, remote);
        if (conflicts.length > 0) {
            const text = `changed here and in the cluster, the cluster's value stands: ${conflicts.join(", ")}`;
            this.#ports.report.tell(write, remote, "conflict", text);
        }
        if (differs) await this.#requeue({ ...write, base: remote, local: object }, object);
        else await this.#settle(write, remote, "merged");
    }

    async #keep({ resource, type, actor, from, next }: LocalWrite): Promise<KubeObject> {
        const { objects, clock } = this.#ports;
        if (objects.get(resource) !== from) throw new WriteRaced();
        const known = this.#queue.get(resource);
        const base = known === undefined ? (from ?? null) : known.base;
        const deleting = isDeletion(from, next) || (known !== undefined && known.local === null && from !== undefined);
        const local = deleting ? null : (next ?? null);
        const grace = next?.metadata.deletionGracePeriodSeconds;
        const write: QueuedWrite = {
            resource,
            type,
            actor,
            atMs: known?.atMs ?? clock.nowMs(),
            base,
            local,
            ...(deleting && grace !== undefined ? { graceSeconds: grace } : {}),
        };
        // Made and deleted without the cluster ever hearing of it.
        const never = base === null && local === null;
        const op = never ? this.#queue.removeOp(resource) : this.#queue.putOp(write);
        if (next === undefined) await objects.remove(resource, undefined, [op]);
        else await objects.replace(resource, next, [op]);
        this.#queue.applied(resource, never ? undefined : write);
        this.#ports.report.queued(this.#queue.size);
        this.#ports.report.count("queued");
        this.#ports.tellEdged(resource, next, from);
        if (this.#ports.online()) this.flush();
        return next ?? (from as KubeObject);
    }

    async #through(write: LocalWrite): Promise<KubeObject> {
        const { resource, type, actor, from, next } = write;
        const { objects, inOrder, report } = this.#ports;
        if (objects.get(resource) !== from) throw new WriteRaced();
        const verb = isDeletion(from, next) ? "delete" : from === undefined ? "create" : "update";
        let answer: KubeObject | undefined;
        try {
            answer = await askCluster(this.#ports.applications, verb, {
                resource,
                type,
                actor,
                base: from ?? null,
                local: next ?? null,
            });
        } catch (error) {
            if (!(error instanceof StatusError)) throw error;
            const { code, reason } = error.status;
            if (code === 403) await this.#grants.revoke(actor, verb, type.plural, namespaceOf(resource));
            if (code === 404 && from !== undefined) await inOrder(() => this.#adopt(resource, undefined));
            if (reason !== "Conflict") throw error;
            const remote = await readCluster(this.#ports.applications, { resource, type, actor });
            await inOrder(() => this.#adopt(resource, remote));
            throw new WriteRaced();
        }
        await this.#grants.grant(actor, verb, type.plural, namespaceOf(resource));
        report.count("through");
        // A pod with a grace period is still there: the cluster's push says so.
        if (verb === "delete" && next !== undefined) return next;
        await inOrder(() => this.#adopt(resource, verb === "delete" ? undefined : answer));
        return answer ?? next ?? (from as KubeObject);
    }

    async #flush(): Promise<void> {
        let unsettled: StatusError | undefined;
        for (const { resource } of this.#queue.all()) {
            for (let attempt = 0; ; attempt += 1) {
                const write = this.#queue.get(resource);
                if (write === undefined || !this.#ports.online()) break;
                if (attempt === TRIES) {
                    unsettled = conflict(write.type, nameOf(resource), MODIFIED_MEANWHILE);
                    break;
                }
                if (await this.#deliver(write)) break;
            }
        }
        if (unsettled !== undefined) throw unsettled;
    }

    /** True when nothing more is to be done now; false when the cluster's state has been taken in, to be tried again. */
    async #deliver(write: QueuedWrite): Promise<boolean> {
        const { inOrder } = this.#ports;
        const { resource, base, local } = write;
        const verb = local === null ? "delete" : base === null ? "create" : "update";
        try {
            const answer = await askCluster(this.#ports.applications, verb, write);
            await inOrder(async () => {
                const now = this.#queue.get(resource);
                if (now === write)
                    return this.#settle(write, verb === "delete" ? this.#leaving(write) : answer, "merged");
                // Changed again while it was on its way: what is left is the difference to what the cluster has now.
                if (now !== undefined) await this.#requeue({ ...now, base: answer ?? null });
            });
            return true;
        } catch (error) {
            if (!(error instanceof StatusError)) throw error;
            const { code, reason } = error.status;
            const refused = code >= 400 && code < 500 && code !== 429;
            if (!refused) throw error;
            const stale = reason === "Conflict" || reason === "AlreadyExists" || (code === 404 && verb !== "create");
            // Who was refused may not be let read it either: then what the gateway knew before stands.
            const remote = stale ? await readCluster(this.#ports.applications, write) : (base ?? undefined);
            if (stale) {
                if (verb === "delete" && remote === undefined)
                    await inOrder(() => this.#settle(write, undefined, "merged"));
                else await inOrder(() => this.rebase(resource, remote));
                return false;
            }
            await inOrder(() => this.#settle(write, remote, "refused", `the cluster refused it: ${error.message}`));
            return true;
        }
    }

    /** A pod that ends: it goes when its containers have. */
    #leaving({ resource }: QueuedWrite): KubeObject | undefined {
        return this.#ports.objects.get(resource);
    }

    /** The cluster's state stands from now on. */
    async #settle(write: QueuedWrite, remote: KubeObject | undefined, outcome: WriteOutcome, text = ""): Promise<void> {
        await this.#adopt(write.resource, remote, true);
        if (text !== "") this.#ports.report.tell(write, remote, outcome, text);
        else this.#ports.report.count(outcome);
    }

    async #adopt(resource: string, remote: KubeObject | undefined, settled = false): Promise<void> {
        const { objects, tellEdged, report } = this.#ports;
        const previous = objects.get(resource);
        const also = settled ? [this.#queue.removeOp(resource)] : [];
        if (remote !== undefined) await objects.replace(resource, remote, also);
        else if (previous !== undefined) await objects.remove(resource, undefined, also);
        else if (also.length > 0) await this.#ports.store.write(also);
        if (settled) this.#queue.applied(resource, undefined);
        report.queued(this.#queue.size);
        if (remote !== previous) tellEdged(resource, remote, previous);
    }

    async #requeue(write: QueuedWrite, shown?: KubeObject): Promise<void> {
        const { objects, store, tellEdged } = this.#ports;
        const previous = objects.get(write.resource);
        if (shown === undefined) await store.write([this.#queue.putOp(write)]);
        else await objects.replace(write.resource, shown, [this.#queue.putOp(write)]);
        this.#queue.applied(write.resource, write);
        if (shown !== undefined) tellEdged(write.resource, shown, previous);
    }
}
