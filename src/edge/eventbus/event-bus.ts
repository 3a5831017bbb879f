// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import {
    type Envelope,
    Group,
    type Header,
    MessageType,
    newEnvelope,
    Operation,
    Source,
} from "../../envelope/envelope.ts";
import { contentOf } from "../../envelope/payload.ts";
import { below, type DocumentStore } from "../../store/store.ts";
import { isRecord } from "../mappers/fields.ts";
import type { Broker, BrokerMessage, PublishOptions } from "./broker.ts";
import type { EventBusConfig } from "./config.ts";
import { type ClientTrouble, EmbeddedBroker, type EmbeddedBrokerParts } from "./embedded-broker.ts";
import { ExternalBroker } from "./external-broker.ts";
import { Receipts } from "./receipts.ts";
import { Retained } from "./retained.ts";
import { FIXED_SUBSCRIPTIONS, isForDeviceTwin, isTopicFilter, isTopicName } from "./topics.ts";

export type EventBusOutput = "devicetwin" | "edgehub";

export interface EventBusPorts extends Ports {
    readonly store: DocumentStore;
}

const TOPIC = "topic/";
const RETAINED = "retained/";
const SESSIONS = "session/";
const JOURNAL = "journal/";
/** Clients whose trouble is remembered as told. */
const MOST_TOLD = 1000;
const TROUBLE: Readonly<Record<ClientTrouble, string>> = {
    mqtt5: "an MQTT 5 client is refused: the embedded broker speaks 3.1.1; let the client do so, or use an external broker",
    tooLong: "an MQTT client is disconnected: it sent a packet longer than maxPacketBytes",
    leftOut: "an MQTT client reads too slowly and misses messages of QoS 0",
    cutOff: "an MQTT client reads too slowly and is disconnected; what it has not read waits in its session, if it has one",
};

/**
 * Ties MQTT to the wires (device plane reference 4): documents of devices go to DeviceTwin, user topics and records up
 * to the cloud; what DeviceTwin and the cloud publish goes out. Topics that the cloud subscribes are kept on disk.
 */
export class EventBus extends WireComponent<EventBusOutput> {
    readonly outputs = ["devicetwin", "edgehub"] as const;
    readonly #config: EventBusConfig;
    readonly #ports: EventBusPorts;
    readonly #store: DocumentStore;
    readonly #embedded: EmbeddedBroker | undefined;
    readonly #broker: Broker;
    readonly #receipts: Receipts;
    readonly #received;
    readonly #published;
    #stopped = false;

    constructor(config: EventBusConfig, ports: EventBusPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#store = below(ports.store, "eventbus/");
        const retained = new Retained(below(this.#store, RETAINED), (thrown) =>
            ports.log.error("a retained message is not stored", { reason: errorText(thrown) }),
        );
        const sessions = below(this.#store, SESSIONS);
        const failed = (thrown: unknown) =>
            ports.log.error("a client's session is not stored", { reason: errorText(thrown) });
        this.#embedded =
            config.mode === "internal"
                ? new EmbeddedBroker(config, { retained, sessions, failed, trouble: this.#trouble() })
                : undefined;
        this.#broker = this.#embedded ?? new ExternalBroker(config);
        this.#receipts = new Receipts({
            store: below(this.#store, JOURNAL),
            clock: ports.clock,
            send: (output, message) => this.send(output, message),
            failed: (thrown) =>
                ports.log.error("a message that was taken stays in the journal", { reason: errorText(thrown) }),
        });
        const { metrics } = ports;
        this.#received = metrics.counter("redge_eventbus_received_messages", "Messages taken from MQTT clients", [
            "to",
        ]);
        this.#published = metrics.counter("redge_eventbus_published_messages", "Messages published to MQTT clients");
    }

    /** Told in the log once for each client id and kind; what a slow client misses is counted. */
    #trouble(): EmbeddedBrokerParts["trouble"] {
        const { log, metrics } = this.#ports;
        const dropped = metrics.counter(
            "redge_eventbus_dropped_messages",
            "Messages of QoS 0 that slow clients missed",
        );
        const told = new Set<string>();
        return (kind, { id }) => {
            if (kind === "leftOut") dropped.add();
            const key = `${kind} ${id}`;
            if (told.has(key)) return;
            if (told.size === MOST_TOLD) told.clear();
            told.add(key);
            log.warn(TROUBLE[kind], { client: id ?? "(not connected yet)" });
        };
    }

    /** Of the embedded broker, once started. */
    get port(): number {
        return this.#embedded?.port ?? 0;
    }

    /** @throws REDGE_EVENTBUS_LISTEN, REDGE_EVENTBUS_TLS, REDGE_CONFIG_INVALID */
    async start(): Promise<void> {
        this.report({ level: "connecting", text: "connecting" });
        const kept = await this.#store.scan(TOPIC);
        for (const filter of FIXED_SUBSCRIPTIONS) await this.#broker.subscribe(filter);
        for (const { key } of kept) await this.#broker.subscribe(key.slice(TOPIC.length));
        await this.#receipts.replay();
        await this.#broker.start({
            message: (message) => this.#arrived(message),
            connected: () => this.#connected(),
            disconnected: (reason) => {
                if (!this.#stopped) this.report({ level: "connecting", text: "brokerAway", params: { reason } });
            },
        });
    }

    async stop(): Promise<void> {
        if (this.#stopped) return;
        this.#stopped = true;
        await this.#receipts.stop();
        await this.#broker.stop();
    }

    /** @throws REDGE_DEVICE_MESSAGE, REDGE_EVENTBUS_OFFLINE, REDGE_STORE_* */
    async receive({ header, route, content }: Envelope): Promise<void> {
        const { operation, resource } = route;
        if (header.parent_msg_id !== undefined) {
            const refusal = operation === Operation.error ? String(content) : undefined;
            this.#receipts.answered(header.parent_msg_id, refusal);
            return;
        }
        if (route.source === Source.edgehub && resource === "link") return this.#linkState(operation, content);
        if (operation === Operation.publish) return this.#publish(resource, bytesIn(header, content));
        if (operation === Operation.subscribe || operation === Operation.unsubscribe) {
            if (!isTopicFilter(resource)) throw refuse(resource, "is not an MQTT topic filter");
            if (operation === Operation.subscribe) {
                await this.#store.write([{ op: "put", key: TOPIC + resource, value: {} }]);
                await this.#broker.subscribe(resource);
            } else {
                await this.#store.write([{ op: "delete", key: TOPIC + resource }]);
                await this.#broker.unsubscribe(resource);
            }
        }
    }

    async #publish(topic: string, content: unknown): Promise<void> {
        if (!isTopicName(topic)) throw refuse(topic.slice(0, 80), "is not an MQTT topic");
        const { payload, options } = this.#unpack(content);
        await this.#broker.publish(topic, payload, options);
        this.#published.add();
    }

    /** `{payload, qos?, retain?}` sets QoS and retention for one message; anything else is the payload itself. */
    #unpack(content: unknown): { payload: string | Buffer; options: PublishOptions } {
        const { qos, retain } = this.#config;
        if (isRecord(content) && "payload" in content && ("qos" in content || "retain" in content)) {
            const given = content["qos"];
            const options = {
                qos: given === 0 || given === 1 || given === 2 ? given : qos,
                retain: content["retain"] === true,
            };
            return { payload: payloadOf(content["payload"]), options };
        }
        return { payload: payloadOf(content), options: { qos, retain } };
    }

    #arrived({ topic, payload, held }: BrokerMessage): Promise<void> | undefined {
        const toTwin = isForDeviceTwin(topic);
        const output = toTwin ? "devicetwin" : "edgehub";
        const route = {
            source: Source.bus,
            group: Group.user,
            operation: toTwin ? Operation.response : Operation.upload,
            resource: topic,
        };
        const timestamp = this.#ports.clock.nowMs();
        this.#received.add(1, { to: output });
        const content = toTwin ? { content: parsed(payload) } : contentOf(payload);
        const message = newEnvelope({ route, ...content, timestamp, sync: held });
        if (held) return this.#receipts.wait(output, message);
        if (!this.#stopped) this.send(output, message);
        return undefined;
    }

    /** Retained, so that an application that connects later knows at once: `$hw/events/node/<node>/link`. */
    async #linkState(operation: string, content: unknown): Promise<void> {
        const state = operation === Operation.connect ? "connected" : "disconnected";
        const document = { state, timestamp: this.#ports.clock.nowMs(), ...(isRecord(content) ? content : {}) };
        const topic = `$hw/events/node/${this.#config.nodeName}/link`;
        await this.#broker.publish(topic, JSON.stringify(document), { qos: 1, retain: true });
    }

    #connected(): void {
        if (this.#stopped) return;
        if (this.#embedded === undefined)
            this.report({ level: "ready", text: "connectedTo", params: { url: this.#config.url } });
        else this.report({ level: "ready", text: "listening", params: { port: this.#embedded.port } });
    }
}

/** Documents are JSON in UTF-8; what is not travels as text, and DeviceTwin answers it with an error. */
function parsed(payload: Buffer): unknown {
    const text = payload.toString("utf8");
    if (!isUtf8(payload)) return text;
    try {
        return JSON.parse(text) as unknown;
    } catch {
        return text;
    }
}

/** The cloud has no other place than base64 for bytes that are no text. */
function bytesIn({ type }: Header, content: unknown): unknown {
    return type === MessageType.base64 && typeof content === "string" ? Buffer.from(content, "base64") : content;
}

function payloadOf(content: unknown): string | Buffer {
    if (typeof content === "string" || Buffer.isBuffer(content)) return content;
    return content === null || content === undefined ? "" : JSON.stringify(content);
}

function refuse(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_MESSAGE", { component: "EventBus", field, reason });
}
