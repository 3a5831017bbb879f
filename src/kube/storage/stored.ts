// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../types.ts";

/** One version of one object. Shared between readers: never change `object`. */
export class Stored {
    readonly object: KubeObject;
    readonly revision: number;
    #json: string | undefined;

    constructor(object: KubeObject, revision: number) {
        this.object = object;
        this.revision = revision;
    }

    /** Serialised once, however many lists and watches carry it. */
    get json(): string {
        this.#json ??= JSON.stringify(this.object);
        return this.#json;
    }
}

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** One committed change. On DELETED `current` is the last state, with the resource version of the deletion. */
export interface Change {
    readonly type: ChangeType;
    readonly current: Stored;
    readonly previous: Stored | undefined;
}
