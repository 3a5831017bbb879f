// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { asRecord, asText } from "../../core/json.ts";
import { CONNECTED_NODES, type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { CloseCode, DEFAULT_WINDOW } from "../../link/session.ts";
import { Admission, type Joined } from "./admission.ts";
import { Bootstrap } from "./bootstrap.ts";
import type { CloudHubConfig } from "./config.ts";
import { deliveryOf, type PushedObject } from "./delivery.ts";
import { deletionsOf } from "./gone.ts";
import { Listener } from "./listener.ts";
import { CloudHubMetrics } from "./metrics.ts";
import { QuicListener } from "./quic-listener.ts";
import { NodeSession } from "./session.ts";
import { StatusLine } from "./status-line.ts";
import { SyncLedger, type SyncRecord } from "./sync-ledger.ts";
import { Uplink } from "./uplink.ts";

export interface CloudHubPorts extends Ports {
    readonly identity: CloudIdentity;
    /** For ObjectSync, for `/node/<name>` and for the API server's CA. */
    readonly cluster: KubeClient;
}

export type CloudHubOutput = "resources" | "devices" | "user" | "nodes";

const SWEEP_MS = 1_000;
/** Writes of one push before others get their turn, as KubeEdge. */
const MAX_WRITES = 5;
const BUFFER_BYTES = 4 * 1024 * 1024;

/** The cloud end of the link: every edge node has one session here (KubeEdge wire protocol v1.23). */
export class CloudHub extends WireComponent<CloudHubOutput> {
    readonly outputs = ["resources", "devices", "user", "nodes"] as const;
    readonly #config: CloudHubConfig;
    readonly #ports: CloudHubPorts;
    readonly #listener: Listener;
    readonly #quic: QuicListener | undefined;
    readonly #ledger: SyncLedger;
    readonly #metrics: CloudHubMetrics;
    readonly #status: StatusLine;
    readonly #sessions = new Map<string, NodeSession>();
    readonly #uplink: Uplink;
    #sweep: Timer | undefined;
    #running = false;

    constructor(config: CloudHubConfig, ports: CloudHubPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#metrics = new CloudHubMetrics(ports.metrics);
        this.#ledger = new SyncLedger(ports.cluster, ports);
        this.#status = new StatusLine(ports.clock, (state) => this.report(state));
        this.#uplink = new Uplink({
            ...ports,
            metrics: this.#metrics,
            send: (output, envelope) => this.send(output, envelope),
            registered: (session) => {
                session.downlink.forget();
                this.#tellNodes(session, Operation.connect, { peer: "kubeedge" });
            },
        });
        const bootstrap = new Bootstrap(ports.identity, ports.cluster, ports.log);
        const admission = new Admission(config, {
            refuse: (node: string) => this.#refuse(node),
            joined: (joined: Joined) => this.#join(joined),
            refused: (node: string, reason: string) => {
                this.#metrics.refused.add();
                ports.log.warn("an edge node was refused", { node, reason });
            },
        });
        this.#listener = new Listener(config, ports.identity, bootstrap, ports.log, admission, DEFAULT_WINDOW);
        if (config.quic === "on")
            this.#quic = new QuicListener(config, ports.identity, admission, ports.log, DEFAULT_WINDOW);
    }

    /** Ports in use, once started. */
    get ports(): { readonly websocket: number; readonly https: number; readonly quic: number | undefined } {
        return { ...this.#listener.ports, quic: this.#quic?.port };
    }

    /** Names of the nodes that are connected here. */
    get online(): readonly string[] {
        return [...this.#sessions.keys()];
    }

    /** @throws REDGE_LINK_LISTEN, REDGE_IDENTITY_* */
    async start(): Promise<void> {
        this.report({ level: "connecting", text: "starting" });
        this.#running = true;
        await this.#listener.start();
        await this.#startQuic();
        this.#ledger.start(() => {
            for (const session of this.#sessions.values()) this.#announce(session);
        });
        this.#onSweep();
    }

    async stop(): Promise<void> {
        if (!this.#running) return;
        this.#running = false;
        this.#sweep?.cancel();
        this.#status.stop();
        for (const session of this.#sessions.values()) session.close(CloseCode.serviceRestart, "CloudHub stops");
        this.#sessions.clear();
        await Promise.all([this.#listener.stop(), this.#quic?.stop(), this.#ledger.stop({ withinMs: 1_500 })]);
    }

    /** WebSocket works without it: that QUIC does not is told, and nothing else. */
    async #startQuic(): Promise<void> {
        try {
            await this.#quic?.start();
        } catch (thrown) {
            this.#ports.log.error("QUIC is switched on but does not work", { reason: errorText(thrown) });
            this.#status.lack(errorText(thrown));
        }
    }

    async receive(envelope: Envelope): Promise<void> {
        if (asksForNodes(envelope)) return this.#tellWhoIsThere();
        if (!this.#running) throw new RedgeError("REDGE_LINK_STOPPED", { hub: "CloudHub" });
        const node = envelope.node ?? "";
        if (node === "") throw new RedgeError("REDGE_LINK_NO_NODE");
        if (isNodeDeletion(envelope, node)) return this.#deleted(node);
        const parent = envelope.header.parent_msg_id;
        if (parent !== undefined) this.#uplink.answered(node, parent);
        const session = this.#sessions.get(node);
        if (envelope.route.operation === Operation.disconnect) return this.#cutOff(session, envelope);
        if (session === undefined) {
            if (envelope.route.group !== Group.user) return;
            throw new RedgeError("REDGE_LINK_NODE_OFFLINE", { node });
        }
        if (envelope.route.operation !== Operation.sync) return this.#sendDown(session, envelope);
        const gone = deletionsOf(envelope, this.#ledger.records(node), this.#ports.clock.nowMs());
        for (const deletion of gone) session.downlink.push(deletion);
    }

    #sendDown(session: NodeSession, envelope: Envelope): void {
        const delivery = deliveryOf(envelope);
        this.#metrics.down.add(1, { delivery });
        if (delivery === "push") session.downlink.push(envelope);
        else session.downlink.once(envelope);
    }

    #refuse(node: string): { status: number; reason: string } | undefined {
        if (!this.#running) return { status: 503, reason: "CloudHub stops" };
        if (this.#sessions.size < this.#config.nodeLimit || this.#sessions.has(node)) return undefined;
        return { status: 503, reason: `the limit of ${this.#config.nodeLimit} nodes is reached` };
    }

    #join({ node, connection, redge, remoteAddress }: Joined): void {
        if (!this.#running) {
            connection.destroy();
            return;
        }
        this.#sessions.get(node)?.close(CloseCode.replaced, "another connection of this node took over");
        const { queueLimit, messagesPerSecond, resendIntervalMs } = this.#config;
        const options = {
            window: redge === undefined ? 1 : Math.min(redge.window, DEFAULT_WINDOW),
            resendIntervalMs,
            maxWrites: MAX_WRITES,
            queueLimit,
            bufferBytes: BUFFER_BYTES,
            messagesPerSecond,
        };
        const { clock } = this.#ports;
        const acked = this.#ledger.acknowledged(node, redge?.store ?? "");
        const session: NodeSession = new NodeSession(node, connection, redge, clock, acked, options, {
            received: (envelope) => this.#uplink.receive(session, envelope),
            invalid: (reason) => {
                this.#metrics.invalid.add();
                this.#ports.log.debug("ignored a message that is no envelope", { node, reason: errorText(reason) });
            },
            throttled: (heldMs) => {
                this.#metrics.throttled.add();
                this.#status.note("throttled");
                this.#ports.log.warn("an edge node sends too fast and is held back", { node, heldMs });
            },
            intends: (object) =>
                this.#ledger.intend(node, { ...syncRecord(object, session.store), resourceVersion: "0" }),
            acked: (object) => this.#onAcked(session, object),
            dropped: (envelope) => {
                this.#metrics.dropped.add();
                this.#status.note("dropped");
                this.#ports.log.warn("the queue of an edge node is full", { node, resource: envelope.route.resource });
            },
            recovered: () => this.#announce(session),
            closed: ({ code, reason }) => this.#left(session, code, reason),
        });
        this.#sessions.set(node, session);
        this.#uplink.joined(node);
        const { transport } = connection;
        this.#ports.log.info("an edge node joined", { node, remoteAddress, transport, redge: redge !== undefined });
        this.#metrics.joined.add();
        if (this.#ledger.ready) this.#announce(session);
    }

    /** Makes the controllers offer everything the node should have. */
    #announce(session: NodeSession): void {
        session.downlink.learn(this.#ledger.acknowledged(session.node, session.store));
        this.#tellNodes(session, Operation.connect, { peer: peerOf(session) });
    }

    #left(session: NodeSession, code: number, reason: string): void {
        if (this.#sessions.get(session.node) !== session) return;
        this.#sessions.delete(session.node);
        this.#uplink.left(session.node);
        this.#ports.log.info("an edge node left", { node: session.node, code, reason });
        this.#tellNodes(session, Operation.disconnect, { code, reason });
    }

    #end(session: NodeSession, code: number, reason: string): void {
        session.close(code, reason);
        this.#left(session, code, reason);
    }

    /** A node asked for something that a controller knows nothing of in connection with it. */
    #cutOff(session: NodeSession | undefined, { content }: Envelope): void {
        if (session === undefined) return;
        const { node } = session;
        const { resource, reason } = asRecord(content);
        // What it acknowledged before the controllers started, or before a restart of the cloud, only the ledger knows.
        const known = !this.#ledger.ready || this.#ledger.everHeld(node, asText(resource) ?? "");
        if (known) {
            this.#ports.log.info("an edge node asked for what it no longer has", { node, resource });
            return;
        }
        this.#metrics.cutOff.add();
        this.#ports.log.warn("an edge node was cut off: it asked for what is another's", { node, resource, reason });
        this.#end(session, CloseCode.forbidden, asText(reason) ?? "it asked for what is another's");
    }

    #tellNodes({ node }: NodeSession, operation: string, content: unknown, output: "nodes" | "user" = "nodes"): void {
        const route = { source: Source.cloudhub, group: Group.hub, operation, resource: `node/${node}` };
        this.send(output, newEnvelope({ route, content, node, timestamp: this.#ports.clock.nowMs() }));
    }

    /** For a router that was deployed alone. It hears of everybody who joins later, so a hub that does not run yet says nothing. */
    #tellWhoIsThere(): void {
        for (const session of this.#sessions.values())
            this.#tellNodes(session, Operation.connect, { peer: peerOf(session) }, "user");
    }

    #deleted(node: string): void {
        this.#ledger.forgetNode(node);
        const session = this.#sessions.get(node);
        if (session !== undefined) this.#end(session, CloseCode.nodeDeleted, "the Node was deleted");
    }

    #onAcked({ node, store }: NodeSession, object: PushedObject): void {
        if (object.deleting) {
            this.#ledger.gone(node, object.uid);
            return;
        }
        if (object.resourceVersion !== undefined) this.#ledger.acked(node, syncRecord(object, store));
    }

    #onSweep(): void {
        let queued = 0;
        for (const session of this.#sessions.values()) {
            queued += session.downlink.depth;
            if (session.silentMs() < this.#config.keepaliveIntervalMs) continue;
            this.#end(session, CloseCode.silent, "no keepalive");
        }
        this.#uplink.sweep();
        const known = new Set([...this.#ledger.nodes(), ...this.#sessions.keys()]).size;
        this.#metrics.online.set(this.#sessions.size);
        this.#metrics.queued.set(queued);
        this.#status.tell({ online: this.#sessions.size, known, queued });
        this.#sweep = this.#ports.clock.after(SWEEP_MS, () => this.#onSweep());
    }
}

function isNodeDeletion({ route }: Envelope, node: string): boolean {
    if (route.operation !== Operation.delete || route.source !== Source.edgecontroller) return false;
    const name = parseResource(route.resource);
    return name?.type === "node" && name.name === node;
}

function syncRecord(object: PushedObject, store: string): SyncRecord {
    const { uid, apiVersion, kind, namespace, name, resourceVersion = "0" } = object;
    return { uid, apiVersion, kind, namespace, name, resourceVersion, store };
}

function peerOf({ redge }: NodeSession): "kubeedge" | "redge" {
    return redge === undefined ? "kubeedge" : "redge";
}

function asksForNodes({ route, node }: Envelope): boolean {
    return node === undefined && route.operation === Operation.query && route.resource === CONNECTED_NODES;
}
