// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { KeyedQueue } from "../../src/core/keyed-queue.ts";

describe("KeyedQueue", () => {
    test("runs jobs of one key in order, others beside them", async () => {
        const queue = new KeyedQueue();
        const order: string[] = [];
        let release = (): void => {};
        const gate = new Promise<void>((resolve) => {
            release = resolve;
        });
        const first = queue.run("a", async () => {
            await gate;
            order.push("a1");
        });
        const second = queue.run("a", async () => {
            order.push("a2");
        });
        await queue.run("b", async () => {
            order.push("b");
        });
        expect(order).toEqual(["b"]);
        release();
        await Promise.all([first, second]);
        expect(order).toEqual(["b", "a1", "a2"]);
    });

    test("a failed job fails its caller and nobody behind it", async () => {
        const queue = new KeyedQueue();
        const failed = queue.run("a", async () => {
            throw new Error("no");
        });
        const next = queue.run("a", async () => 7);
        await expect(failed).rejects.toThrow("no");
        expect(await next).toBe(7);
    });

    test("keeps nothing of keys that are done", async () => {
        const queue = new KeyedQueue();
        for (let key = 0; key < 100; key += 1) void queue.run(String(key), async () => {});
        expect(queue.busyKeys).toBe(100);
        await queue.idle();
        expect(queue.busyKeys).toBe(0);
    });
});
