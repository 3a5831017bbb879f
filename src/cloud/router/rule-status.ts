// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { asNumber, asRecord } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { CoalescingWriter } from "../shared/coalescing-writer.ts";

interface Counts {
    delivered: number;
    failed: number;
    readonly errors: string[];
}

const WRITE_INTERVAL_MS = 2000;
const KEPT_ERRORS = 5;

/** Counts what each rule delivered and what failed, in the rule's own status. */
export class RuleStatus {
    readonly #counts = new Map<string, Counts>();
    readonly #writer: CoalescingWriter;
    readonly #clock: Clock;

    constructor(
        cluster: KubeClient,
        clock: Clock,
        rule: (key: string) => KubeObject | undefined,
        onFailure: (key: string, thrown: unknown) => void,
    ) {
        this.#clock = clock;
        this.#writer = new CoalescingWriter({
            clock,
            intervalMs: WRITE_INTERVAL_MS,
            parallel: 4,
            onFailure,
            write: async (key) => {
                const counts = this.#counts.get(key);
                const object = rule(key);
                if (counts === undefined || object === undefined) return;
                const { namespace, name } = object.metadata;
                const { delivered: successMessages, failed: failMessages, errors } = counts;
                try {
                    const status = { successMessages, failMessages, errors };
                    await cluster.patch({ type: Kinds.rule, namespace, name }, { status }, "merge");
                } catch (thrown) {
                    if (!isNotFound(thrown)) throw thrown;
                }
            },
        });
    }

    delivered(rule: KubeObject): void {
        this.#of(rule).delivered += 1;
        this.#writer.mark(keyOf(rule));
    }

    failed(rule: KubeObject, reason: string): void {
        const counts = this.#of(rule);
        counts.failed += 1;
        this.#note(counts, reason);
        this.#writer.mark(keyOf(rule));
    }

    /** The rule cannot work as it stands; told once for as long as it says the same. */
    problem(rule: KubeObject, reason: string): void {
        const counts = this.#of(rule);
        if (counts.errors.at(-1)?.endsWith(` ${reason}`) === true) return;
        this.#note(counts, reason);
        this.#writer.mark(keyOf(rule));
    }

    forget(rule: KubeObject): void {
        this.#counts.delete(keyOf(rule));
        this.#writer.forget(keyOf(rule));
    }

    stop(): void {
        this.#writer.stop();
    }

    #note(counts: Counts, reason: string): void {
        counts.errors.push(`${new Date(this.#clock.nowMs()).toISOString()} ${reason}`);
        if (counts.errors.length > KEPT_ERRORS) counts.errors.shift();
    }

    /** Counting goes on where the last run of this program ended. */
    #of(rule: KubeObject): Counts {
        const key = keyOf(rule);
        let counts = this.#counts.get(key);
        if (counts === undefined) {
            const status = asRecord(rule["status"]);
            const errors = Array.isArray(status["errors"]) ? status["errors"].filter((e) => typeof e === "string") : [];
            counts = {
                delivered: asNumber(status["successMessages"]) ?? 0,
                failed: asNumber(status["failMessages"]) ?? 0,
                errors,
            };
            this.#counts.set(key, counts);
        }
        return counts;
    }
}

export function keyOf(object: KubeObject): string {
    return `${object.metadata.namespace ?? "default"}/${object.metadata.name}`;
}
