// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import { decodeEnvelope, encodeEnvelope } from "../../envelope/codec.ts";
import { type Envelope, Group, newEnvelope, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import { durableClass } from "../../link/durable.ts";
import type { EdgeIdentity } from "../../link/identity/ports.ts";
import { CloseCode, DEFAULT_WINDOW } from "../../link/session.ts";
import type { Closed } from "../../link/transport/connection.ts";
import type { DocumentStore } from "../../store/store.ts";
import { withReceipt } from "../receipt.ts";
import type { EdgeHubConfig } from "./config.ts";
import { Connector, type Link } from "./connector.ts";
import { isAcknowledgedResponse, isPush, outputFor } from "./dispatch.ts";
import { EdgeHubMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { Received } from "./received.ts";
import { isRequest, Requests } from "./requests.ts";
import { UplinkPump } from "./uplink-pump.ts";

export interface EdgeHubPorts extends Ports {
    readonly identity: EdgeIdentity;
    /** For the outbox, below a prefix of its own. */
    readonly store: DocumentStore;
}

export type EdgeHubOutput = "resources" | "devices" | "user" | "link";

/** Pushes whose repeats are known; more than any cloud has in flight. */
const RECEIVED_LIMIT = DEFAULT_WINDOW * 2;
const RECEIVED_PATIENCE_MS = 10_000;
/** How long after a heartbeat the cloud has to show a sign of life. */
const SILENCE_GRACE_MS = 10_000;

const NEEDS_SOMEBODY = /^REDGE_(LINK_REFUSED|IDENTITY_(?!UNREACHABLE))/;

/** The edge end of the link, to a Redge CloudHub or a stock CloudCore (KubeEdge wire protocol v1.23). */
export class EdgeHub extends WireComponent<EdgeHubOutput> {
    readonly outputs = ["resources", "devices", "user", "link"] as const;
    readonly #config: EdgeHubConfig;
    readonly #ports: EdgeHubPorts;
    readonly #metrics: EdgeHubMetrics;
    readonly #outbox: Outbox;
    readonly #pump: UplinkPump;
    readonly #requests: Requests;
    readonly #received = new Received(RECEIVED_LIMIT, RECEIVED_PATIENCE_MS);
    readonly #connector: Connector;
    #link: Link | undefined;
    #sinceMs = 0;
    #aliveMs = 0;
    #heartbeat: Timer | undefined;
    #status: Timer | undefined;
    #told = "";
    #trouble: string | undefined;
    /** Trying again will not help: the cloud refuses this node, or there is no certificate to be had. */
    #stuck = false;
    #running = false;
    #unlisten: (() => void) | undefined;

    constructor(config: EdgeHubConfig, ports: EdgeHubPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#metrics = new EdgeHubMetrics(ports.metrics);
        const limits = {
            maxBytes: config.outboxMaxBytes,
            maxMessages: config.outboxMaxMessages,
            maxAgeMs: config.outboxMaxAgeHours * 3_600_000,
        };
        this.#outbox = new Outbox(ports.store, ports.clock, limits, {
            dropped: (kind, reason) => this.#metrics.dropped.add(1, { class: kind, reason }),
            coalesced: () => this.#metrics.coalesced.add(),
        });
        this.#pump = new UplinkPump(this.#outbox, ports);
        const waiting = { timeoutMs: config.requestTimeoutMs, limit: config.requestLimit };
        this.#requests = new Requests(ports.clock, waiting, (request, reason) => this.#answerFailed(request, reason));
        this.#connector = new Connector(config, ports.identity, ports, {
            storeId: () => this.#outbox.storeId,
            up: (link) => this.#up(link),
            down: (reason) => this.#noLink(reason),
        });
    }

    /** Resolves when the outbox is read; connecting goes on by itself. @throws REDGE_STORE_* */
    async start(): Promise<void> {
        this.report({ level: "connecting", text: "connecting", params: this.#figures() });
        await this.#outbox.load();
        this.#running = true;
        this.#unlisten = this.#ports.identity.onRenewed(() => {
            this.#link?.connection.close(CloseCode.normal, "certificate renewed");
        });
        // DeviceTwin keeps its reports until there is a link; MetaManager tells "not yet" from "gone".
        this.#tellLink(Operation.disconnect, { reason: "not connected yet", connectedBefore: false });
        this.#connector.start();
        this.#onStatus();
    }

    async stop(): Promise<void> {
        if (!this.#running) return;
        this.#running = false;
        this.#unlisten?.();
        this.#status?.cancel();
        this.#requests.stop();
        this.#pump.stop();
        this.#link?.connection.close(CloseCode.goingAway, "EdgeHub stops");
        await this.#connector.stop();
    }

    async receive(envelope: Envelope): Promise<void> {
        if (!this.#running) throw new RedgeError("REDGE_LINK_STOPPED", { hub: "EdgeHub" });
        if (envelope.route.operation === Operation.renew && envelope.route.resource === "store") {
            if (await this.#outbox.renewStoreId()) this.#link?.connection.close(CloseCode.normal, "records were lost");
            return;
        }
        const kind = durableClass(envelope);
        if (kind !== undefined) {
            // The receipt is between the parts of this gateway: what goes up does not ask for it.
            const { sync: _, ...header } = envelope.header;
            const keep = async (): Promise<void> => {
                await this.#outbox.add({ ...envelope, header }, kind);
                this.#metrics.sent.add(1, { class: kind });
            };
            await withReceipt(envelope, Source.edgehub, keep, (receipt) => this.send("user", receipt));
            this.#pump.run();
            return;
        }
        const { parent_msg_id: parentId } = envelope.header;
        if (parentId !== undefined) {
            this.#received.answered(parentId, envelope, envelope.route.operation === Operation.error);
            this.#transmit(envelope, "answer");
        } else if (isRequest(envelope)) {
            this.#requests.add(envelope);
            this.#sendRequests();
        } else {
            this.#transmit(envelope, "once");
        }
    }

    async #up(link: Link): Promise<Closed> {
        const { clock, log } = this.#ports;
        const peer = link.redge === undefined ? "kubeedge" : "redge";
        const closed = new Promise<Closed>((resolve) => {
            link.connection.open({
                message: (text) => this.#onMessage(link, text),
                alive: () => {
                    this.#aliveMs = clock.monotonicMs();
                },
                closed: resolve,
            });
        });
        if (!this.#running) {
            link.connection.destroy();
            return await closed;
        }
        this.#link = link;
        this.#trouble = undefined;
        this.#sinceMs = clock.nowMs();
        this.#aliveMs = clock.monotonicMs();
        this.#metrics.connects.add();
        const { transport } = link.connection;
        log.info("connected to the cloud", { url: link.url, peer, transport });
        this.#beat(link);
        this.#tellLink(Operation.connect, { url: link.url, peer, transport });
        this.#sendRequests();
        this.#pump.linkUp(link);
        this.#tellState();
        const how = await closed;
        this.#link = undefined;
        this.#heartbeat?.cancel();
        this.#pump.linkDown();
        this.#requests.linkLost();
        log.info("the link to the cloud went down", { url: link.url, code: how.code, reason: how.reason });
        this.#tellLink(Operation.disconnect, { url: link.url, peer, reason: how.reason });
        return how;
    }

    #noLink(reason: unknown): void {
        this.#trouble = errorText(reason);
        this.#stuck = isRedgeError(reason) && NEEDS_SOMEBODY.test(reason.code);
        this.#tellState();
    }

    /** Keepalive first at once; the ping makes a cloud show life that has nothing else to say. */
    #beat(link: Link): void {
        const { clock } = this.#ports;
        const { heartbeatMs } = this.#config;
        if (clock.monotonicMs() - this.#aliveMs > heartbeatMs + SILENCE_GRACE_MS) {
            this.#ports.log.warn("the cloud is silent, connecting again", { url: link.url });
            link.connection.destroy();
            return;
        }
        const route = {
            source: Source.websocket,
            group: Group.resource,
            operation: Operation.keepalive,
            resource: "node",
        };
        link.connection.beat(encodeEnvelope(newEnvelope({ route, content: "ping", timestamp: clock.nowMs() })));
        link.connection.ping();
        this.#heartbeat = clock.after(heartbeatMs, () => this.#beat(link));
    }

    #transmit(envelope: Envelope, kind: "answer" | "once" | "request"): void {
        if (this.#link === undefined) {
            this.#metrics.dropped.add(1, { class: kind, reason: "offline" });
            return;
        }
        this.#metrics.sent.add(1, { class: kind });
        this.#link.connection.send(encodeEnvelope(envelope));
    }

    #sendRequests(): void {
        if (this.#link === undefined) return;
        for (const request of this.#requests.unsent()) this.#transmit(request, "request");
    }

    #answerFailed(request: Envelope, reason: string): void {
        const from = { source: Source.edgehub, group: Group.resource, operation: Operation.error };
        this.#dispatch(responseTo(request, reason, from));
    }

    #onMessage(link: Link, text: string): void {
        this.#aliveMs = this.#ports.clock.monotonicMs();
        let envelope: Envelope;
        try {
            envelope = decodeEnvelope(text);
        } catch (thrown) {
            this.#ports.log.warn("ignored a message that is no envelope", { reason: errorText(thrown) });
            return;
        }
        const { parent_msg_id: parentId, msg_id: id } = envelope.header;
        if (parentId !== undefined) {
            if (this.#requests.answered(parentId) && link.redge === undefined && isAcknowledgedResponse(envelope)) {
                link.connection.send(encodeEnvelope(responseTo(envelope, "OK")));
            }
            const refused = envelope.route.operation === Operation.error;
            const settled = this.#pump.settled(parentId, refused ? "refused" : "delivered");
            if (settled && refused) {
                const { resource } = envelope.route;
                this.#ports.log.warn("the cloud refused a message", { resource, reason: String(envelope.content) });
            }
            if (settled && envelope.route.source === Source.cloudhub) return;
        } else if (isPush(envelope)) {
            const repeat = this.#received.see(id, this.#ports.clock.monotonicMs());
            if (repeat === "ignore") return;
            if (repeat !== "dispatch") {
                link.connection.send(encodeEnvelope(repeat));
                return;
            }
        }
        this.#dispatch(envelope);
    }

    #dispatch(envelope: Envelope): void {
        const output = outputFor(envelope);
        if (output === undefined) {
            this.#ports.log.debug("ignored a message of an unknown group", { group: envelope.route.group });
            return;
        }
        this.#metrics.received.add(1, { output });
        this.send(output, envelope);
    }

    #tellLink(operation: string, content: unknown): void {
        const route = { source: Source.edgehub, group: Group.hub, operation, resource: "link" };
        this.send("link", newEnvelope({ route, content, timestamp: this.#ports.clock.nowMs() }));
    }

    #figures(): Record<string, string | number> {
        return { queued: this.#outbox.size + this.#requests.size, dropped: this.#outbox.dropped };
    }

    #onStatus(): void {
        this.#metrics.connected.set(this.#link === undefined ? 0 : 1);
        this.#metrics.queued.set(this.#outbox.size);
        this.#metrics.queuedBytes.set(this.#outbox.bytes);
        this.#tellState();
        void this.#outbox.expire().catch((thrown: unknown) => {
            this.#ports.log.warn("old messages cannot be removed", { reason: errorText(thrown) });
        });
        this.#status = this.#ports.clock.after(1_000, () => this.#onStatus());
    }

    /**
     * `connected`: "connected since {since}, {queued} queued, {dropped} dropped"; `quic`: the same over QUIC; `fallback`:
     * the same over WebSocket instead of QUIC, with the reason; `offline`: with the reason.
     */
    #tellState(): void {
        const link = this.#link;
        const { text, more } = link === undefined ? this.#offline() : this.#online(link);
        const params = { ...this.#figures(), ...more };
        const told = `${text} ${JSON.stringify(params)}`;
        if (!this.#running || told === this.#told) return;
        this.#told = told;
        const offline = this.#stuck ? "disconnected" : "connecting";
        this.report({ level: link === undefined ? offline : text === "fallback" ? "busy" : "ready", text, params });
    }

    #online({ connection, fallback }: Link): { text: string; more: Record<string, string> } {
        const since = new Date(this.#sinceMs).toISOString();
        if (fallback !== undefined) return { text: "fallback", more: { since, reason: fallback } };
        return { text: connection.transport === "quic" ? "quic" : "connected", more: { since } };
    }

    #offline(): { text: string; more: Record<string, string> } {
        const reason = this.#trouble;
        return { text: reason === undefined ? "connecting" : "offline", more: { reason: reason ?? "" } };
    }
}
