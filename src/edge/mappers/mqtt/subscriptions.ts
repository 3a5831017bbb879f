// SPDX-License-Identifier: Apache-2.0
import { topicMatches } from "../../eventbus/topics.ts";

/** Which devices want which topics; tells when a topic is wanted for the first and for the last time. */
export class Subscriptions {
    readonly #tell: (action: "subscribe" | "unsubscribe", topic: string, qos: number) => void;
    readonly #devices = new Map<string, Set<string>>();

    constructor(tell: (action: "subscribe" | "unsubscribe", topic: string, qos: number) => void) {
        this.#tell = tell;
    }

    get size(): number {
        return this.#devices.size;
    }

    add(device: string, topic: string, qos: number): void {
        const devices = this.#devices.get(topic);
        if (devices !== undefined) {
            devices.add(device);
            return;
        }
        this.#devices.set(topic, new Set([device]));
        this.#tell("subscribe", topic, qos);
    }

    remove(device: string): void {
        for (const [topic, devices] of [...this.#devices]) {
            if (!devices.delete(device) || devices.size > 0) continue;
            this.#devices.delete(topic);
            this.#tell("unsubscribe", topic, 0);
        }
    }

    matches(filter: string, topic: string): boolean {
        return filter === topic || topicMatches(filter, topic);
    }

    devicesFor(topic: string): ReadonlySet<string> {
        const exact = this.#devices.get(topic);
        const found = new Set(exact);
        for (const [filter, devices] of this.#devices) {
            if (!/[+#]/.test(filter) || !topicMatches(filter, topic)) continue;
            for (const device of devices) found.add(device);
        }
        return found;
    }
}
