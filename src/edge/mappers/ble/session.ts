// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep, type Timer } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { DesiredWrite, MapperReport, ReportedValue } from "../wire.ts";
import type { BleCentral, BlePeripheral } from "./central.ts";
import { type BlePoint, convert, toBytes } from "./converter.ts";

export interface SessionParts {
    readonly central: BleCentral;
    readonly clock: Clock;
    readonly random: () => number;
    readonly mac: string;
    readonly points: readonly BlePoint[];
    readonly timeoutMs: number;
    readonly tell: (report: MapperReport) => void;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;

/** One device: connects, listens where it can and polls where it must, writes, and comes back when the device does. */
export class BleSession {
    readonly #parts: SessionParts;
    readonly #writes = new Map<string, DesiredWrite>();
    readonly #stopping = new AbortController();
    readonly #timers = new Set<Timer>();
    #peripheral: BlePeripheral | undefined;
    #lost: () => void = () => {};
    #state: "online" | "offline" | "unknown" = "unknown";
    #reason = "";

    constructor(parts: SessionParts) {
        this.#parts = parts;
    }

    start(): void {
        void this.#run();
    }

    async stop(): Promise<void> {
        this.#stopping.abort();
        this.#lost();
        const peripheral = this.#peripheral;
        this.#peripheral = undefined;
        // The device may be gone already, and then there is nothing to disconnect from.
        await peripheral?.disconnect().catch(() => {});
    }

    /** Written at once when the device is there, else when it comes back; the newest of each property counts. */
    write(write: DesiredWrite): void {
        this.#writes.set(write.property, write);
        if (this.#peripheral !== undefined) void this.#flush(this.#peripheral);
    }

    async #run(): Promise<void> {
        const { clock, random } = this.#parts;
        let pauseMs = FIRST_PAUSE_MS;
        while (!this.#stopping.signal.aborted) {
            try {
                await this.#connected(() => {
                    pauseMs = FIRST_PAUSE_MS;
                });
                this.#setState("offline", "the device has disconnected");
            } catch (thrown) {
                this.#setState("offline", errorText(thrown));
            }
            await sleep(clock, pauseMs * (0.75 + random() / 2), this.#stopping.signal);
            pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
        }
    }

    /** Resolves when the connection has ended. */
    async #connected(ready: () => void): Promise<void> {
        const { central, mac, timeoutMs, points } = this.#parts;
        const lost = new Promise<void>((resolve) => {
            this.#lost = resolve;
        });
        const peripheral = await central.connect(mac, timeoutMs, () => this.#lost());
        if (this.#stopping.signal.aborted) {
            await peripheral.disconnect();
            return;
        }
        this.#peripheral = peripheral;
        try {
            this.#setState("online", "");
            ready();
            await this.#flush(peripheral);
            for (const point of points) await this.#follow(peripheral, point);
            await lost;
        } finally {
            this.#peripheral = undefined;
            for (const timer of this.#timers) timer.cancel();
            this.#timers.clear();
        }
    }

    async #follow(peripheral: BlePeripheral, point: BlePoint): Promise<void> {
        const notifies = peripheral.canNotify(point.uuid);
        if (notifies) {
            await peripheral.notify(point.uuid, (bytes) => this.#report(point, () => convert(point, bytes)));
        }
        await this.#read(peripheral, point);
        if (!notifies) this.#poll(peripheral, point);
    }

    #poll(peripheral: BlePeripheral, point: BlePoint): void {
        const timer = this.#parts.clock.after(point.property.collectCycleMs, () => {
            this.#timers.delete(timer);
            void this.#read(peripheral, point).then(() => {
                if (this.#peripheral === peripheral) this.#poll(peripheral, point);
            });
        });
        this.#timers.add(timer);
    }

    async #read(peripheral: BlePeripheral, point: BlePoint): Promise<void> {
        let bytes: Buffer;
        try {
            bytes = await peripheral.read(point.uuid);
        } catch (thrown) {
            this.#report(point, () => {
                throw thrown;
            });
            return;
        }
        this.#report(point, () => convert(point, bytes));
    }

    async #flush(peripheral: BlePeripheral): Promise<void> {
        for (const [property, { id, value }] of [...this.#writes]) {
            const point = this.#parts.points.find((one) => one.property.name === property);
            this.#writes.delete(property);
            try {
                if (point === undefined) throw new Error("the property has no characteristic");
                const length =
                    point.writes.size > 0 ? 0 : (await peripheral.read(point.uuid).catch(() => Buffer.alloc(1))).length;
                await peripheral.write(point.uuid, toBytes(point, value, length));
                this.#parts.tell({ written: { [property]: { id, value } } });
                await this.#read(peripheral, point);
            } catch (thrown) {
                if (this.#peripheral !== peripheral) {
                    // Lost in between: it is written when the device is back.
                    if (!this.#writes.has(property))
                        this.#writes.set(property, { id, value, property } as DesiredWrite);
                    return;
                }
                this.#parts.tell({ written: { [property]: { id, value, error: errorText(thrown) } } });
            }
        }
    }

    #report({ property }: BlePoint, value: () => unknown): void {
        let reading: ReportedValue;
        try {
            reading = { value: value(), timestamp: this.#parts.clock.nowMs() };
        } catch (thrown) {
            reading = { value: null, quality: "bad", reason: errorText(thrown) };
        }
        this.#parts.tell({ reported: { [property.name]: reading } });
    }

    #setState(state: "online" | "offline", reason: string): void {
        if (this.#stopping.signal.aborted && state === "offline") return;
        if (this.#state === state && this.#reason === reason) return;
        const said = this.#state === state ? {} : { state };
        this.#state = state;
        this.#reason = reason;
        if (state === "online") {
            this.#parts.tell({ state });
            return;
        }
        const bad = { value: null, quality: "bad" as const, reason };
        const reported = Object.fromEntries(this.#parts.points.map(({ property }) => [property.name, bad]));
        this.#parts.tell({ ...said, reported });
    }
}
