// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:net";

/**
 * Below what the kernel hands out by itself (from 32768 on), so that no outgoing connection and no `listen(0)` of another test
 * takes a port between the look here and its use, or while its owner is being restarted.
 */
const FIRST = 12_000;
const PER_WORKER = 2_000;
const WORKERS = 10;

const worker = Number(process.env["VITEST_POOL_ID"] ?? process.pid) % WORKERS;
let next = Math.floor(Math.random() * PER_WORKER);

/** Free TCP ports on loopback that no other test worker is given. */
export async function freePorts(count: number): Promise<number[]> {
    const ports: number[] = [];
    for (let tried = 0; ports.length < count; tried++) {
        if (tried === PER_WORKER) throw new Error(`no ${count} free ports from ${FIRST} on`);
        const port = FIRST + worker * PER_WORKER + next;
        next = (next + 1) % PER_WORKER;
        if (await isFree(port)) ports.push(port);
    }
    return ports;
}

function isFree(port: number): Promise<boolean> {
    const server = createServer();
    return new Promise((resolve) => {
        server.once("error", () => resolve(false));
        server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
}
