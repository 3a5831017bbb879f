// SPDX-License-Identifier: Apache-2.0
import type { IClientOptions, MqttClient } from "mqtt";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Broker, BrokerHandlers, PublishOptions } from "./broker.ts";
import type { EventBusConfig } from "./config.ts";
import { forgetPacketNumbers } from "./packet-numbers.ts";
import { readTlsFiles } from "./tls-files.ts";

const RECONNECT_MS = 1000;
const CONNECT_TIMEOUT_MS = 10_000;

/** A client of somebody else's broker. It never waits for it: what is published meanwhile is kept, up to a limit. */
export class ExternalBroker implements Broker {
    readonly #config: EventBusConfig;
    readonly #filters = new Set<string>();
    #client: MqttClient | undefined;
    #waiting = 0;

    constructor(config: EventBusConfig) {
        this.#config = config;
    }

    /** @throws REDGE_EVENTBUS_TLS */
    async start(handlers: BrokerHandlers): Promise<void> {
        const [{ connect }] = await Promise.all([import("mqtt"), forgetPacketNumbers()]);
        const client = connect(this.#config.url, await this.#options());
        this.#client = client;
        client.on("connect", () => {
            for (const filter of this.#filters) this.#subscribe(client, filter);
            handlers.connected();
        });
        // Not held: the broker has acknowledged it to the device already, and the library takes one message after the other.
        client.on("message", (topic, payload) => void handlers.message({ topic, payload, held: false }));
        client.on("close", () => handlers.disconnected("connection closed"));
        client.on("error", (error) => handlers.disconnected(errorText(error)));
    }

    async stop(): Promise<void> {
        const client = this.#client;
        this.#client = undefined;
        if (client === undefined) return;
        client.removeAllListeners();
        client.on("error", () => {}); // the library emits errors of sockets that are being torn down
        await client.endAsync(true);
    }

    async publish(topic: string, payload: string | Buffer, { qos, retain }: PublishOptions): Promise<void> {
        const client = this.#client;
        if (client === undefined || (!client.connected && this.#waiting >= this.#config.queueLimit)) {
            throw new RedgeError("REDGE_EVENTBUS_OFFLINE", { url: this.#config.url, topic });
        }
        this.#waiting += 1;
        client.publish(topic, payload, { qos, retain }, () => {
            this.#waiting -= 1;
        });
    }

    async subscribe(filter: string): Promise<void> {
        this.#filters.add(filter);
        if (this.#client?.connected) this.#subscribe(this.#client, filter);
    }

    async unsubscribe(filter: string): Promise<void> {
        this.#filters.delete(filter);
        if (this.#client?.connected) await this.#client.unsubscribeAsync(filter);
    }

    #subscribe(client: MqttClient, filter: string): void {
        // MQTT 5's "no local" keeps what we publish ourselves from coming back and going up to the cloud again.
        client.subscribe(filter, { qos: 1, ...(this.#config.protocolVersion === 5 ? { nl: true } : {}) });
    }

    async #options(): Promise<IClientOptions> {
        const { clientId, username, password, protocolVersion } = this.#config;
        return {
            ...(await readTlsFiles(this.#config)),
            ...(clientId === undefined ? {} : { clientId }),
            ...(username === undefined ? {} : { username }),
            ...(password === undefined ? {} : { password }),
            protocolVersion,
            clean: true,
            resubscribe: false,
            reconnectPeriod: RECONNECT_MS,
            connectTimeout: CONNECT_TIMEOUT_MS,
        };
    }
}
