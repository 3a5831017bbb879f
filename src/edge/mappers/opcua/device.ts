// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import type { DesiredWrite, MapperReport, ReportedValue } from "../wire.ts";
import type { OpcuaPoint } from "./connection.ts";
import type { OpcuaLink, OpcuaReading } from "./link.ts";

export interface OpcuaDeviceParts {
    readonly clock: Clock;
    readonly log: Logger;
    readonly points: readonly OpcuaPoint[];
    readonly tell: (report: MapperReport) => void;
}

/** A server tells changes only. What has not changed while the session lived is told again so often, so that it does not look old. */
const REPEAT_MS = 15_000;

/** One device at a server: follows its variables while there is a session, reads those that cannot be followed, and writes. */
export class OpcuaDevice {
    readonly #parts: OpcuaDeviceParts;
    readonly #writes = new Map<string, DesiredWrite>();
    readonly #timers = new Set<Timer>();
    readonly #latest = new Map<string, ReportedValue>();
    #link: OpcuaLink | undefined;
    #unfollows: (() => Promise<void>)[] = [];
    #flushing: Promise<void> = Promise.resolve();
    #state: "online" | "offline" | "unknown" = "unknown";
    #reason = "";

    constructor(parts: OpcuaDeviceParts) {
        this.#parts = parts;
    }

    /** Written at once when there is a session, else with the next; the newest of each property counts. */
    write(write: DesiredWrite): void {
        this.#writes.set(write.property, write);
        if (this.#link !== undefined) this.#flush(this.#link);
    }

    attach(link: OpcuaLink): void {
        this.#link = link;
        this.#setState("online", "");
        this.#flush(link);
        for (const subscribe of [true, false]) {
            const points = this.#parts.points.filter((point) => point.subscribe === subscribe);
            for (const cycleMs of new Set(points.map(({ property }) => property.collectCycleMs))) {
                const ofCycle = points.filter(({ property }) => property.collectCycleMs === cycleMs);
                if (subscribe) void this.#follow(link, ofCycle, cycleMs);
                else void this.#poll(link, ofCycle, cycleMs);
            }
        }
        this.#after(REPEAT_MS, () => this.#repeat(link));
    }

    /** The session is gone, for a reason, or there never was one. */
    detach(reason: string): void {
        this.#forgetLink();
        this.#setState("offline", reason);
    }

    /** The device is gone; the session may live on for others. */
    async leave(): Promise<void> {
        const unfollows = this.#unfollows;
        this.#forgetLink();
        const ended = await Promise.allSettled(unfollows.map((unfollow) => unfollow()));
        // A session that is gone has nothing left to unfollow.
        const failed = ended.filter(({ status }) => status === "rejected");
        if (failed.length > 0)
            this.#parts.log.debug("some variables could not be unfollowed", { count: failed.length });
    }

    #forgetLink(): void {
        this.#link = undefined;
        this.#unfollows = [];
        this.#latest.clear();
        for (const timer of this.#timers) timer.cancel();
        this.#timers.clear();
    }

    async #follow(link: OpcuaLink, points: readonly OpcuaPoint[], cycleMs: number): Promise<void> {
        try {
            const unfollow = await link.follow(
                points.map(({ nodeId }) => nodeId),
                cycleMs,
                (place, reading) => {
                    const point = points[place];
                    if (this.#link === link && point !== undefined) this.#report([[point, reading]]);
                },
            );
            if (this.#link !== link) {
                await unfollow();
                return;
            }
            this.#unfollows.push(unfollow);
            // A server may tell a first value before it has told which variable it is of, and then it is lost.
            this.#after(2 * cycleMs, () => {
                const silent = points.filter(({ property }) => !this.#latest.has(property.name));
                if (silent.length > 0) void this.#read(link, silent);
            });
        } catch (thrown) {
            if (this.#link !== link) return;
            this.#parts.log.info("no subscription: the variables are read instead", { reason: errorText(thrown) });
            await this.#poll(link, points, cycleMs);
        }
    }

    async #poll(link: OpcuaLink, points: readonly OpcuaPoint[], cycleMs: number): Promise<void> {
        await this.#read(link, points);
        if (this.#link === link) this.#after(cycleMs, () => void this.#poll(link, points, cycleMs));
    }

    async #read(link: OpcuaLink, points: readonly OpcuaPoint[]): Promise<void> {
        let readings: readonly OpcuaReading[];
        try {
            readings = await link.read(points.map(({ nodeId }) => nodeId));
        } catch (thrown) {
            readings = points.map(() => ({ error: errorText(thrown) }));
        }
        if (this.#link === link)
            this.#report(points.map((point, at) => [point, readings[at] ?? { error: "no answer" }]));
    }

    /** One write after the other, in the order they came. */
    #flush(link: OpcuaLink): void {
        this.#flushing = this.#flushing.then(async () => {
            for (const write of [...this.#writes.values()]) {
                if (this.#link !== link || this.#writes.get(write.property) !== write) continue;
                await this.#writeOne(link, write);
            }
        });
    }

    async #writeOne(link: OpcuaLink, write: DesiredWrite): Promise<void> {
        const { id, property, value } = write;
        const point = this.#parts.points.find((one) => one.property.name === property);
        let error: string | undefined;
        try {
            if (point === undefined) error = "the property has no variable";
            else if (point.property.accessMode === "ReadOnly") error = "the property can only be read";
            else error = await link.write(point.nodeId, property, value);
        } catch (thrown) {
            // Without a session nobody knows whether it was written: it is, when the next one is there.
            if (!isRedgeError(thrown, "REDGE_DEVICE_VALUE") && this.#link !== link) return;
            error = errorText(thrown);
        }
        if (this.#writes.get(property) === write) this.#writes.delete(property);
        this.#parts.tell({ written: { [property]: { id, value, ...(error === undefined ? {} : { error }) } } });
        if (error === undefined && point !== undefined) await this.#read(link, [point]);
    }

    #report(readings: readonly (readonly [OpcuaPoint, OpcuaReading])[]): void {
        const nowMs = this.#parts.clock.nowMs();
        const reported = readings.map(([{ property }, reading]): [string, ReportedValue] => [
            property.name,
            "error" in reading
                ? { value: null, quality: "bad", reason: reading.error }
                : { value: reading.value, timestamp: reading.timestampMs ?? nowMs },
        ]);
        for (const [name, value] of reported) this.#latest.set(name, value);
        this.#parts.tell({ reported: Object.fromEntries(reported) });
    }

    #repeat(link: OpcuaLink): void {
        if (this.#link !== link) return;
        const timestamp = this.#parts.clock.nowMs();
        const good = [...this.#latest].filter(([, { quality }]) => quality !== "bad");
        if (good.length > 0) {
            const reported = Object.fromEntries(good.map(([name, { value }]) => [name, { value, timestamp }]));
            this.#parts.tell({ reported });
        }
        this.#after(REPEAT_MS, () => this.#repeat(link));
    }

    #after(delayMs: number, action: () => void): void {
        const timer = this.#parts.clock.after(delayMs, () => {
            this.#timers.delete(timer);
            action();
        });
        this.#timers.add(timer);
    }

    #setState(state: "online" | "offline", reason: string): void {
        if (this.#state === state && this.#reason === reason) return;
        const said = this.#state === state ? {} : { state };
        this.#state = state;
        this.#reason = reason;
        if (state === "online") {
            this.#parts.tell({ state });
            return;
        }
        const bad = { value: null, quality: "bad" as const, reason };
        this.#parts.tell({
            ...said,
            reported: Object.fromEntries(this.#parts.points.map(({ property }) => [property.name, bad])),
        });
    }
}
