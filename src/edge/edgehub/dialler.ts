// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { errorText, isRedgeError } from "../../core/errors/redge-error.ts";
import type { EdgeIdentity } from "../../link/identity/ports.ts";
import { DEFAULT_WINDOW } from "../../link/session.ts";
import { type Dialled, type DialOptions, dialWebSocket } from "../../link/transport/dial.ts";
import { dialQuic } from "../../link/transport/quic/dial.ts";
import type { EdgeHubConfig } from "./config.ts";

/** First wait before QUIC is tried again: a cloud that just starts may have its ports one after the other. */
const SOON_MS = 10_000;

export interface Opened extends Dialled {
    /** Why this is WebSocket although QUIC was asked for. */
    readonly fallback?: string;
}

/** Opens connections to a CloudHub with this node's certificate: QUIC where that is wanted and works, else WebSocket. */
export class Dialler {
    readonly #config: EdgeHubConfig;
    readonly #identity: EdgeIdentity;
    readonly #ports: Ports;
    readonly #storeId: () => string;
    #ticket: Buffer | undefined;
    /** Why QUIC does not get through although WebSocket does, and until when it is left alone. */
    #blocked: { readonly reason: string; readonly untilMs: number } | undefined;
    #hopeless = false;

    constructor(config: EdgeHubConfig, identity: EdgeIdentity, ports: Ports, storeId: () => string) {
        this.#config = config;
        this.#identity = identity;
        this.#ports = ports;
        this.#storeId = storeId;
    }

    /**
     * @param url `wss://host:port`
     * @throws REDGE_LINK_REFUSED, REDGE_IDENTITY_*, or what the network says
     */
    async dial(url: string, signal: AbortSignal): Promise<Opened> {
        if (this.#config.transport === "websocket") return await this.#dialWebSocket(url, signal);
        const { clock, log } = this.#ports;
        let reason = this.#blocked?.reason ?? "";
        if (!this.#hopeless && clock.monotonicMs() >= (this.#blocked?.untilMs ?? 0)) {
            try {
                return await this.#dialQuic(url, signal);
            } catch (thrown) {
                // What this node's certificate or name is refused for is the same over WebSocket.
                if (!goesOn(thrown)) throw thrown;
                reason = errorText(thrown);
            }
        }
        const opened = await this.#dialWebSocket(url, signal);
        // Only now is it known that the cloud is there and QUIC alone does not get through.
        if (reason !== this.#blocked?.reason) log.warn("QUIC does not work, the link is WebSocket", { url, reason });
        this.#blocked = { reason, untilMs: clock.monotonicMs() + this.#config.quicRetryMs };
        return { ...opened, fallback: reason };
    }

    /** While WebSocket is in use: tries QUIC again, soon and then less and less often. Undefined when it is not wanted or `signal` aborts. */
    async seekQuic(url: string, signal: AbortSignal): Promise<Opened | undefined> {
        const { clock, log } = this.#ports;
        const { transport, quicRetryMs } = this.#config;
        for (let waitMs = SOON_MS; transport === "quic" && !this.#hopeless && !signal.aborted; waitMs *= 2) {
            await sleep(clock, Math.min(waitMs, quicRetryMs), signal);
            if (signal.aborted) break;
            try {
                return await this.#dialQuic(url, signal);
            } catch (thrown) {
                log.debug("QUIC still does not work", { url, reason: errorText(thrown) });
            }
        }
        return undefined;
    }

    async #dialQuic(url: string, signal: AbortSignal): Promise<Opened> {
        const { quicPort, quicTimeoutMs } = this.#config;
        const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
        try {
            const options = await this.#options(quicTimeoutMs, signal);
            const opened = await dialQuic({ ...options, host, port: quicPort });
            this.#blocked = undefined;
            return opened;
        } catch (thrown) {
            this.#hopeless = isRedgeError(thrown) && thrown.code === "REDGE_LINK_QUIC_LIBRARY";
            throw thrown;
        }
    }

    async #dialWebSocket(url: string, signal: AbortSignal): Promise<Dialled> {
        const { handshakeTimeoutMs, proxy } = this.#config;
        try {
            return await dialWebSocket({
                ...(await this.#options(handshakeTimeoutMs, signal)),
                url,
                proxy: proxy === "" ? undefined : proxy,
                ticket: this.#ticket,
                onTicket: (ticket) => {
                    this.#ticket = ticket;
                },
            });
        } catch (thrown) {
            this.#ticket = undefined;
            throw thrown;
        }
    }

    async #options(timeoutMs: number, signal: AbortSignal): Promise<DialOptions> {
        const { projectId, maxMessageBytes } = this.#config;
        return {
            tls: await this.#identity.tls(),
            hello: {
                nodeName: this.#identity.nodeName,
                projectId,
                session: { version: 1, store: this.#storeId(), window: DEFAULT_WINDOW },
            },
            timeoutMs,
            maxMessageBytes,
            signal,
        };
    }
}

function goesOn(thrown: unknown): boolean {
    if (!isRedgeError(thrown)) return false;
    return thrown.code === "REDGE_LINK_QUIC_FAILED" || thrown.code === "REDGE_LINK_QUIC_LIBRARY";
}
