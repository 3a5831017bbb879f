// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from "node:fs";
import type { Made, MadeReports } from "./made.ts";

/** Properties of every device: of one every report has to arrive, of the other the newest. */
export const EVERY = "every";
export const NEWEST = "newest";

/** A gateway gives its time to what it has read itself: within this of the answer. */
const READ_WITHIN_MS = 15_000;

interface Arrived {
    readonly seen: Set<number>;
    highest: number;
}

/** The judge: reads what came out of CloudHub while it is written, and holds it against what was made. */
export class Arrivals {
    readonly #made: Made;
    readonly #file: number;
    readonly #devices = new Map<string, Arrived>();
    #offset = 0;
    #rest = "";
    /** Devices that were heard of at all, before they count. */
    readonly heard = new Set<string>();
    repeated = 0;
    outOfOrder = 0;
    wrongTime = 0;
    /** Values of `newest`, by device, with the time they were made and the time they came. */
    readonly newest: { readonly device: string; readonly madeMs: number; readonly cameMs: number }[] = [];

    constructor(path: string, made: Made) {
        this.#file = openSync(path, "r");
        this.#made = made;
    }

    /** Reads on. */
    read(): void {
        const buffer = Buffer.alloc(1024 * 1024);
        for (;;) {
            const length = readSync(this.#file, buffer, 0, buffer.length, this.#offset);
            if (length === 0) return;
            this.#offset += length;
            const lines = (this.#rest + buffer.toString("latin1", 0, length)).split("\n");
            this.#rest = lines.pop() ?? "";
            for (const line of lines) this.#line(JSON.parse(line) as [number, string, [string, string, number][]]);
        }
    }

    get arrived(): number {
        return [...this.#devices.values()].reduce((sum, { seen }) => sum + seen.size, 0);
    }

    /** Reports that were made and have not come, of all devices or until a time. */
    *missing(untilMs = Number.POSITIVE_INFINITY): Iterable<{ readonly device: string; readonly atMs: number }> {
        for (const [device, { first, atMs }] of this.#made.devices) {
            const seen = this.#devices.get(device)?.seen;
            for (const [index, madeMs] of atMs.entries()) {
                if (madeMs <= untilMs && !seen?.has(first + index)) yield { device, atMs: madeMs };
            }
        }
    }

    close(): void {
        closeSync(this.#file);
    }

    #line([cameMs, resource, values]: [number, string, [string, string, number][]]): void {
        const device = resource.split("/")[2] ?? "";
        this.heard.add(device);
        const made = this.#made.devices.get(device);
        if (made === undefined) return;
        for (const [property, value, timeMs] of values) {
            const number = Number(value);
            const madeMs = made.atMs[number - made.first];
            if (madeMs === undefined) continue;
            if (property === NEWEST) this.newest.push({ device, madeMs, cameMs });
            if (property === EVERY) this.#report(device, number, isRightTime(made, madeMs, timeMs));
        }
    }

    #report(device: string, number: number, rightTime: boolean): void {
        let arrived = this.#devices.get(device);
        if (arrived === undefined) {
            arrived = { seen: new Set(), highest: Number.NEGATIVE_INFINITY };
            this.#devices.set(device, arrived);
        }
        if (!rightTime) this.wrongTime += 1;
        if (arrived.seen.has(number)) this.repeated += 1;
        else if (number < arrived.highest) this.outOfOrder += 1;
        arrived.seen.add(number);
        arrived.highest = Math.max(arrived.highest, number);
    }
}

function isRightTime({ ownTimes }: MadeReports, madeMs: number, timeMs: number): boolean {
    if (ownTimes) return timeMs === madeMs;
    return timeMs >= madeMs - 1 && timeMs <= madeMs + READ_WITHIN_MS;
}
