// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Ear, MAX_MESSAGE_BYTES, type Pair, pairs } from "../support/link/pairs.ts";

const MEBIBYTE = 1_048_576;

/** What CloudHub and EdgeHub rely on, whichever transport carries the link. */
describe.each(["websocket", "quic"] as const)("a connection over %s", (transport) => {
    let pair: Pair;

    beforeEach(async () => {
        pair = await pairs[transport]();
    });
    afterEach(async () => {
        await pair.end();
    });

    test("says what it is", () => {
        expect([pair.cloud.transport, pair.edge.transport]).toEqual([transport, transport]);
    });

    test("carries messages both ways, whole and in order, from nothing to megabytes", async () => {
        const texts = ["", "a", "ü€𝄞", "x".repeat(3 * MEBIBYTE), ...Array.from({ length: 500 }, (_, n) => `n${n}`)];
        const [cloud, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        for (const text of texts) {
            pair.cloud.send(text);
            pair.edge.send(text);
        }
        await Promise.all([cloud, edge].map((ear) => ear.until(() => ear.messages.length >= texts.length)));
        expect(cloud.messages).toEqual(texts);
        expect(edge.messages).toEqual(texts);
    });

    test("keeps what comes before somebody listens", async () => {
        pair.edge.send("early");
        const edge = new Ear(pair.edge);
        const cloud = new Ear(pair.cloud);
        pair.cloud.send("answer");
        await edge.until(() => edge.messages.includes("answer"));
        await cloud.until(() => cloud.messages.includes("early"));
    });

    test("tells when a message has left, and when it never will", async () => {
        new Ear(pair.edge);
        const cloud = new Ear(pair.cloud);
        expect(await new Promise((resolve) => pair.edge.send("goes", resolve))).toBeUndefined();
        pair.edge.destroy();
        await cloud.until(() => cloud.endings.length > 0);
        expect(await new Promise((resolve) => pair.edge.send("stays", resolve))).toBeInstanceOf(Error);
    });

    test("ends with code and reason, once, after all that was said before", async () => {
        const [cloud, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        for (let n = 0; n < 200; n += 1) pair.cloud.send("x".repeat(10_000));
        pair.cloud.close(4001, "another took over");
        await edge.until(() => edge.endings.length > 0);
        await cloud.until(() => cloud.endings.length > 0);
        expect(edge.messages).toHaveLength(200);
        expect(edge.endings).toEqual([{ code: 4001, reason: "another took over" }]);
        pair.cloud.close(1000, "again");
        pair.cloud.destroy();
        expect(cloud.endings).toHaveLength(1);
    });

    test("cut by one end, is closed for both, once", async () => {
        const [cloud, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        pair.edge.destroy();
        await Promise.all([cloud, edge].map((ear) => ear.until(() => ear.endings.length > 0)));
        expect(cloud.endings.map(({ code }) => code)).toEqual([1006]);
        expect(edge.endings.map(({ code }) => code)).toEqual([1006]);
    });

    test("a receiver that pauses holds the sender back; heartbeats and life go on when it resumes", async () => {
        const [cloud, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        pair.cloud.pause();
        let left = 0;
        const count = 24;
        for (let n = 0; n < count; n += 1) {
            pair.edge.send("x".repeat(MEBIBYTE), () => {
                left += 1;
            });
        }
        const answered = edge.signsOfLife;
        pair.edge.ping();
        if (transport === "quic") await edge.until(() => edge.signsOfLife > answered);
        expect(cloud.messages).toEqual([]);
        expect(pair.edge.queuedBytes).toBeGreaterThan(8 * MEBIBYTE);
        expect(left).toBeLessThan(count);
        pair.cloud.resume();
        await cloud.until(() => cloud.messages.length === count);
        await expect.poll(() => pair.edge.queuedBytes).toBe(0);
    });

    test("a sign of life is asked for and comes", async () => {
        const [, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        const before = edge.signsOfLife;
        pair.edge.ping();
        await edge.until(() => edge.signsOfLife > before);
    });

    test("heartbeats arrive", async () => {
        const cloud = new Ear(pair.cloud);
        pair.edge.beat("alive");
        await cloud.until(() => cloud.messages.includes("alive"));
    });

    test("a message beyond the limit ends the connection", async () => {
        const [cloud, edge] = [new Ear(pair.cloud), new Ear(pair.edge)];
        pair.edge.send("x".repeat(MAX_MESSAGE_BYTES + 1));
        await cloud.until(() => cloud.endings.length > 0);
        await edge.until(() => edge.endings.length > 0);
        expect(edge.endings[0]?.code).toBe(1009);
        expect(cloud.messages).toEqual([]);
    });
});
