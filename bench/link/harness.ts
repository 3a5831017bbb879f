// SPDX-License-Identifier: Apache-2.0
import { TestPki } from "../../test/support/link/test-pki.ts";
import { LoadEdge } from "./load-client.ts";
import { type ServerOptions, ServerProcess } from "./process.ts";

export const pki = new TestPki();
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Comparable between processes of one machine, with fractions. */
export const wallMs = (): number => performance.timeOrigin + performance.now();

export interface Memory {
    readonly rss: number;
    readonly heapUsed: number;
    readonly cpuMs: number;
    readonly online: number;
}

export async function withServer<T>(
    body: (server: ServerProcess) => Promise<T>,
    options: ServerOptions = {},
): Promise<T> {
    const server = new ServerProcess(pki, options);
    try {
        await server.start();
        return await body(server);
    } finally {
        await server.remove();
    }
}

export function makeEdges({ port, quicPort }: ServerProcess, count: number, redge: boolean): LoadEdge[] {
    return Array.from({ length: count }, (_, n) => {
        const node = `edge-${n}`;
        return new LoadEdge({ node, port, quicPort, tls: pki.node(node), redge, heartbeatMs: 15_000 });
    });
}

/** Runs `task` on all, at most `parallel` at a time; answers in their order. */
export async function allWithin<T, R>(
    parallel: number,
    items: readonly T[],
    task: (item: T, at: number) => Promise<R>,
): Promise<R[]> {
    const results: R[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
        for (let at = next++; at < items.length; at = next++) results[at] = await task(items[at] as T, at);
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return results;
}

const ANSWER_MS = 5_000;

interface RegistrationAnswer {
    readonly Object: { readonly metadata?: { readonly uid?: string } } | null;
    readonly Err?: { readonly ErrStatus?: { readonly reason?: string } } | null;
}

/**
 * Connects all, each with its Node created and answered for; the milliseconds it took. `settleMs`: how long each waits after
 * it connected.
 */
export async function registerAll(edges: readonly LoadEdge[], parallel = 64, settleMs = 0): Promise<number> {
    const began = wallMs();
    await allWithin(parallel, edges, async (edge) => {
        await new Promise<void>((resolve) => {
            edge.onConnected = resolve;
            edge.connect();
        });
        if (settleMs > 0) await pause(settleMs);
        const { node } = edge;
        const route = { source: "edged", group: "meta", operation: "insert", resource: `null/node/${node}` };
        const metadata = { name: node, labels: { "node-role.kubernetes.io/edge": "" } };
        const { content } = await edge.insist(route, { metadata, spec: {}, status: {} }, ANSWER_MS);
        const { Object: created, Err: failure } = content as RegistrationAnswer;
        // An answer that was lost was an answer to a Node that was created.
        const made = edge.repeats > 0 && failure?.ErrStatus?.reason === "AlreadyExists";
        if (created?.metadata?.uid === undefined && !made)
            throw new Error(`${node} was not registered: ${JSON.stringify(content)}`);
    });
    return wallMs() - began;
}

/** At most `parallel` handshakes at a time; resolves when all are connected. */
export async function connectAll(edges: readonly LoadEdge[], parallel = 64): Promise<number> {
    const beganMs = wallMs();
    await allWithin(
        parallel,
        edges,
        (edge) =>
            new Promise<void>((resolve) => {
                edge.onConnected = resolve;
                edge.connect();
            }),
    );
    return wallMs() - beganMs;
}
