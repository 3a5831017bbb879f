// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { RedgeError } from "../../../../src/core/errors/redge-error.ts";
import type { KubeClient, ListQuery, WatchEvent } from "../../../../src/kube/client/client.ts";

/** A KubeClient for a child process whose API server lives in the parent and outlives it, over the IPC channel. */

type Method = "get" | "list" | "create" | "replace" | "patch" | "delete";

interface Call {
    readonly rpc: "call";
    readonly id: number;
    readonly method: Method | "watch" | "unwatch";
    readonly args: readonly unknown[];
}

interface Answer {
    readonly rpc: "answer";
    readonly id: number;
    readonly result?: unknown;
    readonly failure?: { readonly code: string; readonly details: Record<string, string | number> };
    /** Of a watch; without it the watch is over. */
    readonly event?: WatchEvent;
    readonly more?: boolean;
}

export function remoteCluster(): KubeClient {
    let lastId = 0;
    const waiting = new Map<number, (answer: Answer) => void>();
    process.on("message", (message: Answer) => {
        if (message.rpc === "answer") waiting.get(message.id)?.(message);
    });
    const call = async <T>(method: Method, args: readonly unknown[]): Promise<T> => {
        lastId += 1;
        const id = lastId;
        const answer = await new Promise<Answer>((resolve) => {
            waiting.set(id, resolve);
            process.send?.({ rpc: "call", id, method, args } satisfies Call);
        });
        waiting.delete(id);
        if (answer.failure !== undefined) throw errorOf(answer.failure);
        return answer.result as T;
    };
    async function* watch(query: ListQuery & { resourceVersion: string }, signal: AbortSignal) {
        lastId += 1;
        const id = lastId;
        const answers: Answer[] = [];
        let wake = (): void => {};
        waiting.set(id, (answer) => {
            answers.push(answer);
            wake();
        });
        const aborted = (): void => wake();
        signal.addEventListener("abort", aborted);
        process.send?.({ rpc: "call", id, method: "watch", args: [query] } satisfies Call);
        try {
            while (!signal.aborted) {
                const answer = answers.shift();
                if (answer?.event !== undefined) yield answer.event;
                else if (answer?.failure !== undefined) throw errorOf(answer.failure);
                else if (answer !== undefined) return;
                else
                    await new Promise<void>((resolve) => {
                        wake = resolve;
                    });
            }
        } finally {
            signal.removeEventListener("abort", aborted);
            waiting.delete(id);
            process.send?.({ rpc: "call", id, method: "unwatch", args: [] } satisfies Call);
        }
    }
    return {
        get: (...args) => call("get", args),
        list: (...args) => call("list", args),
        create: (...args) => call("create", args),
        replace: (...args) => call("replace", args),
        patch: (...args) => call("patch", args),
        delete: (...args) => call("delete", args),
        watch,
        close: async () => {},
    };
}

/** Serves the parent's cluster to a child until it ends. */
export function serveCluster(child: ChildProcess, cluster: KubeClient): void {
    const watches = new Map<number, AbortController>();
    const answer = (message: Omit<Answer, "rpc">): void => {
        if (child.connected) child.send({ rpc: "answer", ...message }, () => {});
    };
    child.on("exit", () => {
        for (const controller of watches.values()) controller.abort();
    });
    child.on("message", (message: Call) => {
        if (message.rpc !== "call") return;
        const { id, method, args } = message;
        if (method === "unwatch") {
            watches.get(id)?.abort();
            watches.delete(id);
        } else if (method === "watch") {
            const controller = new AbortController();
            watches.set(id, controller);
            void follow(cluster, args[0] as ListQuery & { resourceVersion: string }, controller.signal, id, answer);
        } else {
            const run = cluster[method] as (...args: readonly unknown[]) => Promise<unknown>;
            run.apply(cluster, [...args]).then(
                (result) => answer({ id, result }),
                (thrown: unknown) => answer({ id, failure: failureOf(thrown) }),
            );
        }
    });
}

async function follow(
    cluster: KubeClient,
    query: ListQuery & { resourceVersion: string },
    signal: AbortSignal,
    id: number,
    answer: (message: Omit<Answer, "rpc">) => void,
): Promise<void> {
    try {
        for await (const event of cluster.watch(query, signal)) answer({ id, event });
        answer({ id });
    } catch (thrown) {
        answer({ id, failure: failureOf(thrown) });
    }
}

function failureOf(thrown: unknown): { code: string; details: Record<string, string | number> } {
    if (!(thrown instanceof RedgeError)) return { code: "REDGE_KUBE_UNREACHABLE", details: { reason: String(thrown) } };
    return { code: thrown.code, details: thrown.details as Record<string, string | number> };
}

function errorOf({ code, details }: { code: string; details: Record<string, string | number> }): RedgeError {
    return new RedgeError(code === "REDGE_KUBE_STATUS" ? code : "REDGE_KUBE_UNREACHABLE", details);
}
