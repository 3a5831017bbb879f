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

/** At most `parallel` handshakes at a time; resolves when all are connected. */
export async function connectAll(edges: readonly LoadEdge[], parallel = 64): Promise<number> {
    const beganMs = wallMs();
    let next = 0;
    const worker = async (): Promise<void> => {
        for (let edge = edges[next++]; edge !== undefined; edge = edges[next++]) {
            const current = edge;
            await new Promise<void>((resolve) => {
                current.onConnected = resolve;
                current.connect();
            });
        }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return wallMs() - beganMs;
}
