// SPDX-License-Identifier: Apache-2.0

/** Maps an event's name to what its listeners receive. */
export type EventMap = Record<string, readonly unknown[]>;

/** A typed event source. A listener that throws is the listener's defect: it surfaces as an uncaught exception. */
export class Emitter<Events extends EventMap> {
    readonly #listeners = new Map<keyof Events, Set<(...args: never[]) => void>>();

    /** Adds a listener and returns the function that removes it. */
    on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): () => void {
        let set = this.#listeners.get(name);
        if (set === undefined) {
            set = new Set();
            this.#listeners.set(name, set);
        }
        const added = listener as unknown as (...args: never[]) => void;
        set.add(added);
        return () => {
            set.delete(added);
        };
    }

    emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) {
            (listener as unknown as (...args: Events[Name]) => void)(...args);
        }
    }

    /** Removes every listener. */
    clear(): void {
        this.#listeners.clear();
    }
}
