// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { Backoff } from "../../link/backoff.ts";
import type { EdgeIdentity } from "../../link/identity/ports.ts";
import { CloseCode, type RedgeSession } from "../../link/session.ts";
import type { Closed, LinkConnection } from "../../link/transport/connection.ts";
import type { EdgeHubConfig } from "./config.ts";
import { Dialler } from "./dialler.ts";

export interface Link {
    readonly url: string;
    readonly connection: LinkConnection;
    readonly redge: RedgeSession | undefined;
    /** Why this is not the transport that was asked for. */
    readonly fallback?: string | undefined;
}

export interface ConnectorHooks {
    storeId(): string;
    /** Runs while the link is up; resolves when it is down. */
    up(link: Link): Promise<Closed>;
    /** An attempt failed, or the link went down; the next attempt follows after `retryMs`. */
    down(reason: unknown, retryMs: number): void;
}

/** A link that held so long begins anew with short waits. */
const STEADY_MS = 1_000;

/** Dials, again and again, until told to stop: the addresses in turn, with jittered exponential waits. */
export class Connector {
    readonly #config: EdgeHubConfig;
    readonly #dialler: Dialler;
    readonly #ports: Ports;
    readonly #hooks: ConnectorHooks;
    readonly #stopping = new AbortController();
    /** A better connection than the one that is up, ready to take its place. */
    #next: Link | undefined;
    #done: Promise<void> | undefined;

    constructor(config: EdgeHubConfig, identity: EdgeIdentity, ports: Ports, hooks: ConnectorHooks) {
        this.#config = config;
        this.#ports = ports;
        this.#hooks = hooks;
        this.#dialler = new Dialler(config, identity, ports, () => hooks.storeId());
    }

    start(): void {
        this.#done = this.#run();
    }

    /** The caller closes the link that is up, if any. */
    async stop(): Promise<void> {
        this.#stopping.abort();
        await this.#done;
    }

    async #run(): Promise<void> {
        const { clock, random } = this.#ports;
        const { reconnectFirstMs, reconnectMaxMs } = this.#config;
        const urls = this.#config.url.split(",").map((url) => url.trim());
        const backoff = new Backoff({ firstMs: reconnectFirstMs, maxMs: reconnectMaxMs }, random);
        const { signal } = this.#stopping;
        for (let attempt = 0; !signal.aborted; attempt += 1) {
            let reason: unknown;
            const beganMs = clock.monotonicMs();
            try {
                const url = urls[attempt % urls.length] ?? "";
                const link = this.#next ?? { url, ...(await this.#dialler.dial(url, signal)) };
                this.#next = undefined;
                const { code, reason: why } = await this.#hold(link, signal);
                if (this.#next !== undefined) continue;
                reason = why === "" ? `closed (${code})` : `${why} (${code})`;
                const expelled = code === CloseCode.forbidden;
                if (!expelled && clock.monotonicMs() - beganMs > STEADY_MS) backoff.reset();
            } catch (thrown) {
                reason = thrown;
            }
            if (signal.aborted) break;
            const retryMs = backoff.next();
            this.#ports.log.debug("no link to the cloud", { reason: errorText(reason), retryMs });
            this.#hooks.down(reason, retryMs);
            await sleep(clock, retryMs, signal);
        }
        this.#next?.connection.destroy();
    }

    /** Keeps the link up until it ends; over WebSocket looks for QUIC meanwhile, where that is wanted. */
    async #hold(link: Link, stopping: AbortSignal): Promise<Closed> {
        const ended = new AbortController();
        const signal = AbortSignal.any([stopping, ended.signal]);
        if (link.connection.transport === "websocket") {
            void this.#dialler.seekQuic(link.url, signal).then((found) => {
                if (found === undefined) return;
                if (signal.aborted) {
                    found.connection.destroy();
                    return;
                }
                this.#next = { url: link.url, ...found };
                link.connection.close(CloseCode.normal, "QUIC takes over");
            });
        }
        try {
            return await this.#hooks.up(link);
        } finally {
            ended.abort();
        }
    }
}
