// SPDX-License-Identifier: Apache-2.0
import { getHeapStatistics } from "node:v8";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { Counter, Gauge, Metrics } from "../../core/metrics.ts";

/** What one kept report takes of the heap with the engine that holds its documents in memory; about 0.8 KiB with a number in it. */
const HEAP_BYTES_EACH = 1024;
const MOST = 1_000_000;
/** How often the log says that reports are given up, while they are. */
const SAY_AGAIN_MS = 60_000;
const LOOK_MS = 1_000;

/** How many reports may be kept unless it is told: at most half of what memory this process may have. */
export function roomForReports(heapLimit: number = getHeapStatistics().heap_size_limit): number {
    return Math.min(MOST, Math.trunc(heapLimit / 2 / HEAP_BYTES_EACH));
}

export interface KeptReportsParts {
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: Metrics;
    readonly limit: number;
    /** How many are kept now. */
    readonly size: () => number;
    /** Takes what was confirmed off the disk. */
    readonly flush: () => Promise<void>;
    /** More have been given up than when this was last called. */
    readonly told: () => void;
}

/** Says how many reports wait for the cloud, and aloud that there is no room for more. */
export class KeptReports {
    readonly #parts: KeptReportsParts;
    readonly #kept: Gauge;
    readonly #dropped: Counter;
    #timer: Timer | undefined;
    #saidMs = Number.NEGATIVE_INFINITY;
    #toldCount = 0;
    /** Given up since this process started. */
    givenUp = 0;

    constructor(parts: KeptReportsParts) {
        this.#parts = parts;
        this.#kept = parts.metrics.gauge(
            "redge_devicetwin_kept_reports",
            "Reports on disk that the cloud has not confirmed",
        );
        this.#dropped = parts.metrics.counter(
            "redge_devicetwin_given_up_reports_total",
            "Kept reports given up for want of room",
        );
    }

    start(): void {
        this.#look();
    }

    stop(): void {
        this.#timer?.cancel();
    }

    gaveUp(): void {
        this.givenUp += 1;
        this.#dropped.add();
    }

    #look(): void {
        const { clock, log, limit, size, flush, told } = this.#parts;
        this.#kept.set(size());
        void flush().catch((thrown: unknown) => {
            log.warn("confirmed reports stay on disk, and are sent again after a restart", {
                reason: errorText(thrown),
            });
        });
        if (this.givenUp > this.#toldCount) {
            this.#toldCount = this.givenUp;
            told();
            if (clock.monotonicMs() - this.#saidMs >= SAY_AGAIN_MS) {
                this.#saidMs = clock.monotonicMs();
                log.warn("no room for more reports until the cloud is back: the oldest are given up", {
                    givenUp: this.givenUp,
                    kept: size(),
                    limit,
                });
            }
        }
        this.#timer = clock.after(LOOK_MS, () => this.#look());
    }
}
