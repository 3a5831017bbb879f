// SPDX-License-Identifier: Apache-2.0
import type { Slave } from "./slave.ts";

/**
 * The slaves of a line that wait for their turn. Those with something to write, and those that have never been heard, go before
 * the others: on a line that is busy all the time, a desired value or a new device would otherwise wait until all have been read
 * again. Each stands here at most once, and has one request under way at a time: nobody is kept waiting for long by those before.
 */
export class Turns {
    readonly #urgent = new Set<Slave>();
    readonly #others = new Set<Slave>();

    add(slave: Slave): void {
        if (slave.hasWrites || slave.state === "unknown") {
            this.#others.delete(slave);
            this.#urgent.add(slave);
        } else if (!this.#urgent.has(slave)) this.#others.add(slave);
    }

    take(): Slave | undefined {
        for (const waiting of [this.#urgent, this.#others]) {
            for (const slave of waiting) {
                waiting.delete(slave);
                return slave;
            }
        }
        return undefined;
    }
}
