// SPDX-License-Identifier: Apache-2.0
import type { EdgeIdentity } from "../../link/identity/ports.ts";
import { DEFAULT_WINDOW } from "../../link/session.ts";
import { type Dialled, dialWebSocket } from "../../link/transport/dial.ts";
import type { EdgeHubConfig } from "./config.ts";

/** Opens one connection to a CloudHub with this node's certificate. */
export class Dialler {
    readonly #config: EdgeHubConfig;
    readonly #identity: EdgeIdentity;
    readonly #storeId: () => string;
    #ticket: Buffer | undefined;

    constructor(config: EdgeHubConfig, identity: EdgeIdentity, storeId: () => string) {
        this.#config = config;
        this.#identity = identity;
        this.#storeId = storeId;
    }

    /**
     * @param url `wss://host:port`
     * @throws REDGE_LINK_REFUSED, REDGE_IDENTITY_*, or what the network says
     */
    async dial(url: string, signal: AbortSignal): Promise<Dialled> {
        const { projectId, handshakeTimeoutMs, maxMessageBytes, proxy } = this.#config;
        try {
            return await dialWebSocket({
                url,
                tls: await this.#identity.tls(),
                hello: {
                    nodeName: this.#identity.nodeName,
                    projectId,
                    session: { version: 1, store: this.#storeId(), window: DEFAULT_WINDOW },
                },
                timeoutMs: handshakeTimeoutMs,
                maxMessageBytes,
                proxy: proxy === "" ? undefined : proxy,
                ticket: this.#ticket,
                onTicket: (ticket) => {
                    this.#ticket = ticket;
                },
                signal,
            });
        } catch (thrown) {
            this.#ticket = undefined;
            throw thrown;
        }
    }
}
