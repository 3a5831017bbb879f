// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, isRedgeError } from "../../core/errors/redge-error.ts";
import { KeyedQueue } from "../../core/keyed-queue.ts";
import type { Counter } from "../../core/metrics.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { KubeObject, KubeStatus } from "../../kube/types.ts";
import { Applications } from "./applications/applications.ts";
import { Authorizer } from "./authorizer.ts";
import { Caches } from "./caches.ts";
import { claimNode } from "./claim-node.ts";
import type { EdgeControllerConfig } from "./config.ts";
import { Downstream } from "./downstream.ts";
import { EventLanes } from "./event-lanes.ts";
import { NodeAddress } from "./node-address.ts";
import { failureReply, okReply, queryFailureReply, statusOf } from "./replies.ts";
import { badRequest, isForeign, parseRequest, type Request } from "./request.ts";
import type { Handler, Tools } from "./requests/handler.ts";
import { handlers } from "./requests/index.ts";

export interface EdgeControllerPorts extends Ports {
    readonly cluster: KubeClient;
}

const IDLE_LIMIT_MS = 1500;

/**
 * Between CloudHub and the Kubernetes API: tells each node its Node, pods, ConfigMaps and Secrets, and carries out what
 * the node asks for and reports (wire protocol, sections 5.3 and 5.4).
 *
 * `receive` resolves when the API has taken a report or the reply has been sent; it rejects with REDGE_CLOUD_FORBIDDEN
 * or REDGE_CLOUD_BAD_REQUEST after the node was told so, and with the API's error when a message that has no reply
 * could not be written.
 */
export class EdgeController extends WireComponent<"cloudhub"> {
    readonly outputs = ["cloudhub"] as const;
    readonly #config: EdgeControllerConfig;
    readonly #ports: EdgeControllerPorts;
    readonly #caches: Caches;
    readonly #downstream: Downstream;
    readonly #tools: Tools;
    readonly #applications: Applications;
    readonly #queue = new KeyedQueue();
    readonly #events: EventLanes;
    readonly #requests: Counter;
    readonly #failures: Counter;
    #running = false;
    #trouble: string | undefined;

    constructor(config: EdgeControllerConfig, ports: EdgeControllerPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        const { cluster, clock, metrics } = ports;
        const address = new NodeAddress(config.streamAddress);
        this.#caches = new Caches(cluster, ports);
        this.#downstream = new Downstream({
            caches: this.#caches,
            address,
            clock,
            unusedGraceMs: config.unusedGraceMs,
            send: (envelope) => this.send("cloudhub", envelope),
        });
        this.#tools = {
            cluster,
            authorizer: new Authorizer(config.authorization, this.#downstream.pods, cluster),
            address,
            cloudAddress: config.cloudAddress,
            knownNode: (name) => this.#caches.nodes.get(undefined, name),
            patching: (key, patch) => this.#patching(key, patch),
            pushPodDelete: ({ node, namespace, name }, uid) =>
                this.#downstream.pushPodDelete(node, namespace ?? "", name, uid),
        };
        this.#events = new EventLanes(clock, (node) => this.#running && this.#downstream.knows(node));
        const watching = { ...ports, pods: this.#downstream.pods };
        this.#applications = new Applications(config.authorization, watching, (envelope) =>
            this.send("cloudhub", envelope),
        );
        this.#requests = metrics.counter("redge_edgecontroller_requests_total", "Messages from edge nodes", ["type"]);
        this.#failures = metrics.counter("redge_edgecontroller_failures_total", "Messages that failed", [
            "type",
            "code",
        ]);
    }

    async start(): Promise<void> {
        if (this.#running) return;
        this.#running = true;
        this.report({ level: "connecting", text: "connecting" });
        this.#downstream.attach();
        for (const informer of this.#caches.all) {
            informer.on("synced", () => this.#setTrouble(undefined));
            informer.on("trouble", (error) => this.#setTrouble(errorText(error)));
        }
        await this.#caches.start();
    }

    async stop(): Promise<void> {
        if (!this.#running) return;
        this.#running = false;
        await this.#caches.stop();
        await this.#applications.stop();
        this.#downstream.detach();
        await this.#settled();
    }

    async receive(envelope: Envelope): Promise<void> {
        const { operation } = envelope.route;
        if (operation === Operation.connect || operation === Operation.disconnect) {
            this.#connection(envelope);
            return;
        }
        // Acknowledgements are CloudHub's; an edge's error about a push is mended by CloudHub's resending.
        if (operation === Operation.response || operation === Operation.error) return;
        if (envelope.route.source === Source.metaserver && envelope.node !== undefined) {
            await this.#applications.receive(envelope.node, envelope);
            return;
        }
        const request = parseRequest(envelope);
        if (!this.#downstream.knows(request.node)) this.#connection(envelope);
        this.#requests.add(1, { type: request.type });
        const handler = handlers.get(`${request.type} ${request.operation}`);
        if (handler === undefined) throw badRequest(request, "no such request is known");
        if (isEvent(request)) {
            await this.#events.run(request, () => this.#handle(request, handler));
            return;
        }
        const key = handler.orderBy?.(request) ?? `${request.type}/${request.namespace}/${request.name}`;
        await this.#queue.run(key, () => this.#handle(request, handler));
    }

    async #handle(request: Request, handler: Handler): Promise<void> {
        try {
            const run = () => handler.run(request, this.#tools);
            const reply = isEvent(request) ? await this.#events.insist(request, run) : await run();
            if (reply !== undefined) this.send("cloudhub", reply);
            else if (awaitsReply(request)) this.send("cloudhub", okReply(request));
        } catch (thrown) {
            this.#failed(request, handler, thrown);
        }
    }

    #failed(request: Request, handler: Handler, thrown: unknown): void {
        const status = statusOf(thrown);
        this.#failures.add(1, { type: request.type, code: String(status.code) });
        const text = status.message ?? "";
        if (handler.onFailure === "object") this.send("cloudhub", failureReply(request, status));
        else if (handler.onFailure === "query") this.send("cloudhub", queryFailureReply(request, text));
        // One that may yet succeed is not answered: the edge's outbox sends it again.
        else if (awaitsReply(request) && !isPassing(status)) this.send("cloudhub", queryFailureReply(request, text));
        if (request.type === "node" && status.reason === "AlreadyExists") this.#downstream.pushNodeAgain(request.node);
        if (isForeign(thrown)) this.#cutOff(request, text);
        const refused = isRedgeError(thrown, "REDGE_CLOUD_FORBIDDEN", "REDGE_CLOUD_BAD_REQUEST");
        if (refused || handler.onFailure === "none") throw thrown;
        const { resource } = request.envelope.route;
        this.#ports.log.debug("a request of a node failed", { node: request.node, resource, status });
    }

    /** After the answer: the hub ends the connection, unless it knows that the node had to do with it before. */
    #cutOff({ node, envelope }: Request, reason: string): void {
        const { resource } = envelope.route;
        const route = {
            source: Source.edgecontroller,
            group: Group.hub,
            operation: Operation.disconnect,
            resource: `node/${node}`,
        };
        const content = { resource, reason };
        this.send("cloudhub", newEnvelope({ route, content, node, timestamp: this.#ports.clock.nowMs() }));
    }

    /** A node joined or left; a message of a node not known yet means that it joined before this component started. */
    #connection(envelope: Envelope): void {
        const { node } = envelope;
        if (node === undefined) return;
        if (envelope.route.operation === Operation.disconnect) {
            this.#downstream.disconnect(node);
            void this.#applications.forget(node);
        } else {
            this.#downstream.connect(node);
            void this.#claim(node);
        }
        this.#reportState();
    }

    async #claim(node: string): Promise<void> {
        const { cluster, log } = this.#ports;
        try {
            await claimNode(cluster, this.#tools.knownNode(node), this.#config.cloudAddress, this.#tools.address);
        } catch (thrown) {
            log.warn("cannot write the cloud side's address into a node", { node, reason: errorText(thrown) });
        }
    }

    async #patching(key: string, patch: () => Promise<KubeObject>): Promise<KubeObject> {
        this.#downstream.echoes.begin(key);
        let version: string | undefined;
        try {
            const object = await patch();
            version = object.metadata.resourceVersion;
            return object;
        } finally {
            this.#downstream.patched(key, version);
        }
    }

    #setTrouble(reason: string | undefined): void {
        if (reason !== undefined && reason !== this.#trouble)
            this.#ports.log.warn("the Kubernetes API fails", { reason });
        this.#trouble = reason;
        this.#reportState();
    }

    #reportState(): void {
        if (!this.#running) return;
        if (this.#trouble !== undefined)
            this.report({ level: "disconnected", text: "trouble", params: { reason: this.#trouble } });
        else if (!this.#caches.synced) this.report({ level: "connecting", text: "connecting" });
        else this.report({ level: "ready", text: "ready", params: { nodes: this.#downstream.connectedNodes } });
    }

    async #settled(): Promise<void> {
        let timer: { cancel(): void } | undefined;
        const limit = new Promise<void>((resolve) => {
            timer = this.#ports.clock.after(IDLE_LIMIT_MS, resolve);
        });
        await Promise.race([Promise.all([this.#queue.idle(), this.#events.stop()]), limit]);
        timer?.cancel();
    }
}

function isEvent(request: Request): boolean {
    return request.type === "event" && awaitsReply(request);
}

/** True for messages out of a Redge edge's outbox, which waits for an answer to every one. */
function awaitsReply(request: Request): boolean {
    return request.envelope.header.sync === true;
}

/** True for failures that the same request may not meet the next time. */
function isPassing({ code = 500 }: KubeStatus): boolean {
    return code >= 500 || code === 429 || code === 409;
}
