// SPDX-License-Identifier: Apache-2.0
import { failureLine } from "../failure.ts";

/**
 * Nodes that cannot start: every failure is said once, after the start, and one of a type that the role is nothing without ends the start. Any
 * other shows in its node, and the rest works: whoever put a node into a flow that cannot start needs the editor to mend it.
 */
export class StartFailures {
    /** Rejects with the failure that ends the start. */
    readonly fatal: Promise<never>;
    #reject: (thrown: unknown) => void = () => {};
    readonly #types: readonly string[];
    readonly #say: (line: string) => void;
    readonly #known = new Set<unknown>();
    #started = false;

    constructor(types: readonly string[], say: (line: string) => void) {
        this.#types = types;
        this.#say = say;
        this.fatal = new Promise<never>((_, reject) => {
            this.#reject = reject;
        });
        // It may come when nobody waits for it any more.
        this.fatal.catch(() => {});
    }

    /** From now on nothing ends it; what has failed beside it is said. */
    started(): void {
        this.#started = true;
        for (const thrown of this.#known) this.#say(failureLine(thrown));
    }

    take(thrown: unknown, type: string): void {
        if (!this.#started && this.#types.includes(type)) {
            this.#reject(thrown);
            return;
        }
        // Every node that waits for a config node fails with the config node's own error.
        if (this.#known.has(thrown)) return;
        this.#known.add(thrown);
        if (this.#started) this.#say(failureLine(thrown));
    }
}
