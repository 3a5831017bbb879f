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
    readonly #ends = new Map<string, { first: number; next: number }>();
    #dropped = 0;

    constructor(store: DocumentStore, commits: GroupCommit, limit: number) {
        this.#store = store;
        this.#commits = commits;
        this.#limit = limit;
    }

    async load(): Promise<void> {
        for (const { key } of await this.#store.scan(REPORT)) {
            const slash = key.lastIndexOf("/");
            const number = Number(key.slice(slash + 1));
            const device = key.slice(REPORT.length, slash);
            const ends = this.#ends.get(device);
            if (ends === undefined) this.#ends.set(device, { first: number, next: number + 1 });
            else ends.next = number + 1;
        }
    }

    get devices(): Iterable<string> {
        return this.#ends.keys();
    }

    /** Reports given up because a device's queue was full. */
    get dropped(): number {
        return this.#dropped;
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
        if (ends.next - ends.first > this.#limit) {
            this.#dropped += 1;
            this.confirmed(device, ends.first);
        }
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
        for (; ends.first <= upTo && ends.first < ends.next; ends.first += 1)
            this.#commits.delete(keyOf(device, ends.first));
    }

    forget(device: string): void {
        this.confirmed(device, Number.MAX_SAFE_INTEGER);
        this.#ends.delete(device);
    }
}

function keyOf(device: string, number: number): string {
    return `${REPORT}${device}/${String(number).padStart(DIGITS, "0")}`;
}
