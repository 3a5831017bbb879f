// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { text } from "../fields.ts";
import { failureOf } from "./failures.ts";
import { isRead, type LineAddress, type LineTransport, type ModbusRequest, type ModbusResult } from "./protocol.ts";

/** A message for the nodes of node-red-contrib-modbus, or from them. */
export type ModbusMessage = Readonly<Record<string, unknown>>;
export type ModbusOutput = "connect" | "read" | "write";

export interface WiredParts {
    readonly clock: Clock;
    readonly address: LineAddress;
    /** Which set of Modbus nodes serves this line; goes out as `msg.lane`. */
    readonly lane: number;
    /** Of the Modbus client; no device of the line may be more patient. */
    readonly timeoutMs: number;
    readonly send: (output: ModbusOutput, message: ModbusMessage) => void;
}

interface Pending {
    readonly request: ModbusRequest;
    readonly settle: (result: ModbusResult) => void;
}

const TCP_WIDTH = 8;
/** The client drops its connection whenever one slave stays silent: keep the line quiet from so long before … */
const QUIET_BEFORE_MS = 100;
/** … until it has certainly begun to reconnect. */
const RECONNECT_MS = 50;
const QUIET_AFTER_MS = RECONNECT_MS + 50;
const NO_ANSWER_MS = 500;
/** After failures of the line the client is told its address again (it may have been redeployed), at most this often. */
const REPEAT_CONNECT_MS = 3000;

/**
 * A line that is served by modbus-flex-connector, -flex-getter and -flex-write over wires. Their client answers every
 * silence of one slave by a new connection, which swallows whatever else is under way and counts each of those
 * as one more silence; so nothing is sent shortly before a request runs out of time.
 */
export class WiredTransport implements LineTransport {
    readonly width: number;
    readonly #parts: WiredParts;
    readonly #pending = new Map<string, Pending>();
    /** When the client's own time-out of each request sent strikes, answered ones left out. */
    readonly #strikes = new Map<string, number>();
    readonly #waiting: { readonly go: () => void; readonly drop: () => void }[] = [];
    #count = 0;
    #connectedMs = Number.NEGATIVE_INFINITY;
    #timer: Timer | undefined;
    #closed = false;

    constructor(parts: WiredParts) {
        this.#parts = parts;
        this.width = parts.address.kind === "tcp" ? TCP_WIDTH : 1;
    }

    request(request: ModbusRequest, timeoutMs: number): Promise<ModbusResult> {
        return new Promise((resolve) => {
            this.#waiting.push({
                go: () => this.#go(request, timeoutMs, resolve),
                drop: () => resolve({ ok: false, kind: "connection", reason: "the mapper stops" }),
            });
            this.#pump();
        });
    }

    /** Takes an answer of the Modbus nodes; false when it is not of this line. */
    answer(message: ModbusMessage): boolean {
        const id = text(message["topic"]) ?? "";
        const pending = this.#pending.get(id);
        const known = this.#strikes.has(id);
        const error = message["error"];
        const result = error === undefined ? undefined : failureOf(error);
        if (known && result?.kind === "timeout") this.#struck(id);
        else this.#strikes.delete(id);
        if (result?.kind === "connection") this.#connectAgain();
        pending?.settle(result ?? { ok: true, values: valuesOf(message["payload"], pending.request) });
        this.#pump();
        return known;
    }

    async close(): Promise<void> {
        this.#closed = true;
        this.#timer?.cancel();
        for (const { drop } of this.#waiting.splice(0)) drop();
        for (const { settle } of [...this.#pending.values()])
            settle({ ok: false, kind: "connection", reason: "closed" });
    }

    /** Tells the Modbus client where this line is. */
    connect(): void {
        const { address, lane, timeoutMs, clock } = this.#parts;
        this.#connectedMs = clock.monotonicMs();
        const common = { clientTimeout: timeoutMs, reconnectTimeout: RECONNECT_MS };
        const payload =
            address.kind === "tcp"
                ? { connectorType: "TCP", tcpHost: address.host, tcpPort: address.port, tcpType: "DEFAULT", ...common }
                : {
                      connectorType: "SERIAL",
                      serialPort: address.path,
                      serialBaudrate: address.baudRate,
                      serialDatabits: String(address.dataBits),
                      serialStopbits: String(address.stopBits),
                      serialParity: address.parity,
                      serialType: "RTU-BUFFERD",
                      serialConnectionDelay: 10,
                      ...common,
                  };
        this.#parts.send("connect", { topic: address.key, payload, lane });
    }

    #connectAgain(): void {
        if (this.#parts.clock.monotonicMs() - this.#connectedMs >= REPEAT_CONNECT_MS) this.connect();
    }

    #pump(): void {
        while (this.#waiting.length > 0 && !this.#closed) {
            const quietMs = this.#quietForMs();
            if (quietMs > 0) {
                this.#timer?.cancel();
                this.#timer = this.#parts.clock.after(quietMs, () => this.#pump());
                return;
            }
            this.#waiting.shift()?.go();
        }
    }

    /** How long to keep quiet, 0 for not at all. Strikes that lie behind us are forgotten. */
    #quietForMs(): number {
        const nowMs = this.#parts.clock.monotonicMs();
        for (const [id, strikeMs] of this.#strikes) {
            if (nowMs >= strikeMs + QUIET_AFTER_MS) this.#strikes.delete(id);
            // They stand in the order of sending, so the first is the earliest.
            else return nowMs >= strikeMs - QUIET_BEFORE_MS ? strikeMs + QUIET_AFTER_MS - nowMs : 0;
        }
        return 0;
    }

    #go(request: ModbusRequest, timeoutMs: number, resolve: (result: ModbusResult) => void): void {
        const { clock, lane, send } = this.#parts;
        this.#count += 1;
        const id = `${this.#parts.address.key}#${this.#count}`;
        const patienceMs = Math.min(timeoutMs, this.#parts.timeoutMs);
        const own = patienceMs < this.#parts.timeoutMs;
        const timer = clock.after(own ? patienceMs : this.#parts.timeoutMs + NO_ANSWER_MS, () =>
            settle(
                own
                    ? { ok: false, kind: "timeout", reason: "Timed out" }
                    : {
                          ok: false,
                          kind: "connection",
                          reason: "the Modbus nodes do not answer: are they wired to the mapper?",
                      },
            ),
        );
        const settle = (result: ModbusResult): void => {
            timer.cancel();
            this.#pending.delete(id);
            resolve(result);
        };
        this.#pending.set(id, { request, settle });
        this.#strikes.set(id, clock.monotonicMs() + this.#parts.timeoutMs);
        const { unit: unitid, fc, address } = request;
        if (isRead(request)) {
            send("read", { topic: id, payload: { fc, unitid, address, quantity: request.quantity }, lane });
            return;
        }
        const several = fc === 15 || fc === 16;
        const value = several ? (fc === 15 ? request.values.map(Boolean) : [...request.values]) : request.values[0];
        send("write", { topic: id, payload: { value, fc, unitid, address, quantity: request.values.length }, lane });
    }

    /** The client reconnects now: what else is under way is lost, and will strike as well when its time is over. */
    #struck(id: string): void {
        this.#strikes.set(id, this.#parts.clock.monotonicMs());
        const ordered = [...this.#strikes].sort(([, a], [, b]) => a - b);
        this.#strikes.clear();
        for (const [key, strikeMs] of ordered) this.#strikes.set(key, strikeMs);
        for (const [other, { settle }] of [...this.#pending]) {
            if (other !== id) settle({ ok: false, kind: "connection", reason: "the Modbus client reconnects" });
        }
    }
}

function valuesOf(payload: unknown, request: ModbusRequest): readonly number[] {
    if (!isRead(request) || !Array.isArray(payload)) return [];
    return payload.slice(0, request.quantity).map(Number);
}
