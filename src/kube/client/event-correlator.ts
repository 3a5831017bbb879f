// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import type { KubeObject } from "../types.ts";
import type { Regarding } from "./event-recorder.ts";

export interface EventText {
    readonly type: "Normal" | "Warning";
    /** One word in upper camel case. */
    readonly reason: string;
    readonly message: string;
}

/** An Event to be written: as new, or over the one of the same name. */
export interface Occurrence {
    readonly event: KubeObject & { count: number; message: string; lastTimestamp: string };
    readonly repeated: boolean;
}

// The limits of client-go's event correlator (tools/record/events_cache.go).
const SIMILAR_LIMIT = 10;
const SIMILAR_WINDOW_MS = 600_000;
const BURST = 25;
const REFILL_MS = 300_000;
const REMEMBERED = 4096;

interface Similar {
    readonly messages: Set<string>;
    sinceMs: number;
}

interface Bucket {
    tokens: number;
    filledMs: number;
}

/** Decides what an event becomes: a new one, one more of an old one, one of a combined one, or nothing (a flood). */
export class EventCorrelator {
    readonly #source: { readonly component: string; readonly host?: string };
    readonly #clock: Clock;
    readonly #similar = new Map<string, Similar>();
    readonly #buckets = new Map<string, Bucket>();
    readonly #events = new Map<string, Occurrence["event"]>();
    #sequence = 0;

    constructor(source: { readonly component: string; readonly host?: string | undefined }, clock: Clock) {
        const { component, host } = source;
        this.#source = host === undefined ? { component } : { component, host };
        this.#clock = clock;
    }

    note(regarding: Regarding, text: EventText): Occurrence | undefined {
        const { metadata, fieldPath } = regarding;
        const about = [regarding.kind, metadata.namespace, metadata.name, metadata.uid, fieldPath].join("/");
        const kind = [about, text.type, text.reason].join("|");
        const combined = this.#isCombined(kind, text.message);
        const message = combined ? `(combined from similar events): ${text.message}` : text.message;
        const key = combined ? kind : `${kind}|${text.message}`;
        const nowMs = this.#clock.nowMs();
        const known = recall(this.#events, key);
        if (!this.#mayPass(about, nowMs)) return undefined;
        const lastTimestamp = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
        const event =
            known === undefined
                ? this.#event(regarding, { ...text, message }, lastTimestamp)
                : { ...known, message, lastTimestamp, count: known.count + 1 };
        remember(this.#events, key, event);
        return { event, repeated: known !== undefined };
    }

    /** More than ten different messages of one reason about one object within ten minutes are told as one event. */
    #isCombined(kind: string, message: string): boolean {
        const nowMs = this.#clock.nowMs();
        let similar = recall(this.#similar, kind);
        if (similar === undefined || nowMs - similar.sinceMs > SIMILAR_WINDOW_MS) {
            similar = { messages: new Set(), sinceMs: nowMs };
        }
        similar.sinceMs = nowMs;
        if (similar.messages.size <= SIMILAR_LIMIT) similar.messages.add(message);
        remember(this.#similar, kind, similar);
        return similar.messages.size > SIMILAR_LIMIT;
    }

    #mayPass(about: string, nowMs: number): boolean {
        const bucket = recall(this.#buckets, about) ?? { tokens: BURST, filledMs: nowMs };
        const refilled = Math.floor((nowMs - bucket.filledMs) / REFILL_MS);
        if (refilled > 0) {
            bucket.tokens = Math.min(BURST, bucket.tokens + refilled);
            bucket.filledMs += refilled * REFILL_MS;
        }
        remember(this.#buckets, about, bucket);
        if (bucket.tokens === 0) return false;
        bucket.tokens -= 1;
        return true;
    }

    #event({ apiVersion, kind, metadata, fieldPath }: Regarding, text: EventText, now: string): Occurrence["event"] {
        const { namespace, name, uid, resourceVersion } = metadata;
        this.#sequence += 1;
        const unique = (BigInt(this.#clock.nowMs()) * 1_000_000n + BigInt(this.#sequence % 1_000_000)).toString(16);
        return {
            apiVersion: "v1",
            kind: "Event",
            metadata: { name: `${name}.${unique}`, namespace: namespace ?? "default" },
            involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion, fieldPath },
            ...text,
            source: this.#source,
            firstTimestamp: now,
            lastTimestamp: now,
            count: 1,
            eventTime: null,
            reportingComponent: this.#source.component,
            reportingInstance: this.#source.host ?? "",
        };
    }
}

/** A map that forgets what was not used for longest. */
function recall<V>(map: Map<string, V>, key: string): V | undefined {
    const value = map.get(key);
    if (value !== undefined) {
        map.delete(key);
        map.set(key, value);
    }
    return value;
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
    map.delete(key);
    map.set(key, value);
    if (map.size <= REMEMBERED) return;
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
}
