// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Aedes, AuthenticateError, Client } from "aedes" with { "resolution-mode": "import" };
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { Broker, BrokerHandlers, PublishOptions } from "./broker.ts";
import type { EventBusConfig } from "./config.ts";
import { Inflow, type Published } from "./inflow.ts";
import { deliverWithoutWaiting } from "./live-delivery.ts";
import { PacketGuard } from "./packet-guard.ts";
import { forgetPacketNumbers } from "./packet-numbers.ts";
import type { Retained } from "./retained.ts";
import type { Sessions } from "./sessions.ts";
import { readTlsFiles } from "./tls-files.ts";
import { isTopicName, TopicFilters } from "./topics.ts";
import { Users } from "./users.ts";

const BAD_USERNAME_OR_PASSWORD = 4;
const STOP_MS = 1500;
/** CONNACK of MQTT 5: unsupported protocol version, no properties. */
const UNSUPPORTED_VERSION = Buffer.from([0x20, 3, 0, 0x84, 0]);

export interface EmbeddedBrokerParts {
    readonly retained: Retained;
    /** Where the sessions of clients are kept. */
    readonly sessions: DocumentStore;
    /** Told when the store does not take a session. */
    readonly failed: (thrown: unknown) => void;
    /** Told what a client has done that it was disconnected for, or has missed. */
    readonly trouble: (kind: ClientTrouble, client: Client) => void;
}

/** mqtt5: speaks another version. tooLong: sent a packet beyond the limit. leftOut, cutOff: reads too slowly. */
export type ClientTrouble = "mqtt5" | "tooLong" | "leftOut" | "cutOff";

/** An MQTT 3.1.1 broker in this process (aedes). Listens on loopback unless told otherwise. */
export class EmbeddedBroker implements Broker {
    readonly #config: EventBusConfig;
    readonly #parts: EmbeddedBrokerParts;
    readonly #filters = new TopicFilters();
    readonly #sockets = new Set<Socket>();
    readonly #usernames = new WeakMap<Client, string | undefined>();
    #aedes: Aedes | undefined;
    #sessions: Sessions | undefined;
    #server: Server | undefined;

    constructor(config: EventBusConfig, parts: EmbeddedBrokerParts) {
        this.#config = config;
        this.#parts = parts;
    }

    /** The port it listens on; 0 while it does not. */
    get port(): number {
        const address = this.#server?.address();
        return typeof address === "object" && address !== null ? address.port : 0;
    }

    /** @throws REDGE_EVENTBUS_LISTEN, REDGE_EVENTBUS_TLS, REDGE_CONFIG_INVALID */
    async start(handlers: BrokerHandlers): Promise<void> {
        const users = new Users(this.#config.users);
        const [{ Aedes }, { Sessions }] = await Promise.all([
            import("aedes"),
            import("./sessions.ts"),
            forgetPacketNumbers(),
        ]);
        const mayRead = (client: Client, topic: string) => users.maySubscribe(this.#usernames.get(client), topic);
        const inflow = new Inflow((packet) => this.#take(packet, handlers));
        const sessions = new Sessions({
            inflow,
            store: this.#parts.sessions,
            queueLimit: this.#config.queueLimit,
            maySubscribe: mayRead,
            failed: this.#parts.failed,
        });
        await sessions.load();
        this.#sessions = sessions;
        const aedes = new Aedes({
            persistence: sessions,
            // aedes would answer as 3.1.1, which clients of MQTT 5 need not understand.
            preConnect: (client, { protocolVersion }, done) => {
                if (protocolVersion !== 5) {
                    done(null, true);
                    return;
                }
                this.#parts.trouble("mqtt5", client);
                client.conn.end(UNSUPPORTED_VERSION, () => done(new Error("MQTT 5 is not spoken here"), false));
            },
            authenticate: (client, username, password, done) => {
                const allowed = users.authenticate(username, password);
                this.#usernames.set(client, username);
                if (allowed) done(null, true);
                else
                    done(
                        Object.assign(new Error("not authorised"), {
                            returnCode: BAD_USERNAME_OR_PASSWORD,
                        }) as AuthenticateError,
                        false,
                    );
            },
            authorizePublish: (client, packet, done) => {
                const allowed = client === null || users.mayPublish(this.#usernames.get(client), packet.topic);
                if (!allowed || packet.topic.startsWith("$SYS/")) done(new Error("publish not permitted"));
                else if (!isTopicName(packet.topic)) done(new Error("not a topic"));
                else if (client === null) done(null);
                else inflow.publish(client, packet, done);
            },
            // null instead of the subscription: the client is told 0x80 and stays connected (MQTT 3.1.1, 3.9.3)
            authorizeSubscribe: (client, subscription, done) =>
                done(null, mayRead(client, subscription.topic) ? subscription : null),
            // What was queued for a session is for whoever it belonged to: the one who comes for it may be another.
            authorizeForward: (client, packet) => (mayRead(client, packet.topic) ? packet : null),
        });
        await aedes.listen();
        this.#aedes = aedes;
        for (const { topic, payload, qos } of await this.#parts.retained.load())
            await this.publish(topic, payload, { qos, retain: true });
        aedes.on("publish", (packet, client) => {
            // What clients publish with QoS 1 or 2 has been kept before it was acknowledged.
            if (client === null || packet.qos === 0) void this.#retain(packet)?.catch(() => {});
        });
        await this.#listen(aedes);
        handlers.connected();
    }

    async stop(): Promise<void> {
        const [aedes, server] = [this.#aedes, this.#server];
        this.#aedes = undefined;
        this.#server = undefined;
        for (const socket of this.#sockets) socket.destroy();
        const closed = [
            new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve()))),
            new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(() => resolve()))),
        ];
        const late = new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref());
        await Promise.race([Promise.all([...closed, this.#parts.retained.settled(), this.#sessions?.settled()]), late]);
    }

    async publish(topic: string, payload: string | Buffer, { qos, retain }: PublishOptions): Promise<void> {
        const aedes = this.#aedes;
        if (aedes === undefined) throw new RedgeError("REDGE_EVENTBUS_OFFLINE", { url: "(embedded)", topic });
        await new Promise<void>((resolve, reject) =>
            aedes.publish({ cmd: "publish", dup: false, topic, payload, qos, retain }, (error?: Error) =>
                error ? reject(error) : resolve(),
            ),
        );
    }

    async subscribe(filter: string): Promise<void> {
        this.#filters.add(filter);
    }

    async unsubscribe(filter: string): Promise<void> {
        this.#filters.delete(filter);
    }

    /** A message of a client, before it is acknowledged: to the wires, and to disk if it is retained. */
    #take(packet: Published, handlers: BrokerHandlers): Promise<void> | undefined {
        const { topic, payload, qos } = packet;
        const kept = qos === 0 ? undefined : this.#retain(packet);
        if (!this.#filters.match(topic)) return kept;
        const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
        const taken = handlers.message({ topic, payload: bytes, held: qos > 0 });
        return kept === undefined || taken === undefined ? (taken ?? kept) : Promise.all([kept, taken]).then(() => {});
    }

    /** `failed` of the retained messages is told when it does not reach the disk. */
    #retain({ topic, payload, qos, retain }: Published): Promise<void> | undefined {
        if (!retain || topic.startsWith("$SYS/")) return undefined;
        return this.#parts.retained.keep({ topic, qos, payload: Buffer.from(payload) });
    }

    async #listen(aedes: Aedes): Promise<void> {
        const { host, port, tls, clientCertificates } = this.#config;
        const handle = (socket: Socket): void => {
            this.#sockets.add(socket);
            socket.on("close", () => this.#sockets.delete(socket));
            const client = aedes.handle(socket);
            deliverWithoutWaiting(client, socket, {
                leftOut: () => this.#parts.trouble("leftOut", client),
                cutOff: () => this.#parts.trouble("cutOff", client),
            });
            // Beside aedes' own reading: told of each chunk before its parser gets it.
            const guard = new PacketGuard(this.#config.maxPacketBytes);
            socket.on("data", (chunk: Buffer) => {
                if (socket.destroyed || guard.admits(chunk)) return;
                this.#parts.trouble("tooLong", client);
                // From here on the parser is not listened to: a packet that is whole in this chunk is none either.
                client.close();
                socket.destroy();
            });
        };
        const certificates = { requestCert: clientCertificates, rejectUnauthorized: clientCertificates };
        const server = tls
            ? createTlsServer({ ...(await readTlsFiles(this.#config)), ...certificates }, handle)
            : createServer(handle);
        await new Promise<void>((resolve, reject) => {
            server.once("error", (thrown) =>
                reject(new RedgeError("REDGE_EVENTBUS_LISTEN", { host, port, reason: errorText(thrown) }, thrown)),
            );
            server.listen(port, host, resolve);
        });
        this.#server = server;
    }
}
