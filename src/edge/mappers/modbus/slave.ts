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
}

/** The schedule and the state of one slave. */
export class Slave {
    readonly setup: SlaveSetup;
    readonly writes: Map<string, WriteJob>;
    state: "unknown" | "online" | "offline";
    failures = 0;
    busy = false;
    readonly #clock: Clock;
    readonly #ready = new Set<Poll>();
    #polls: Poll[];
    #scheduled = true;

    constructor(setup: SlaveSetup, clock: Clock, before?: Slave) {
        this.setup = setup;
        this.#clock = clock;
        this.writes = before?.writes ?? new Map();
        this.state = before?.state ?? "unknown";
        this.#polls = setup.blocks.map((block) => this.#poll(block));
    }

    get polls(): readonly Poll[] {
        return this.#polls;
    }

    get mayRun(): boolean {
        return this.#scheduled && !this.busy && (this.writes.size > 0 || this.#ready.size > 0);
    }

    ready(poll: Poll): void {
        poll.timer?.cancel();
        poll.timer = undefined;
        if (this.#scheduled) this.#ready.add(poll);
    }

    /** Writes first, then the block that has waited longest. */
    next(): Poll | WriteJob | undefined {
        for (const job of this.writes.values()) return job;
        for (const poll of this.#ready) {
            this.#ready.delete(poll);
            return poll;
        }
        return undefined;
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
        this.#ready.clear();
        for (const poll of this.#polls) {
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
        return { block, dueMs: this.#clock.monotonicMs(), timer: undefined };
    }
}
