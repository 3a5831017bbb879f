// SPDX-License-Identifier: Apache-2.0
import type { KubeClient, ListQuery, WatchEvent } from "../../../src/kube/client/client.ts";
import { statusObjectError, unreachable } from "../../../src/kube/client/status-error.ts";
import type { KubeList, KubeObject } from "../../../src/kube/types.ts";

/** One open watch that a test feeds by hand. */
export interface OpenWatch {
    readonly resourceVersion: string;
    push(...events: WatchEvent[]): void;
    /** The server closes. */
    end(): void;
    /** The connection breaks. */
    reset(): void;
}

type ListAnswer = KubeList | Error | Promise<KubeList>;

/** The list and watch halves of a KubeClient, scripted: what each list answers, and watches fed by hand. */
export class FakeCluster {
    readonly lists: ListQuery[] = [];
    readonly watches: OpenWatch[] = [];
    readonly #answers: ListAnswer[];

    constructor(...answers: ListAnswer[]) {
        this.#answers = answers;
    }

    get watch(): OpenWatch {
        const last = this.watches.at(-1);
        if (last === undefined) throw new Error("no watch was opened");
        return last;
    }

    get client(): KubeClient {
        return {
            list: async (query: ListQuery) => {
                this.lists.push(query);
                const answer = this.#answers.shift();
                if (answer === undefined) throw new Error("unexpected list");
                if (answer instanceof Error) throw answer;
                return answer;
            },
            watch: (query: { resourceVersion: string }, signal: AbortSignal) => this.#open(query, signal),
        } as unknown as KubeClient;
    }

    #open({ resourceVersion }: { resourceVersion: string }, signal: AbortSignal): AsyncIterable<WatchEvent> {
        const queue: (WatchEvent | Error | undefined)[] = [];
        let wake = (): void => {};
        const add = (...items: (WatchEvent | Error | undefined)[]): void => {
            queue.push(...items);
            wake();
        };
        signal.addEventListener("abort", () => add(undefined));
        this.watches.push({
            resourceVersion,
            push: add,
            end: () => add(undefined),
            reset: () => add(unreachable("https://fake", new Error("socket hang up"))),
        });
        return (async function* () {
            for (;;) {
                while (queue.length === 0) {
                    await new Promise<void>((resolve) => {
                        wake = resolve;
                    });
                }
                const next = queue.shift();
                if (next === undefined) return;
                if (next instanceof Error) throw next;
                yield next;
            }
        })();
    }
}

export function pod(name: string, resourceVersion: string, uid = `uid-${name}`): KubeObject {
    return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", uid, resourceVersion } };
}

export function podList(resourceVersion: string, ...items: KubeObject[]): KubeList {
    return { apiVersion: "v1", kind: "PodList", metadata: { resourceVersion }, items };
}

export function gone(): Error {
    return statusObjectError({ code: 410, reason: "Expired", message: "too old resource version" });
}
