// SPDX-License-Identifier: Apache-2.0
import type { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { TwinProperty } from "./records.ts";

/** One report that has to reach the cloud as it was. */
export type KeptReport = Readonly<Record<string, TwinProperty>>;

const REPORT = "report/";
const DIGITS = 12;

/** Every report of every device, on disk until the cloud has confirmed it: the queue behind the policy "all". */
export class Backlog {
    readonly #store: DocumentStore;
    readonly #commits: GroupCommit;
    readonly #limit: number;
    readonly #gaveUp: () => void;
    readonly #ends = new Map<string, { first: number; next: number }>();
    #size = 0;
    /** Removals wait for the next commit. */
    #removed = false;

    /** `limit`: of all devices together. Over it the longest queue loses its oldest report, and `gaveUp` is told. */
    constructor(store: DocumentStore, commits: GroupCommit, limit: number, gaveUp: () => void) {
        this.#store = store;
        this.#commits = commits;
        this.#limit = limit;
        this.#gaveUp = gaveUp;
    }

    /** Looks at the two ends of each queue, never at what lies between: that may be a day's reports. */
    async load(): Promise<void> {
        let [oldest] = await this.#store.scan(REPORT, { limit: 1 });
        while (oldest !== undefined) {
            const device = oldest.key.slice(REPORT.length, oldest.key.lastIndexOf("/"));
            const [newest = oldest] = await this.#store.scan(`${REPORT}${device}/`, { reverse: true, limit: 1 });
            const ends = { first: numberOf(oldest.key), next: numberOf(newest.key) + 1 };
            this.#ends.set(device, ends);
            this.#size += ends.next - ends.first;
            [oldest] = await this.#store.scan(REPORT, { after: newest.key, limit: 1 });
        }
    }

    /** Reports of all devices that the cloud has not confirmed. */
    get size(): number {
        return this.#size;
    }

    get devices(): Iterable<string> {
        return this.#ends.keys();
    }

    /** The number of the oldest report, and the one after the newest. */
    ends(device: string): { readonly first: number; readonly next: number } {
        return this.#ends.get(device) ?? { first: 1, next: 1 };
    }

    /** Written with the next commit. */
    push(device: string, report: KeptReport): void {
        let ends = this.#ends.get(device);
        if (ends === undefined) {
            ends = { first: 1, next: 1 };
            this.#ends.set(device, ends);
        }
        this.#commits.put(keyOf(device, ends.next), () => report);
        ends.next += 1;
        this.#size += 1;
        while (this.#size > this.#limit) this.#giveUpOne();
    }

    async read(device: string, from: number, count: number): Promise<readonly (readonly [number, KeptReport])[]> {
        const prefix = `${REPORT}${device}/`;
        const entries = await this.#store.scan<KeptReport>(prefix, { after: keyOf(device, from - 1), limit: count });
        return entries.map(({ key, value }) => [Number(key.slice(prefix.length)), value]);
    }

    /** Everything up to this number is with the cloud. */
    confirmed(device: string, upTo: number): void {
        const ends = this.#ends.get(device);
        if (ends === undefined) return;
        for (; ends.first <= upTo && ends.first < ends.next; ends.first += 1) {
            this.#commits.delete(keyOf(device, ends.first));
            this.#size -= 1;
            this.#removed = true;
        }
    }

    /** Devices that have become silent commit nothing any more: what they had is taken off the disk all the same. */
    async flush(): Promise<void> {
        if (!this.#removed) return;
        this.#removed = false;
        await this.#commits.commit();
    }

    forget(device: string): void {
        this.confirmed(device, Number.MAX_SAFE_INTEGER);
        this.#ends.delete(device);
    }

    /** So a device that reports often gives way before those that report seldom. */
    #giveUpOne(): void {
        let longest: string | undefined;
        let most = 0;
        for (const [device, { first, next }] of this.#ends) {
            if (next - first <= most) continue;
            most = next - first;
            longest = device;
        }
        if (longest === undefined) return;
        this.confirmed(longest, this.ends(longest).first);
        this.#gaveUp();
    }
}

function keyOf(device: string, number: number): string {
    return `${REPORT}${device}/${String(number).padStart(DIGITS, "0")}`;
}

function numberOf(key: string): number {
    return Number(key.slice(key.lastIndexOf("/") + 1));
}
