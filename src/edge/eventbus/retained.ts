// SPDX-License-Identifier: Apache-2.0
import { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";

export interface RetainedMessage {
    readonly topic: string;
    readonly payload: Buffer;
    readonly qos: 0 | 1 | 2;
}

interface Stored {
    readonly payload: string;
    readonly qos: 0 | 1 | 2;
}

/** The broker's retained messages on disk, so that they outlive a restart. The newest of each topic; an empty one clears it. */
export class Retained {
    readonly #store: DocumentStore;
    readonly #commits: GroupCommit;
    readonly #failed: (thrown: unknown) => void;

    /** `failed` is told when the store takes nothing; the broker goes on with what it has in memory. */
    constructor(store: DocumentStore, failed: (thrown: unknown) => void) {
        this.#store = store;
        this.#commits = new GroupCommit(store);
        this.#failed = failed;
    }

    async load(): Promise<readonly RetainedMessage[]> {
        const entries = await this.#store.scan<Stored>("");
        return entries.map(({ key: topic, value: { payload, qos } }) => ({
            topic,
            payload: Buffer.from(payload, "base64"),
            qos,
        }));
    }

    /** Resolves when it is on disk. @throws REDGE_STORE_* when it is kept in memory alone */
    async keep({ topic, payload, qos }: RetainedMessage): Promise<void> {
        if (payload.length === 0) this.#commits.delete(topic);
        else this.#commits.put(topic, () => ({ payload: payload.toString("base64"), qos }) satisfies Stored);
        try {
            await this.#commits.commit();
        } catch (thrown) {
            this.#failed(thrown);
            throw thrown;
        }
    }

    /** Everything kept so far is on disk, or `failed` knows. */
    async settled(): Promise<void> {
        await this.#commits.commit().catch(this.#failed);
    }
}
