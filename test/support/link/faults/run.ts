// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kinds } from "../../../../src/kube/types.ts";
import { Relay } from "../relay.ts";
import { TestPki } from "../test-pki.ts";
import { type Books, Ends, OUTBOX } from "./ends-under-fault.ts";
import { SPEED } from "./jumping-clock.ts";
import { faults } from "./kinds.ts";
import { Meddler } from "./meddler.ts";
import { NODE, World } from "./world.ts";

const DEVICES = 8;
/** What is still wrong must change within this time, or it is wrong. */
const STUCK_MS = 60_000;

/**
 * At least `count` faults over at least `minutes` of the ends' own time. Answers the exit code and prints a summary as
 * JSON: what happened, what was dropped by policy, and in `findings` everything on which the ends do not agree in the end.
 */
export async function runFaults(count: number, minutes: number, seed: number): Promise<number> {
    const random = mulberry32(seed);
    const folder = mkdtempSync(join(tmpdir(), "redge-faults-"));
    const world = new World(random, DEVICES);
    await world.create();
    const pki = new TestPki();
    const meddler = new Meddler(pki.server(), pki.node(NODE), random);
    await meddler.start();
    const relay = new Relay(meddler.port);
    const ends = new Ends({ pki, relay, meddler, world, path: join(folder, "edge.db"), node: NODE, devices: DEVICES });
    const done: Record<string, number> = {};
    const began = performance.now();
    try {
        await ends.startCloud();
        await relay.start();
        await ends.startEdge();
        const changing = setInterval(() => void world.change(), 40);
        const kinds = Object.entries(faults);
        const simulatedMs = (): number => (performance.now() - began) * SPEED;
        for (let n = 0; n < count || simulatedMs() < minutes * 60_000; n += 1) {
            const weights = kinds.map(([, { weight }]) => weight);
            const [name, fault] = kinds[choose(weights, random())] ?? ["", faults["cut"]];
            await fault?.run({ ends, relay, meddler, world, random });
            done[name] = (done[name] ?? 0) + 1;
            await wait(100 + random() * 500);
        }
        clearInterval(changing);
        ends.heal();
        ends.pauseEdge();
        const findings = await settle(world, ends);
        const seconds = Math.round((performance.now() - began) / 1000);
        const { taken, userArrivals } = ends.books;
        const { drops: dropped } = await ends.dump();
        const again = userArrivals.length - new Set(userArrivals.map(({ id }) => id)).size;
        const summary = {
            seed,
            seconds,
            simulatedMinutes: Math.round(simulatedMs() / 60_000),
            faults: done,
            meddled: meddler.counts,
            taken: taken.size,
            dropped,
            userAgainAfterKills: again,
            findings,
        };
        process.stdout.write(`${JSON.stringify(summary)}\n`);
        return findings.length === 0 ? 0 : 1;
    } finally {
        await ends.stop();
        await relay.stop();
        await meddler.stop();
        rmSync(folder, { recursive: true, force: true });
    }
}

/** Waits until nothing is wrong any more, or says what still is when it stays the same. */
async function settle(world: World, ends: Ends): Promise<readonly string[]> {
    let last = "";
    let changedMs = performance.now();
    for (;;) {
        const findings = await compare(world, ends);
        if (findings.length === 0 || performance.now() - changedMs > STUCK_MS) return findings;
        const text = JSON.stringify(findings);
        if (text !== last) changedMs = performance.now();
        last = text;
        await wait(500);
    }
}

async function compare(world: World, ends: Ends): Promise<readonly string[]> {
    const findings: string[] = [];
    const { kept, outbox, drops } = await ends.dump();
    if (outbox > 0) findings.push(`${outbox} messages are still in the outbox`);
    const counted = Object.values(drops).reduce((sum, count) => sum + count, 0);
    if (ends.books.dropped !== counted) findings.push(`${ends.books.dropped} drops are shown, ${counted} on record`);
    const wanted = world.wanted();
    for (const [resource, { uid, versions }] of wanted) {
        const has = kept.get(resource) ?? "nothing";
        if (versions.some((version) => has === `${uid} ${version}`)) continue;
        const record = world.recorded(uid);
        findings.push(`${resource}: the edge has ${has}, the API ${uid} ${versions.join(" or ")}, on record ${record}`);
    }
    for (const resource of kept.keys()) if (!wanted.has(resource)) findings.push(`${resource}: gone, but at the edge`);
    findings.push(...compareEvents(world, ends.books, drops), ...compareUser(ends.books, drops));
    for (const [device, value] of ends.books.lastReport) {
        const reported = Number(world.reported().get(device));
        if (reported < value) findings.push(`${device}: reported ${reported}, the edge said ${value}`);
    }
    return findings;
}

function compareEvents(world: World, { taken, offered }: Books, drops: Readonly<Record<string, number>>): string[] {
    const inApi = world.cluster.all(Kinds.event).map(({ metadata }) => `default/event/${metadata.name}`);
    const there = new Set(inApi);
    const missing = [...taken].filter((name) => name.startsWith("default/event/") && !there.has(name));
    const strange = inApi.filter((name) => name.includes("/event/e-") && !offered.has(name));
    const wrong = lostBeyond(missing.length, "event", drops);
    const twice = [...there].filter((name) => world.cluster.created(Kinds.event, name.split("/")[2] ?? "") > 1);
    const order = world.eventsInOrder();
    const late = order.filter((n, at) => at > 0 && n < (order[at - 1] ?? 0));
    return [
        ...wrong,
        ...late.map((n) => `event ${n} was written after a later one`),
        ...strange.map((name) => `${name} was never offered`),
        ...twice.map((name) => `${name} was created twice`),
    ];
}

function compareUser({ taken, userArrivals }: Books, drops: Readonly<Record<string, number>>): string[] {
    const seen = new Set<string>();
    const order: number[] = [];
    for (const { id, n } of userArrivals) {
        if (seen.has(id)) continue;
        seen.add(id);
        order.push(n);
    }
    const arrived = new Set(order);
    const missing = [...taken].filter((name) => name.startsWith("user ") && !arrived.has(Number(name.slice(5))));
    const wrong = lostBeyond(missing.length, "user", drops);
    const disorder = order.filter((n, at) => at > 0 && n < (order[at - 1] ?? 0));
    return [
        ...wrong,
        ...(disorder.length === 0 ? [] : [`${disorder.length} user messages out of order`]),
        ...repeats(userArrivals),
        ...(arrived.size === order.length ? [] : ["a user message arrived under two ids"]),
    ];
}

/**
 * Within one life of the cloud nothing arrives twice or late. A cloud that was killed may have handed over what it did not
 * come to confirm: the next one gets it again under the same id, and no more than the outbox holds.
 */
function repeats(arrivals: Books["userArrivals"]): string[] {
    const findings: string[] = [];
    for (const [at, { n, life }] of arrivals.entries()) {
        const before = arrivals[at - 1];
        if (before === undefined || n > before.n) continue;
        if (life === before.life)
            findings.push(`user message ${n} came after ${before.n} within one life of the cloud`);
        else if (before.n - n >= OUTBOX) findings.push(`user message ${n} was handed over again, ${before.n - n} late`);
    }
    return findings;
}

/** Messages that were sent but never confirmed are counted apart: they may have arrived. */
function lostBeyond(missing: number, kind: string, drops: Readonly<Record<string, number>>): string[] {
    const certain = (drops[`${kind} size`] ?? 0) + (drops[`${kind} age`] ?? 0);
    const unconfirmed = drops[`${kind} unconfirmed`] ?? 0;
    if (missing >= certain && missing <= certain + unconfirmed) return [];
    return [`${missing} of ${kind} lost, ${certain} counted as dropped, ${unconfirmed} as unconfirmed`];
}

function choose(weights: readonly number[], at: number): number {
    let left = at * weights.reduce((sum, weight) => sum + weight, 0);
    return weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
    });
}

function wait(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A small generator with a seed, so that a failed run can be looked at again. */
function mulberry32(seed: number): () => number {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
    };
}
