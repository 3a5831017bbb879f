// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { DirectTransport } from "./direct-transport.ts";
import { Line, type LineHandlers } from "./line.ts";
import type { LineAddress, LineTransport } from "./protocol.ts";
import type { SlaveSetup, WriteJob } from "./slave.ts";
import { type ModbusMessage, type ModbusOutput, WiredTransport } from "./wired-transport.ts";

export interface LinePoolParts {
    readonly clock: Clock;
    readonly random: () => number;
    readonly lanes: number;
    readonly send: (output: ModbusOutput, message: ModbusMessage) => void;
    readonly handlers: LineHandlers;
}

interface Open {
    readonly line: Line;
    readonly lane: number | undefined;
    readonly wired: WiredTransport | undefined;
}

/** The client's time-out on a wired line: more patience than any device asks for is not needed. */
const WIRED_TIMEOUT_MS = 1000;

/** Lines by address: the first ones over the Modbus nodes on the wires, as many as there are lanes; the rest direct. */
export class LinePool {
    readonly #parts: LinePoolParts;
    readonly #lines = new Map<string, Open>();

    constructor(parts: LinePoolParts) {
        this.#parts = parts;
    }

    get size(): number {
        return this.#lines.size;
    }

    put(address: LineAddress, setup: SlaveSetup): void {
        let open = this.#lines.get(address.key);
        if (open === undefined) {
            open = this.#open(address, setup.timeoutMs);
            this.#lines.set(address.key, open);
        }
        open.line.put(setup);
    }

    /** Resolves when the line is closed, too, if the device was its last one. */
    async remove(key: string, device: string): Promise<void> {
        const open = this.#lines.get(key);
        open?.line.remove(device);
        if (open?.line.slaveCount !== 0) return;
        this.#lines.delete(key);
        await open.line.stop();
    }

    write(key: string, device: string, job: WriteJob): void {
        this.#lines.get(key)?.line.write(device, job);
    }

    answer(message: ModbusMessage): void {
        for (const { wired } of this.#lines.values()) if (wired?.answer(message)) return;
    }

    async stop(): Promise<void> {
        await Promise.all([...this.#lines.values()].map(({ line }) => line.stop()));
        this.#lines.clear();
    }

    #open(address: LineAddress, timeoutMs: number): Open {
        const lane = this.#freeLane();
        const wired = lane === undefined ? undefined : this.#wire(address, lane, timeoutMs);
        const transport: LineTransport = wired ?? new DirectTransport(address);
        const { clock, random, handlers } = this.#parts;
        return { line: new Line({ transport, clock, random, handlers }), lane, wired };
    }

    #wire(address: LineAddress, lane: number, timeoutMs: number): WiredTransport {
        const { clock, send } = this.#parts;
        const wired = new WiredTransport({
            clock,
            address,
            lane,
            timeoutMs: Math.max(timeoutMs, WIRED_TIMEOUT_MS),
            send,
        });
        wired.connect();
        return wired;
    }

    #freeLane(): number | undefined {
        const used = new Set([...this.#lines.values()].map(({ lane }) => lane));
        for (let lane = 1; lane <= this.#parts.lanes; lane += 1) if (!used.has(lane)) return lane;
        return undefined;
    }
}
