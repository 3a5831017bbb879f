// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { isRecord } from "../../core/json.ts";
import type { DocumentStore, StoreOp } from "../../store/store.ts";

const TOKENS = "tokens/";

interface TokenRecord {
    readonly issuedMs: number;
    readonly expiresMs: number;
    /** The pod it is bound to. */
    readonly podUid?: string;
    /** The whole TokenRequest as the cloud answered it. */
    readonly answer: unknown;
}

export interface TokenOwner {
    readonly namespace: string;
    /** Of the service account. */
    readonly name: string;
}

/**
 * Service account tokens that the cloud issued. A token is renewed after 80 % of its life or a day, as the kubelet
 * does; but while the cloud cannot be asked the old one is kept, so that a pod starts after a reboot without a link.
 */
export class TokenTable {
    readonly #store: DocumentStore;
    readonly #clock: Clock;
    readonly #tokens = new Map<string, TokenRecord>();

    constructor(store: DocumentStore, clock: Clock) {
        this.#store = store;
        this.#clock = clock;
    }

    /**
     * Reads all. Tokens of pods that are gone, and those that no key opens, are dropped (Edged asks for new ones); age
     * alone drops none, the cloud may stay away for long. Answers those that lie in plain text, to be written sealed.
     */
    async load(knowsPod: (podUid: string) => boolean): Promise<readonly StoreOp[]> {
        const stale: StoreOp[] = [];
        const plain: StoreOp[] = [];
        for (const { key, value, sealed } of await this.#store.scan<TokenRecord>(TOKENS)) {
            if (sealed !== "shut" && isTokenRecord(value) && (value.podUid === undefined || knowsPod(value.podUid))) {
                this.#tokens.set(key.slice(TOKENS.length), value);
                if (sealed === undefined) plain.push({ op: "put", key, value, secret: true });
            } else stale.push({ op: "delete", key });
        }
        if (stale.length > 0) await this.#store.write(stale);
        return this.#store.purge === undefined ? [] : plain;
    }

    /** The kept answer to this request; `offline` gives it even when it is due for renewal. */
    get(resource: string, request: unknown, offline: boolean): unknown {
        const record = this.#tokens.get(keyOf(resource, request));
        if (record === undefined) return undefined;
        const lifeMs = Math.min((record.expiresMs - record.issuedMs) * 0.8, 24 * 3600 * 1000);
        const due = this.#clock.nowMs() > record.issuedMs + lifeMs;
        return due && !offline ? undefined : record.answer;
    }

    /** Whose token this is: one that was issued here and has not expired. */
    ownerOf(token: string): TokenOwner | undefined {
        const nowMs = this.#clock.nowMs();
        for (const [key, record] of this.#tokens) {
            const kept = (record.answer as { status?: { token?: unknown } } | null)?.status?.token;
            if (typeof kept !== "string" || nowMs >= record.expiresMs || !sameText(kept, token)) continue;
            const [namespace, , name] = key.split("/");
            if (namespace !== undefined && name !== undefined) return { namespace, name };
        }
        return undefined;
    }

    async put(resource: string, request: unknown, answer: unknown): Promise<void> {
        const status = (answer as { status?: { token?: unknown; expirationTimestamp?: unknown } } | null)?.status;
        if (typeof status?.token !== "string" || status.token === "") return;
        const expiresMs = Date.parse(String(status.expirationTimestamp));
        const issuedMs = this.#clock.nowMs();
        const podUid = (request as { spec?: { boundObjectRef?: { uid?: string } } } | null)?.spec?.boundObjectRef?.uid;
        const record: TokenRecord = {
            issuedMs,
            expiresMs: Number.isNaN(expiresMs) ? issuedMs + 3600_000 : expiresMs,
            answer,
            ...(podUid === undefined ? {} : { podUid }),
        };
        const key = keyOf(resource, request);
        await this.#store.write([{ op: "put", key: TOKENS + key, value: record, secret: true }]);
        this.#tokens.set(key, record);
    }
}

function isTokenRecord(value: unknown): value is TokenRecord {
    if (!isRecord(value)) return false;
    return typeof value["issuedMs"] === "number" && typeof value["expiresMs"] === "number" && "answer" in value;
}

/** Same account, audiences, life and bound object: same token. */
function keyOf(resource: string, request: unknown): string {
    const spec = (request as { spec?: unknown } | null)?.spec ?? {};
    return `${resource}/${createHash("sha256").update(JSON.stringify(spec)).digest("hex").slice(0, 24)}`;
}

function sameText(a: string, b: string): boolean {
    const [left, right] = [Buffer.from(a), Buffer.from(b)];
    return left.length === right.length && timingSafeEqual(left, right);
}
