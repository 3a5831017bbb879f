// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { Outbox, type OutboxLimits } from "../../../src/edge/edgehub/outbox.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { DurableClass } from "../../../src/link/durable.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { below } from "../../../src/store/store.ts";

function user(n: number): Envelope {
    return newEnvelope({
        route: { source: "bus", group: "user", operation: "upload", resource: "t" },
        content: `message ${n}`,
        id: `u${n}`,
    });
}

function twin(id: string, values: Record<string, number>): Envelope {
    const properties = Object.entries(values).map(([name, value]) => [name, { actual: { value: String(value) } }]);
    return newEnvelope({
        route: {
            source: "twin",
            group: "resource",
            operation: "update",
            resource: "device/default/d/twin/edge_updated",
        },
        content: { event_id: "", twin: Object.fromEntries(properties) },
        id,
    });
}

async function setUp(limits: Partial<OutboxLimits> = {}, store = new MemoryStore(), clock = new ManualClock()) {
    const dropped: string[] = [];
    const outbox = new Outbox(
        store,
        clock,
        { maxBytes: 1_000_000, maxMessages: 100, maxAgeMs: 3_600_000, ...limits },
        { dropped: (kind, reason) => dropped.push(`${kind} ${reason}`), coalesced: () => {} },
    );
    await outbox.load();
    return { outbox, store, clock, dropped };
}

async function drain(outbox: Outbox): Promise<string[]> {
    const ids: string[] = [];
    for (let next = await outbox.next(); next !== undefined; next = await outbox.next()) ids.push(next.header.msg_id);
    return ids;
}

async function addAll(outbox: Outbox, kind: DurableClass, envelopes: readonly Envelope[]): Promise<void> {
    for (const envelope of envelopes) await outbox.add(envelope, kind);
}

describe("the outbox", () => {
    test("a report that is offered again under the same id is there once, over restarts too, until it is delivered", async () => {
        const kept = newEnvelope({ ...twin("k1", { a: 1 }), id: "k1", type: "keep-all" });
        const { outbox, store } = await setUp();
        await addAll(outbox, "twin", [kept, kept]);
        const { outbox: again } = await setUp({}, store);
        await again.add(kept, "twin");
        expect(await drain(again)).toEqual(["k1"]);
        again.settle("k1", "delivered");
        await again.add(kept, "twin");
        expect(await drain(again)).toEqual(["k1"]);
    });

    test("gives messages in order, again after a broken link, and after a restart", async () => {
        const { outbox, store } = await setUp();
        await addAll(outbox, "user", [user(1), user(2), user(3)]);
        expect(await drain(outbox)).toEqual(["u1", "u2", "u3"]);
        outbox.settle("u2", "delivered");
        outbox.rewind();
        expect(await drain(outbox)).toEqual(["u1", "u3"]);
        const { outbox: next } = await setUp({}, store);
        expect(await drain(next)).toEqual(["u1", "u3"]);
        expect(next.storeId).toBe(outbox.storeId);
    });

    test("kept reports hold up nothing else, keep their order and are not held up for ever, also after a broken link", async () => {
        const { outbox } = await setUp();
        const kept = (id: string) => newEnvelope({ ...twin(id, { a: 1 }), id, type: "keep-all" });
        await addAll(outbox, "twin", ["k1", "k2", "k3", "k4", "k5", "k6"].map(kept));
        expect([await outbox.next(), await outbox.next()].map((sent) => sent?.header.msg_id)).toEqual(["k1", "k2"]);
        await addAll(outbox, "user", [user(1)]);
        await addAll(outbox, "twin", [twin("t1", { b: 1 })]);
        await addAll(outbox, "user", [user(2), user(3), user(4)]);
        const apart = (ids: readonly string[]) =>
            [/^k/, /^[ut]/].map((lane) => ids.filter((id) => lane.test(id)).join(" "));
        const rest = await drain(outbox);
        expect(rest.indexOf("u1")).toBeLessThan(2);
        expect(rest.indexOf("t1")).toBeLessThan(3);
        // Every fourth message is the oldest of all.
        expect(rest.indexOf("k3")).toBeLessThan(4);
        expect(apart(rest)).toEqual(["k3 k4 k5 k6", "u1 t1 u2 u3 u4"]);
        outbox.rewind();
        const again = await drain(outbox);
        expect(again.indexOf("u4")).toBeLessThan(8);
        expect(apart(again)).toEqual(["k1 k2 k3 k4 k5 k6", "u1 t1 u2 u3 u4"]);
    });

    test("joins reports of one device to the newest value of each property, until they are sent", async () => {
        const { outbox } = await setUp();
        await addAll(outbox, "twin", [twin("t1", { a: 1, b: 1 }), twin("t2", { a: 2 })]);
        const first = await outbox.next();
        expect(first?.content).toMatchObject({
            twin: { a: { actual: { value: "2" } }, b: { actual: { value: "1" } } },
        });
        expect(first?.header.msg_id).toBe("t2");
        await addAll(outbox, "twin", [twin("t3", { a: 3 })]);
        expect((await outbox.next())?.header.msg_id).toBe("t3");
    });

    test("never joins events and user data", async () => {
        const { outbox } = await setUp();
        await addAll(outbox, "user", [user(1), user(1)]);
        expect(outbox.size).toBe(2);
    });

    test("drops the oldest over the limit, counts it, and remembers the count", async () => {
        const { outbox, store, dropped } = await setUp({ maxMessages: 2 });
        await addAll(outbox, "user", [user(1), user(2), user(3)]);
        expect(dropped).toEqual(["user size"]);
        const { outbox: next } = await setUp({ maxMessages: 2 }, store);
        expect(await drain(next)).toEqual(["u2", "u3"]);
        expect(next.drops).toEqual({ "user size": 1 });
    });

    test("keeps what may have arrived rather than count it wrongly", async () => {
        const { outbox, dropped } = await setUp({ maxMessages: 2 });
        await addAll(outbox, "user", [user(1), user(2)]);
        await outbox.next();
        outbox.rewind();
        await addAll(outbox, "user", [user(3)]);
        expect(dropped).toEqual(["user size"]);
        expect(await drain(outbox)).toEqual(["u1", "u3"]);
    });

    test("drops what is too old, by the time it came in", async () => {
        const { outbox, clock, dropped } = await setUp({ maxAgeMs: 1_000 });
        await addAll(outbox, "user", [user(1)]);
        await clock.advance(1_001);
        await addAll(outbox, "user", [user(2)]);
        await outbox.expire();
        expect(dropped).toEqual(["user age"]);
        expect(await drain(outbox)).toEqual(["u2"]);
    });

    test("refuses what a full disk does not take, and keeps what it has", async () => {
        const memory = new MemoryStore();
        let full = false;
        const store = {
            ...below(memory, ""),
            write: async (ops: Parameters<MemoryStore["write"]>[0]) => {
                if (full) throw new Error("full");
                await memory.write(ops);
            },
        };
        const { outbox } = await setUp({}, store as MemoryStore);
        await addAll(outbox, "user", [user(1)]);
        full = true;
        await expect(outbox.add(user(2), "user")).rejects.toThrow("full");
        full = false;
        await addAll(outbox, "user", [user(3)]);
        expect(await drain(outbox)).toEqual(["u1", "u3"]);
    });

    test("refuses a message that can never fit", async () => {
        const { outbox } = await setUp({ maxBytes: 50 });
        await expect(outbox.add(user(1), "user")).rejects.toMatchObject({ code: "REDGE_LINK_OUTBOX_FULL" });
    });
});
