// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import {
    CONNECTED_NODES,
    type Envelope,
    Group,
    newEnvelope,
    Operation,
    responseTo,
    Source,
} from "../../envelope/envelope.ts";
import { payloadIn } from "../../envelope/payload.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { CallerCheck } from "./caller-check.ts";
import type { RouterConfig } from "./config.ts";
import { matchRest, topicMatches } from "./matching.ts";
import { Outbound } from "./outbound.ts";
import { type RestAnswer, RestListener, type RestRequest } from "./rest-listener.ts";
import type { Route, RouteTarget } from "./route.ts";
import { RuleStatus } from "./rule-status.ts";
import { Rules } from "./rules.ts";
import { ServiceCalls, toEdge } from "./service-calls.ts";
import { ToEventBus } from "./to-event-bus.ts";

export interface RouterPorts extends Ports {
    readonly cluster: KubeClient;
    readonly identity: CloudIdentity;
}

/**
 * Carries user messages between the cloud and edge nodes as Rules and RuleEndpoints say: REST to MQTT and back, REST to
 * services at the edge and back (KubeEdge device reference, section 7). Its input takes CloudHub's outputs `user` and
 * `nodes`.
 */
export class Router extends WireComponent<"cloudhub"> {
    readonly outputs = ["cloudhub"] as const;
    readonly #config: RouterConfig;
    readonly #ports: RouterPorts;
    readonly #rules: Rules;
    readonly #status: RuleStatus;
    readonly #callers: CallerCheck;
    readonly #listener: RestListener;
    readonly #connected = new Set<string>();
    readonly #calls: ServiceCalls;
    readonly #toEventBus: ToEventBus;
    readonly #outbound = new Outbound((rule, failure) => this.#count(rule, failure));
    #stopping = new AbortController();
    #port: number | undefined;
    #trouble: string | undefined;

    constructor(config: RouterConfig, ports: RouterPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        const { cluster, clock, log } = ports;
        this.#rules = new Rules(cluster, ports, {
            added: (route) => this.#announce(route, true),
            removed: (route) => this.#announce(route, false),
            problem: (rule, reason) => this.#status.problem(rule, reason),
            gone: (rule) => this.#status.forget(rule),
            synced: () => this.#setTrouble(undefined),
            trouble: (error) => this.#setTrouble(errorText(error)),
        });
        this.#status = new RuleStatus(
            cluster,
            clock,
            (key) => this.#rules.rule(key),
            (rule, thrown) => log.warn("cannot write the status of a rule", { rule, reason: errorText(thrown) }),
        );
        this.#calls = new ServiceCalls(clock, config.restTimeoutMs, (message) => this.send("cloudhub", message));
        this.#toEventBus = new ToEventBus(clock);
        this.#callers = new CallerCheck(cluster, clock);
        this.#listener = new RestListener(config, ports.identity, (request) => this.#rest(request));
    }

    /** @throws REDGE_ROUTER_LISTEN when the port is taken */
    async start(): Promise<void> {
        if (this.#port !== undefined) return;
        this.#stopping = new AbortController();
        this.report({ level: "connecting", text: "connecting" });
        this.#port = await this.#listener.start();
        const route = {
            source: Source.routerEventbus,
            group: Group.hub,
            operation: Operation.query,
            resource: CONNECTED_NODES,
        };
        this.send("cloudhub", newEnvelope({ route, content: null, timestamp: this.#ports.clock.nowMs() }));
        await this.#rules.start();
    }

    async stop(): Promise<void> {
        if (this.#port === undefined) return;
        this.#port = undefined;
        this.#stopping.abort();
        this.#calls.stop();
        await this.#listener.stop();
        await this.#rules.stop();
        this.#status.stop();
        this.#connected.clear();
    }

    /** The port that REST requests reach, once started. */
    get port(): number | undefined {
        return this.#port;
    }

    async receive(envelope: Envelope): Promise<void> {
        const { node } = envelope;
        const { operation, source } = envelope.route;
        if (node === undefined) throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "node", reason: "is missing" });
        this.#toEventBus.note(envelope);
        if (operation === Operation.disconnect) {
            this.#disconnected(node);
            return;
        }
        if (operation === Operation.connect) {
            this.#connected.add(node);
            for (const route of this.#rules.routes) this.#announce(route, true, node);
            return;
        }
        this.#connected.add(node);
        if (source === Source.servicebus && envelope.header.parent_msg_id !== undefined) this.#calls.answered(envelope);
        else if (source === Source.servicebus) await this.#fromService(node, envelope);
        else if (operation === Operation.upload) await this.#fromEventBus(node, envelope);
    }

    /** Tells the node of a rule's source what to send up, or to stop. */
    #announce({ source }: Route, active: boolean, only?: string): void {
        if (source.type === "rest" || !this.#connected.has(source.node)) return;
        if (only !== undefined && source.node !== only) return;
        if (source.type === "eventbus") {
            // Another rule may still want the topic.
            const wanted = [...this.#rules.routes].some(
                (route) =>
                    route.source.type === "eventbus" &&
                    route.source.node === source.node &&
                    route.source.topic === source.topic,
            );
            if (!active && wanted) return;
            const operation = active ? Operation.subscribe : Operation.unsubscribe;
            this.#toNode(source.node, Source.routerEventbus, operation, source.topic, null);
        } else {
            this.#toNode(source.node, Source.routerServicebus, active ? "start" : "stop", source.url, null);
        }
        this.#reportState();
    }

    async #fromEventBus(node: string, message: Envelope): Promise<void> {
        const body = payloadIn(message);
        for (const rule of [...this.#rules.routes]) {
            const { source, target } = rule;
            if (source.type !== "eventbus" || source.node !== node || target.type !== "rest") continue;
            if (topicMatches(source.topic, message.route.resource))
                await this.#outbound.post(rule, target.url, body, this.#stopping.signal);
        }
    }

    async #fromService(node: string, request: Envelope): Promise<void> {
        const rule = [...this.#rules.routes].find(
            ({ source }) =>
                source.type === "servicebus" && source.node === node && source.url === request.route.resource,
        );
        if (rule?.target.type !== "rest") return;
        const body =
            typeof request.content === "string"
                ? Buffer.from(request.content, "base64").toString("utf8")
                : JSON.stringify(request.content);
        const answer = await this.#outbound.post(rule, rule.target.url, body, this.#stopping.signal);
        this.send("cloudhub", responseTo(request, answer, { source: Source.routerServicebus, group: Group.user }));
    }

    async #rest(request: RestRequest): Promise<RestAnswer> {
        const match = matchRest(this.#rules.routes, request.namespace, request.path);
        if (match === undefined) return { status: 404, body: `no rule of ${request.namespace} has this path\n` };
        const { route, rest } = match;
        if (this.#config.authorization === "kubernetes") {
            const refused = await this.#callers.refusal(request.authorization, route);
            if (refused !== undefined) return refused;
        }
        if (!this.#connected.has(request.node)) {
            this.#count(route, `node ${request.node} is not connected`);
            return { status: 503, headers: { "retry-after": ["5"] }, body: `node ${request.node} is not connected\n` };
        }
        const answer = await this.#toTarget(route.target, rest, request);
        this.#count(route, answer.status >= 400 ? failureOf(request.node, answer) : undefined);
        return answer;
    }

    async #toTarget(target: RouteTarget, rest: string, request: RestRequest): Promise<RestAnswer> {
        const body = await request.body();
        if (target.type === "servicebus") {
            const path = `${target.path}${rest === "" ? "" : `/${rest}`}${request.query}`;
            return this.#calls.ask(request.node, target.port, path, { ...request, body });
        }
        if (target.type !== "eventbus") return { status: 404, body: "the rule leads to no edge node\n" };
        const topic = rest === "" ? target.topic : `${target.topic}/${rest}`;
        const message = this.#toEventBus.message(request.node, topic, body);
        if (typeof message === "string") return { status: 400, body: `${message}\n` };
        this.send("cloudhub", message);
        return { status: 200, body: "message delivered" };
    }

    #disconnected(node: string): void {
        this.#connected.delete(node);
        this.#calls.disconnected(node);
    }

    #count({ key }: Route, failure: string | undefined): void {
        const rule = this.#rules.rule(key);
        if (rule === undefined) return;
        if (failure === undefined) this.#status.delivered(rule);
        else this.#status.failed(rule, failure);
    }

    #toNode(node: string, source: string, operation: string, resource: string, content: unknown): void {
        this.send("cloudhub", toEdge(this.#ports.clock, node, { source, operation, resource }, content));
    }

    #setTrouble(reason: string | undefined): void {
        this.#trouble = reason;
        this.#reportState();
    }

    #reportState(): void {
        if (this.#port === undefined) return;
        if (this.#trouble !== undefined) {
            this.report({ level: "disconnected", text: "trouble", params: { reason: this.#trouble } });
        } else if (this.#rules.synced) {
            this.report({ level: "ready", text: "ready", params: { rules: this.#rules.count, port: this.#port } });
        }
    }
}

/** The router's own answers, and those of a gateway that could not reach its service, say why; what a service says is its caller's alone. */
function failureOf(node: string, { status, body }: RestAnswer): string {
    if (typeof body === "string") return body.trim();
    const reason = body.toString("utf8").trim();
    return `node ${node} answered ${status}${reason.startsWith("the service at port ") ? `: ${reason}` : ""}`;
}
