// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import type { DeviceValue } from "../values.ts";
import type { ReadBlock } from "./plan.ts";
import type { ReadRequest, WriteRequest } from "./protocol.ts";

/** One device as its line knows it. */
export interface SlaveSetup {
    readonly device: string;
    readonly unit: number;
    readonly timeoutMs: number;
    readonly blocks: readonly ReadBlock[];
}

/** A desired value on its way to a register. */
export interface WriteJob {
    readonly id: string;
    readonly property: string;
    readonly value: DeviceValue;
    readonly request: WriteRequest;
}

/** One block and when it is read next. */
export interface Poll {
    readonly block: ReadBlock;
    dueMs: number;
    timer: Timer | undefined;
    /** Its place among the blocks of its slave that wait to be read, lowest first; undefined: it does not wait. */
    turn: number | undefined;
}

/** The schedule and the state of one slave. A gateway has thousands: what is empty most of the time is not made before it is filled. */
export class Slave {
    readonly setup: SlaveSetup;
    state: "unknown" | "online" | "offline";
    /** Why it is offline, as it was told last; a slave that has changed tells it again. */
    reason: string | undefined;
    failures = 0;
    busy = false;
    readonly #clock: Clock;
    /** By property: a newer value takes the place of one that waits. */
    #writes: Map<string, WriteJob> | undefined;
    #turns = 0;
    #polls: Poll[];
    #scheduled = true;

    constructor(setup: SlaveSetup, clock: Clock, before?: Slave) {
        this.setup = setup;
        this.#clock = clock;
        this.#writes = before === undefined ? undefined : before.#writes;
        this.state = before?.state ?? "unknown";
        this.#polls = setup.blocks.map((block) => this.#poll(block));
    }

    get polls(): readonly Poll[] {
        return this.#polls;
    }

    /** What it is read for. */
    get properties(): readonly string[] {
        return this.#polls.flatMap(({ block }) => block.points.map(({ property }) => property.name));
    }

    get hasWrites(): boolean {
        return this.#writes !== undefined && this.#writes.size > 0;
    }

    get mayRun(): boolean {
        return this.#scheduled && !this.busy && (this.hasWrites || this.#polls.some(({ turn }) => turn !== undefined));
    }

    write(job: WriteJob): void {
        this.#writes ??= new Map();
        this.#writes.set(job.property, job);
    }

    /** It is done with, unless a newer value of its property has come meanwhile. */
    written(job: WriteJob): void {
        if (this.#writes?.get(job.property) === job) this.#writes.delete(job.property);
    }

    ready(poll: Poll): void {
        poll.timer?.cancel();
        poll.timer = undefined;
        if (this.#scheduled) poll.turn ??= ++this.#turns;
    }

    /** Writes first, then the block that has waited longest. */
    next(): Poll | WriteJob | undefined {
        for (const job of this.#writes?.values() ?? []) return job;
        let first: Poll | undefined;
        for (const poll of this.#polls) {
            if (poll.turn !== undefined && poll.turn < (first?.turn ?? Number.POSITIVE_INFINITY)) first = poll;
        }
        if (first !== undefined) first.turn = undefined;
        return first;
    }

    readOf({ block }: Poll): ReadRequest {
        return { unit: this.setup.unit, fc: block.fc, address: block.address, quantity: block.quantity };
    }

    /** What is asked to find out whether it lives: its first block; a slave of writes alone: one holding register. */
    probeRequest(): ReadRequest {
        const [first] = this.#polls;
        return first === undefined ? { unit: this.setup.unit, fc: 3, address: 0, quantity: 1 } : this.readOf(first);
    }

    /** At a fixed rate; what could not be kept up with is left out, not made up for. */
    schedule(poll: Poll, due: () => void): void {
        if (!this.#scheduled) return;
        const nowMs = this.#clock.monotonicMs();
        poll.dueMs = Math.max(poll.dueMs + poll.block.cycleMs, nowMs);
        poll.timer?.cancel();
        poll.timer = this.#clock.after(poll.dueMs - nowMs, due);
    }

    /** Puts other blocks in the place of one. */
    replace(poll: Poll, blocks: readonly ReadBlock[]): readonly Poll[] {
        const parts = blocks.map((block) => this.#poll(block));
        this.#polls = this.#polls.flatMap((one) => (one === poll ? parts : [one]));
        return parts;
    }

    pauseSchedule(): void {
        this.#scheduled = false;
        for (const poll of this.#polls) {
            poll.turn = undefined;
            poll.timer?.cancel();
            poll.timer = undefined;
        }
    }

    resumeSchedule(): void {
        this.#scheduled = true;
        for (const poll of this.#polls) poll.dueMs = this.#clock.monotonicMs();
    }

    stop(): void {
        this.pauseSchedule();
    }

    #poll(block: ReadBlock): Poll {
        return { block, dueMs: this.#clock.monotonicMs(), timer: undefined, turn: undefined };
    }
}
