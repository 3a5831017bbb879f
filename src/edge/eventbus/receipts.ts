// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";

export type ReceiptOutput = "devicetwin" | "edgehub";

interface Sent {
    readonly output: ReceiptOutput;
    readonly envelope: Envelope;
}

interface Waiting extends Sent {
    readonly sinceMs: number;
    readonly taken: () => void;
    readonly refused: (reason: Error) => void;
}

interface Kept extends Sent {
    readonly key: string;
    sinceMs: number;
    /** Whoever has the message could not store it. */
    refused: boolean;
}

export interface ReceiptsParts {
    readonly store: DocumentStore;
    readonly clock: Clock;
    readonly send: (output: ReceiptOutput, envelope: Envelope) => void;
    /** Told when the store does not take a removal. */
    readonly failed: (thrown: unknown) => void;
}

/** Usual receipts come with the next flush of the disk. Who takes longer than this is not waited for: the journal has the message. */
const PATIENCE_MS = 250;
/** Whoever has had a message for this long without a word, such as a flow of the operator's own, has taken it. */
const SILENCE_MS = 30_000;
/** Messages in the journal; beyond that the oldest, which have long been on the wire, leave it. */
const MOST_KEPT = 10_000;
const DIGITS = 16;

/**
 * Who waits until a message on a wire is on disk. Whoever takes it says so with a receipt. Where none comes, because the
 * wire leads to a flow of somebody's own or the gateway is busy, the message goes to a journal on disk, from
 * which it is sent again after a restart. Either way `wait` resolves when a `kill -9` loses it no more.
 */
export class Receipts {
    readonly #parts: ReceiptsParts;
    readonly #commits: GroupCommit;
    readonly #waiting = new Map<string, Waiting>();
    readonly #kept = new Map<string, Kept>();
    #sequence = 0;
    #timer: Timer | undefined;
    #stopped = false;

    constructor(parts: ReceiptsParts) {
        this.#parts = parts;
        this.#commits = new GroupCommit(parts.store);
    }

    /** Sends what the last run left without a receipt, in its order. @throws REDGE_STORE_IO */
    async replay(): Promise<void> {
        const left = await this.#parts.store.scan<Sent>("");
        for (const { key, value } of left) {
            this.#sequence = Math.max(this.#sequence, Number(key));
            this.#keep({ ...value, key, sinceMs: this.#parts.clock.monotonicMs(), refused: false });
        }
        for (const { value } of left) this.#parts.send(value.output, value.envelope);
    }

    /**
     * Sends a message and resolves when it is on disk.
     * @throws RedgeError, REDGE_STORE_* when it is not: who sent it must send it again
     */
    wait(output: ReceiptOutput, envelope: Envelope): Promise<void> {
        if (this.#stopped) return Promise.reject(notTaken({ output, envelope }, "EventBus stops"));
        const promise = new Promise<void>((taken, refused) => {
            const sinceMs = this.#parts.clock.monotonicMs();
            this.#waiting.set(envelope.header.msg_id, { output, envelope, sinceMs, taken, refused });
        });
        this.#arm();
        this.#parts.send(output, envelope);
        return promise;
    }

    /** A receipt has come; `refusal` says why the message is not on disk. */
    answered(id: string, refusal: string | undefined): void {
        const waiting = this.#waiting.get(id);
        const kept = this.#kept.get(id);
        if (kept !== undefined) {
            if (refusal === undefined) this.#forget(id, kept);
            else kept.refused = true;
        } else if (waiting !== undefined) {
            this.#waiting.delete(id);
            if (refusal === undefined) waiting.taken();
            else waiting.refused(notTaken(waiting, refusal));
        }
    }

    /** Whoever still waits is refused: nobody knows of his message. */
    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        for (const waiting of this.#waiting.values()) waiting.refused(notTaken(waiting, "EventBus stops"));
        this.#waiting.clear();
        await this.#commits.commit().catch(this.#parts.failed);
    }

    #arm(): void {
        if (this.#timer !== undefined || this.#stopped) return;
        this.#timer = this.#parts.clock.after(PATIENCE_MS, () => {
            this.#timer = undefined;
            this.#journal();
            this.#clear();
            if (this.#waiting.size > 0 || this.#kept.size > 0) this.#arm();
        });
    }

    /** Those that have waited long enough go to the journal together. */
    #journal(): void {
        const nowMs = this.#parts.clock.monotonicMs();
        const late: Waiting[] = [];
        for (const [id, waiting] of this.#waiting) {
            if (nowMs - waiting.sinceMs < PATIENCE_MS) break;
            const { output, envelope } = waiting;
            this.#waiting.delete(id);
            late.push(waiting);
            this.#sequence += 1;
            const key = String(this.#sequence).padStart(DIGITS, "0");
            this.#commits.put(key, () => ({ output, envelope }) satisfies Sent);
            this.#keep({ output, envelope, key, sinceMs: nowMs, refused: false });
        }
        if (late.length === 0) return;
        this.#commits.commit().then(
            () => {
                for (const { taken } of late) taken();
            },
            (thrown: unknown) => {
                const reason = thrown instanceof Error ? thrown : new Error(String(thrown));
                for (const { envelope, refused } of late) {
                    this.#kept.delete(envelope.header.msg_id);
                    refused(reason);
                }
            },
        );
    }

    /** What was refused is sent again; what nobody said a word of for long enough is done. */
    #clear(): void {
        const nowMs = this.#parts.clock.monotonicMs();
        for (const [id, kept] of this.#kept) {
            if (nowMs - kept.sinceMs < SILENCE_MS) break;
            if (kept.refused) {
                this.#kept.delete(id);
                this.#kept.set(id, { ...kept, sinceMs: nowMs, refused: false });
                this.#parts.send(kept.output, kept.envelope);
            } else this.#forget(id, kept);
        }
    }

    #keep(kept: Kept): void {
        this.#kept.set(kept.envelope.header.msg_id, kept);
        const [oldest] = this.#kept;
        if (oldest !== undefined && this.#kept.size > MOST_KEPT) this.#forget(...oldest);
        this.#arm();
    }

    #forget(id: string, { key }: Kept): void {
        this.#kept.delete(id);
        this.#commits.delete(key);
        // One that stays is sent once more after the next start.
        this.#commits.commit().catch(this.#parts.failed);
    }
}

function notTaken({ envelope }: Sent, reason: string): RedgeError {
    return new RedgeError("REDGE_EVENTBUS_NOT_STORED", { topic: envelope.route.resource, reason });
}
