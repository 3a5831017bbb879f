// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import type { DeviceValue } from "../values.ts";
import { decode } from "./codec.ts";
import { splitBlock, valuesOf } from "./plan.ts";
import { Prober } from "./prober.ts";
import type { LineTransport, ModbusRequest, ModbusResult } from "./protocol.ts";
import { type Poll, Slave, type SlaveSetup, type WriteJob } from "./slave.ts";
import { Turns } from "./turns.ts";

/** What a line tells of its slaves. */
export interface LineHandlers {
    values(device: string, values: ReadonlyMap<string, DeviceValue>, timestampMs: number): void;
    /** Properties whose registers the slave refuses. */
    refused(device: string, properties: readonly string[], reason: string): void;
    state(device: string, state: "online" | "offline", reason: string): void;
    written(device: string, job: WriteJob, error: string | undefined): void;
}

export interface LineParts {
    readonly transport: LineTransport;
    readonly clock: Clock;
    readonly random: () => number;
    readonly handlers: LineHandlers;
}

/** A slave that has answered before may stay silent once before it counts as gone. */
const FAILURES_BEFORE_OFFLINE = 2;
/** Modbus exceptions of a gateway that cannot reach the slave behind it. */
const GATEWAY_FAILED = new Set<number | undefined>([10, 11]);
const BUSY = new Set<number | undefined>([5, 6]);
/** Good answers after which a narrowed line tries twice as many requests at once. */
const WIDEN_AFTER = 1000;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 5000;
/** A line that fails for so long takes its slaves offline. */
const LINE_DOWN_MS = 3000;

/**
 * One line and its slaves: polls each block at its cycle, writes before it reads, keeps at most `transport.width` requests
 * under way and one per slave. A slave that stays silent is taken off the schedule and probed from time to time, so
 * that the others keep their cycle.
 */
export class Line {
    readonly #parts: LineParts;
    readonly #slaves = new Map<string, Slave>();
    readonly #turns = new Turns();
    readonly #prober: Prober;
    #underWay = 0;
    #width: number;
    #goodSinceNarrowed = 0;
    #pauseMs = 0;
    #failingSinceMs: number | undefined;
    #paused: Timer | undefined;
    #stopped = false;

    constructor(parts: LineParts) {
        this.#parts = parts;
        this.#prober = new Prober({
            clock: parts.clock,
            random: parts.random,
            width: parts.transport.width,
            probe: (slave) => this.#probe(slave),
            narrowed: (width) => {
                this.#width = Math.min(this.#width, width);
                this.#goodSinceNarrowed = 0;
            },
        });
        this.#width = parts.transport.width;
    }

    get slaveCount(): number {
        return this.#slaves.size;
    }

    /** Adds a slave, or gives a known one its new set-up; desired values that still wait are kept. */
    put(setup: SlaveSetup): void {
        const before = this.#slaves.get(setup.device);
        before?.stop();
        if (before !== undefined) this.#prober.remove(before);
        const slave = new Slave(setup, this.#parts.clock, before);
        this.#slaves.set(setup.device, slave);
        for (const poll of slave.polls) this.#due(slave, poll);
    }

    remove(device: string): void {
        const slave = this.#slaves.get(device);
        if (slave === undefined) return;
        slave.stop();
        this.#prober.remove(slave);
        this.#slaves.delete(device);
    }

    write(device: string, job: WriteJob): void {
        const slave = this.#slaves.get(device);
        if (slave === undefined) return;
        slave.write(job);
        this.#offer(slave);
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#paused?.cancel();
        this.#prober.stop();
        for (const slave of this.#slaves.values()) slave.stop();
        await this.#parts.transport.close();
    }

    #due(slave: Slave, poll: Poll): void {
        slave.ready(poll);
        this.#offer(slave);
    }

    #offer(slave: Slave): void {
        if (slave.mayRun) this.#turns.add(slave);
        this.#pump();
    }

    #pump(): void {
        while (!this.#stopped && this.#paused === undefined && this.#underWay < this.#width) {
            const slave = this.#turns.take();
            if (slave === undefined) return;
            const job = slave.mayRun ? slave.next() : undefined;
            if (job !== undefined) void this.#run(slave, job);
        }
    }

    async #run(slave: Slave, job: Poll | WriteJob): Promise<void> {
        const request: ModbusRequest = "request" in job ? job.request : slave.readOf(job);
        this.#underWay += 1;
        slave.busy = true;
        const result = await this.#parts.transport.request(request, slave.setup.timeoutMs);
        this.#underWay -= 1;
        slave.busy = false;
        if (this.#stopped) return;
        if (this.#slaves.get(slave.setup.device) === slave) {
            if ("request" in job) this.#afterWrite(slave, job, result);
            else this.#afterRead(slave, job, result);
            this.#offer(slave);
        }
        this.#pump();
    }

    #afterRead(slave: Slave, poll: Poll, result: ModbusResult): void {
        if (result.ok) {
            this.#heard(slave);
            this.#deliver(slave, poll, result.values);
            this.#next(slave, poll);
        } else if (result.kind === "connection") {
            slave.ready(poll);
            this.#lineFailed(result.reason);
        } else if (result.kind === "timeout" || GATEWAY_FAILED.has(result.code)) {
            this.#next(slave, poll);
            this.#silent(slave, result.reason);
        } else {
            this.#heard(slave);
            this.#refused(slave, poll, result.code, result.reason);
        }
    }

    #afterWrite(slave: Slave, job: WriteJob, result: ModbusResult): void {
        if (result.ok) {
            this.#heard(slave);
            slave.written(job);
            this.#parts.handlers.written(slave.setup.device, job, undefined);
            // Read back at once: what is reported is what the slave holds, not what was asked for.
            for (const poll of slave.polls)
                if (poll.block.points.some((point) => point.property.name === job.property)) this.#due(slave, poll);
        } else if (result.kind === "connection") {
            this.#lineFailed(result.reason);
        } else if (result.kind === "timeout" || GATEWAY_FAILED.has(result.code) || BUSY.has(result.code)) {
            this.#silent(slave, result.reason);
        } else {
            this.#heard(slave);
            slave.written(job);
            this.#parts.handlers.written(slave.setup.device, job, result.reason);
        }
    }

    #deliver(slave: Slave, { block }: Poll, values: readonly number[]): void {
        const decoded = new Map<string, DeviceValue>();
        for (const point of block.points)
            decoded.set(point.property.name, decode(point, valuesOf(block, point, values)));
        this.#parts.handlers.values(slave.setup.device, decoded, this.#parts.clock.nowMs());
    }

    #refused(slave: Slave, poll: Poll, code: number | undefined, reason: string): void {
        if (BUSY.has(code)) {
            this.#next(slave, poll);
        } else if (poll.block.points.length > 1) {
            for (const part of slave.replace(poll, splitBlock(poll.block))) this.#due(slave, part);
        } else {
            this.#parts.handlers.refused(slave.setup.device, [poll.block.points[0]?.property.name ?? ""], reason);
            this.#next(slave, poll);
        }
    }

    #next(slave: Slave, poll: Poll): void {
        slave.schedule(poll, () => this.#due(slave, poll));
    }

    #heard(slave: Slave): void {
        this.#goodSinceNarrowed += 1;
        if (this.#goodSinceNarrowed % WIDEN_AFTER === 0)
            this.#width = Math.min(this.#width * 2, this.#parts.transport.width);
        this.#pauseMs = 0;
        this.#failingSinceMs = undefined;
        slave.failures = 0;
        if (slave.state === "online") return;
        slave.state = "online";
        this.#parts.handlers.state(slave.setup.device, "online", "");
    }

    #silent(slave: Slave, reason: string): void {
        slave.failures += 1;
        if (slave.state === "online" && slave.failures < FAILURES_BEFORE_OFFLINE) {
            for (const poll of slave.polls) slave.ready(poll);
            return;
        }
        slave.pauseSchedule();
        this.#offline(slave, reason);
        this.#prober.add(slave);
    }

    async #probe(slave: Slave): Promise<boolean> {
        const request = slave.probeRequest();
        const result = await this.#parts.transport.request(request, slave.setup.timeoutMs);
        if (this.#stopped || this.#slaves.get(slave.setup.device) !== slave) return true;
        const alive = result.ok || (result.kind === "exception" && !GATEWAY_FAILED.has(result.code));
        if (!alive) return false;
        this.#heard(slave);
        slave.resumeSchedule();
        for (const poll of slave.polls) this.#due(slave, poll);
        this.#offer(slave);
        return true;
    }

    #offline(slave: Slave, reason: string): void {
        const { device } = slave.setup;
        if (slave.state === "offline") {
            if (slave.reason !== reason) this.#parts.handlers.refused(device, slave.properties, reason);
        } else this.#parts.handlers.state(device, "offline", reason);
        slave.state = "offline";
        slave.reason = reason;
    }

    /** The line itself is down: everything waits a little, longer each time; nobody's fault but the line's. */
    #lineFailed(reason: string): void {
        const { clock, random } = this.#parts;
        this.#failingSinceMs ??= clock.monotonicMs();
        if (clock.monotonicMs() - this.#failingSinceMs >= LINE_DOWN_MS) {
            for (const slave of this.#slaves.values()) this.#offline(slave, reason);
        }
        if (this.#paused !== undefined) return;
        this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2), LAST_PAUSE_MS);
        this.#paused = clock.after(this.#pauseMs * (0.75 + random() / 2), () => {
            this.#paused = undefined;
            this.#pump();
        });
    }
}
