// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../core/json.ts";
import type { KubeObject, ResourceType } from "../../kube/types.ts";
import type { DocumentStore, StoreOp } from "../../store/store.ts";

const WRITES = "writes/";

/** A change that was made here and is not in the cluster yet. One an object: later changes join the first. */
export interface QueuedWrite {
    /** `<namespace>/<type>/<name>` */
    readonly resource: string;
    readonly type: ResourceType;
    readonly actor: string;
    readonly atMs: number;
    /** What the cluster had when the first change was made; null: the object was created here. */
    readonly base: KubeObject | null;
    /** What it is to be; null: deleted. */
    readonly local: KubeObject | null;
    /** metav1.DeleteOptions.gracePeriodSeconds of a delete. */
    readonly graceSeconds?: number;
}

/** The changes made without a link, in memory and on disk, in the order of the first change of each object. */
export class WriteQueue {
    readonly #store: DocumentStore;
    readonly #writes = new Map<string, QueuedWrite>();

    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /** Records that cannot be read are left where they are, and named: the cluster's state stands for them. */
    async load(): Promise<readonly string[]> {
        const bad: string[] = [];
        const all: QueuedWrite[] = [];
        for (const { key, value, sealed } of await this.#store.scan(WRITES)) {
            if (sealed !== "shut" && isWrite(value)) all.push(value);
            else bad.push(key.slice(WRITES.length));
        }
        for (const write of all.sort((a, b) => a.atMs - b.atMs)) this.#writes.set(write.resource, write);
        return bad;
    }

    get size(): number {
        return this.#writes.size;
    }

    get(resource: string): QueuedWrite | undefined {
        return this.#writes.get(resource);
    }

    all(): readonly QueuedWrite[] {
        return [...this.#writes.values()];
    }

    /** What has to be on disk for it; `applied` once it is. */
    putOp(write: QueuedWrite): StoreOp {
        const secret = write.resource.split("/")[1] === "secret";
        return { op: "put", key: WRITES + write.resource, value: write, ...(secret ? { secret } : {}) };
    }

    removeOp(resource: string): StoreOp {
        return { op: "delete", key: WRITES + resource };
    }

    applied(resource: string, write: QueuedWrite | undefined): void {
        if (write === undefined) this.#writes.delete(resource);
        else this.#writes.set(resource, write);
    }
}

function isWrite(value: unknown): value is QueuedWrite {
    if (!isRecord(value) || typeof value["resource"] !== "string" || !isRecord(value["type"])) return false;
    const isState = (state: unknown): boolean => state === null || isRecord(state);
    return typeof value["actor"] === "string" && isState(value["base"]) && isState(value["local"]);
}
