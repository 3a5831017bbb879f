// SPDX-License-Identifier: Apache-2.0
import type { EventEmitter } from "node:events";

const waiting = new WeakMap<EventEmitter, Promise<void>>();

/** Resolves when the deploy under way has finished: before that, wires lead nowhere. One listener for all nodes. */
export function flowsStarted(events: EventEmitter): Promise<void> {
    let started = waiting.get(events);
    if (started === undefined) {
        started = new Promise((resolve) => {
            events.once("flows:started", () => {
                waiting.delete(events);
                resolve();
            });
        });
        waiting.set(events, started);
    }
    return started;
}
