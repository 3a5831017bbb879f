// SPDX-License-Identifier: Apache-2.0
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { Informer } from "../../../src/kube/client/informer.ts";
import { Kinds, type KubeList, type KubeObject } from "../../../src/kube/types.ts";
import { FakeCluster, gone, pod, podList } from "./fake-cluster.ts";

const running: Informer<KubeObject>[] = [];
afterEach(async () => {
    for (const informer of running.splice(0)) await informer.stop();
});

async function follow(
    cluster: FakeCluster,
): Promise<{ informer: Informer<KubeObject>; told: string[]; clock: ManualClock }> {
    const clock = new ManualClock();
    const informer = new Informer(
        {
            cluster: cluster.client,
            query: { type: Kinds.pod },
            indexes: { first: (object) => [object.metadata.name.slice(0, 1)] },
        },
        { clock, random: () => 0 },
    );
    const told: string[] = [];
    informer.on("add", ({ metadata }) => told.push(`add ${metadata.name}@${metadata.resourceVersion}`));
    informer.on("update", ({ metadata }) => told.push(`update ${metadata.name}@${metadata.resourceVersion}`));
    informer.on("delete", ({ metadata }) => told.push(`delete ${metadata.name}`));
    informer.on("synced", () => told.push("synced"));
    informer.on("trouble", () => told.push("trouble"));
    running.push(informer);
    await informer.start();
    await clock.advance(0);
    return { informer, told, clock };
}

describe("Informer", () => {
    it("lists in pages, tells the adds, then watches from the list's version", async () => {
        const first = podList("4", pod("a", "1"));
        first.metadata.continue = "next";
        const cluster = new FakeCluster(first, podList("4", pod("b", "2")));
        const { informer, told } = await follow(cluster);
        expect(told).toEqual(["add a@1", "add b@2", "synced"]);
        expect(cluster.lists.map(({ limit, continueToken }) => [limit, continueToken])).toEqual([
            [500, undefined],
            [500, "next"],
        ]);
        expect(cluster.watch.resourceVersion).toBe("4");
        expect(informer.synced).toBe(true);
        expect(informer.get("default", "a")?.metadata.resourceVersion).toBe("1");
        await informer.whenSynced();
    });

    it("costs a signal one listener however many wait with it, and lets all go when it aborts or the list is there", async () => {
        const cluster = new FakeCluster(podList("1"));
        const informer = new Informer(
            { cluster: cluster.client, query: { type: Kinds.pod } },
            { clock: new ManualClock(), random: () => 0 },
        );
        running.push(informer);
        const [early, late] = [new AbortController(), new AbortController()];
        const givenUp = Array.from({ length: 20 }, () => informer.whenSynced(early.signal));
        const patient = Array.from({ length: 20 }, () => informer.whenSynced(late.signal));
        const unending = informer.whenSynced();
        expect(getEventListeners(early.signal, "abort")).toHaveLength(1);
        early.abort();
        await Promise.all(givenUp);
        expect(informer.synced).toBe(false);
        await informer.start();
        await Promise.all([...patient, unending]);
        expect(informer.synced).toBe(true);
        expect(getEventListeners(late.signal, "abort")).toEqual([]);
    });

    it("tells changes once, keeps its indexes, and does not tell what it already told", async () => {
        const cluster = new FakeCluster(podList("1", pod("a", "1")));
        const { informer, told, clock } = await follow(cluster);
        cluster.watch.push(
            { type: "ADDED", object: pod("a", "1") },
            { type: "MODIFIED", object: pod("a", "2") },
            { type: "ADDED", object: pod("b", "3") },
            { type: "DELETED", object: pod("a", "4") },
            { type: "DELETED", object: pod("a", "4") },
        );
        await clock.advance(0);
        expect(told.slice(2)).toEqual(["update a@2", "add b@3", "delete a"]);
        expect(informer.byIndex("first", "a")).toEqual([]);
        expect(informer.byIndex("first", "b").map(({ metadata }) => metadata.name)).toEqual(["b"]);
    });

    it("watches again from the newest bookmark when the server closes", async () => {
        const cluster = new FakeCluster(podList("1"));
        const { clock, told } = await follow(cluster);
        cluster.watch.push({ type: "BOOKMARK", object: pod("", "90") });
        await clock.advance(1500);
        cluster.watch.end();
        await clock.advance(0);
        expect(cluster.watches.map(({ resourceVersion }) => resourceVersion)).toEqual(["1", "90"]);
        expect(cluster.lists).toHaveLength(1);
        expect(told).toEqual(["synced"]);
    });

    it("goes on from the last event after a reset connection, after a pause, without listing", async () => {
        const cluster = new FakeCluster(podList("1"));
        const { clock, told } = await follow(cluster);
        cluster.watch.push({ type: "ADDED", object: pod("a", "7") });
        cluster.watch.reset();
        await clock.advance(999);
        expect(cluster.watches).toHaveLength(1);
        await clock.advance(1);
        expect(cluster.watch.resourceVersion).toBe("7");
        expect(cluster.lists).toHaveLength(1);
        expect(told).toEqual(["synced", "add a@7", "trouble"]);
    });

    it("lists again at once on 410 and tells the difference, a re-made object as delete and add", async () => {
        const cluster = new FakeCluster(
            podList("1", pod("kept", "1"), pod("changed", "1"), pod("gone", "1"), pod("remade", "1")),
            podList("9", pod("kept", "1"), pod("changed", "5"), pod("new", "6"), pod("remade", "7", "another")),
        );
        const { clock, told } = await follow(cluster);
        told.length = 0;
        cluster.watch.push({
            type: "ERROR",
            object: { kind: "Status", apiVersion: "v1", metadata: { name: "" }, code: 410, reason: "Expired" },
        });
        await clock.advance(0);
        expect(told).toEqual(["delete gone", "update changed@5", "add new@6", "delete remade", "add remade@7"]);
        expect(cluster.watch.resourceVersion).toBe("9");
    });

    it("keeps trying after failed lists, waiting longer each time, up to 30 s", async () => {
        const failures = Array.from({ length: 7 }, () => new Error("500"));
        const cluster = new FakeCluster(...failures, podList("1", pod("a", "1")));
        const { clock, told, informer } = await follow(cluster);
        const waits: number[] = [];
        for (let seen = cluster.lists.length, waitedMs = 0; !informer.synced; waitedMs += 500) {
            await clock.advance(500);
            if (cluster.lists.length > seen) {
                waits.push(waitedMs + 500);
                waitedMs = -500;
                seen = cluster.lists.length;
            }
        }
        expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        expect(told.at(-1)).toBe("synced");
    });

    it("takes a list in one piece when its pages expired half way", async () => {
        const first = podList("4", pod("a", "1"));
        first.metadata.continue = "next";
        const cluster = new FakeCluster(first, gone(), podList("8", pod("a", "1"), pod("b", "2")));
        const { told } = await follow(cluster);
        expect(told).toEqual(["add a@1", "add b@2", "synced"]);
        expect(cluster.lists.at(-1)?.limit).toBeUndefined();
    });

    it("tells nothing after stop, not even the list that was under way", async () => {
        let answer = (_: KubeList): void => {};
        const cluster = new FakeCluster(
            new Promise<KubeList>((resolve) => {
                answer = resolve;
            }),
        );
        const { informer, told, clock } = await follow(cluster);
        await informer.stop();
        answer(podList("1", pod("a", "1")));
        await clock.advance(60_000);
        expect(told).toEqual([]);
        expect(cluster.watches).toHaveLength(0);
    });

    it("stops in a watch and in a pause, and can stop twice", async () => {
        const watching = new FakeCluster(podList("1"));
        const one = await follow(watching);
        await one.informer.stop();
        await one.informer.stop();
        watching.watch.push({ type: "ADDED", object: pod("a", "7") });
        await one.clock.advance(60_000);
        expect(one.told).toEqual(["synced"]);
        const pausing = new FakeCluster(new Error("500"));
        const two = await follow(pausing);
        await two.informer.stop();
        await two.clock.advance(60_000);
        expect(pausing.lists).toHaveLength(1);
        expect(two.clock.pendingTimers).toBe(0);
    });

    it("waits when a server ends every watch at once", async () => {
        const cluster = new FakeCluster(podList("1"));
        const { clock } = await follow(cluster);
        cluster.watch.end();
        await clock.advance(0);
        expect(cluster.watches).toHaveLength(1);
        await clock.advance(1000);
        expect(cluster.watches).toHaveLength(2);
    });

    it("leaves out an object that cannot be read, and goes on", async () => {
        const cluster = new FakeCluster(podList("1", pod("bad", "1"), pod("good", "1")));
        const clock = new ManualClock();
        const parse = (object: KubeObject): KubeObject => {
            if (object.metadata.name === "bad") throw new Error("bad object");
            return object;
        };
        const informer = new Informer(
            { cluster: cluster.client, query: { type: Kinds.pod }, parse },
            { clock, random: () => 0 },
        );
        running.push(informer);
        const trouble: string[] = [];
        informer.on("trouble", ({ message }) => trouble.push(message));
        await informer.start();
        await clock.advance(0);
        expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["good"]);
        expect(trouble).toEqual(["bad object"]);
    });
});
