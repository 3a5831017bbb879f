// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Timer } from "../../../core/clock.ts";
import { type Ports, WireComponent } from "../../../core/component.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { asNumber, asRecord, asText } from "../../../core/json.ts";
import { type Envelope, Group, Operation, responseTo, Source } from "../../../envelope/envelope.ts";
import { payloadIn } from "../../../envelope/payload.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import type { CloudIdentity } from "../../../link/identity/ports.ts";
import { CallerCheck } from "../caller-check.ts";
import { matchRest, topicMatches } from "../matching.ts";
import { type RestAnswer, RestListener, type RestRequest } from "../rest-listener.ts";
import { type Route, type RouteSource, segmentsOf } from "../route.ts";
import { toEdge } from "../service-calls.ts";
import { needed, type RouteInConfig } from "./config.ts";
import { bytesOf, type Call, payloadOf, type RouteMessage } from "./message.ts";

export interface RouteInPorts extends Ports {
    /** Needed when the source is rest, and only then. */
    readonly rest?: { readonly cluster: KubeClient; readonly identity: CloudIdentity } | undefined;
}

export type RouteInEvents = { message: [message: RouteMessage] };

/**
 * The beginning of a route that is drawn: what a Rule's source is. Takes CloudHub's outputs `user` and `nodes`, and, as messages
 * with the `call` they answer, what callers are to be answered.
 */
export class RouteIn extends WireComponent<"cloudhub", RouteInEvents> {
    readonly outputs = ["cloudhub"] as const;
    readonly #config: RouteInConfig;
    readonly #ports: RouteInPorts;
    readonly #route: Pick<Route, "key" | "namespace" | "name" | "source">;
    readonly #waiting = new Map<string, (answer: RestAnswer) => void>();
    #listener: RestListener | undefined;
    #callers: CallerCheck | undefined;
    #port: number | undefined;
    #hits = 0;
    #errors = 0;

    /** @throws REDGE_CONFIG_INVALID when a field is missing that the source needs */
    constructor(config: RouteInConfig, ports: RouteInPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        const { namespace } = config;
        // A drawn route has no Rule: its callers need the right for all of the namespace.
        this.#route = { key: `${namespace}/*`, namespace, name: "", source: sourceOf(config) };
    }

    /** @throws REDGE_ROUTER_LISTEN */
    async start(): Promise<void> {
        const { source } = this.#route;
        if (source.type === "rest") {
            const { cluster, identity } = needed(this.#ports.rest, "identity");
            this.#callers = new CallerCheck(cluster, this.#ports.clock);
            this.#listener = new RestListener(this.#config, identity, (request) => this.#rest(request));
            this.#port = await this.#listener.start();
        } else this.#announce(source.node);
        this.#showState();
    }

    async stop(): Promise<void> {
        for (const answer of [...this.#waiting.values()]) answer({ status: 503, body: "the route stops\n" });
        await this.#listener?.stop();
        this.#listener = undefined;
    }

    get port(): number | undefined {
        return this.#port;
    }

    async receive(envelope: Envelope): Promise<void> {
        const { source } = this.#route;
        const { route, node, header } = envelope;
        if (source.type === "rest" || node !== source.node || route.operation === Operation.disconnect) return;
        if (route.operation === Operation.connect) {
            this.#announce(node);
            return;
        }
        const fromService = route.source === Source.servicebus;
        if (fromService && header.parent_msg_id !== undefined) return;
        if (source.type === "servicebus" && fromService && route.resource === source.url) this.#fromService(envelope);
        const published = source.type === "eventbus" && !fromService && route.operation === Operation.upload;
        if (published && topicMatches(source.topic, route.resource)) {
            this.#hit({ topic: route.resource, payload: payloadIn(envelope), node });
        }
    }

    /** An answer from the flow. @throws REDGE_ENVELOPE_INVALID when it says not whom it answers */
    answer({ call, payload, statusCode, headers }: RouteMessage): void {
        const { id } = asRecord(call);
        if (typeof id !== "string")
            throw new RedgeError("REDGE_ENVELOPE_INVALID", {
                field: "call.id",
                reason: "is missing: the message answers nobody",
            });
        const status = asNumber(statusCode) ?? 200;
        const given = Object.entries(asRecord(headers)).flatMap(([name, value]): [string, string[]][] =>
            Array.isArray(value) ? [[name, value.map(String)]] : typeof value === "string" ? [[name, [value]]] : [],
        );
        this.#waiting.get(id)?.({
            status: status >= 200 && status <= 599 ? status : 502,
            headers: Object.fromEntries(given),
            body: bytesOf(payload),
        });
    }

    async #rest(request: RestRequest): Promise<RestAnswer> {
        const { namespace } = this.#config;
        // The target is the flow's own business, and does not matter for a match.
        const route: Route = { ...this.#route, target: { type: "eventbus", topic: "" } };
        const match = matchRest([route], request.namespace, request.path);
        if (match === undefined) return { status: 404, body: `no route of ${request.namespace} has this path\n` };
        if (this.#config.authorization === "kubernetes") {
            const refused = await this.#callers?.refusal(request.authorization, this.#route);
            if (refused !== undefined) return refused;
        }
        const { method, query, headers, node, path } = request;
        const body = await request.body();
        const call: Call = { method, rest: match.rest, query, headers };
        return this.#ask({ topic: `${namespace}/${path}`, payload: payloadOf(body), node }, call);
    }

    #fromService(request: Envelope): void {
        const { content, node, route } = request;
        const payload =
            typeof content === "string" ? payloadOf(Buffer.from(content, "base64")) : JSON.stringify(content);
        const call: Call = { method: "POST", rest: "", query: "", headers: {} };
        void this.#ask({ topic: route.resource, payload, node }, call).then(({ body }) => {
            const from = { source: Source.routerServicebus, group: Group.user };
            this.send("cloudhub", responseTo(request, body.toString(), from));
        });
    }

    /** What the flow answers, or that it did not. */
    #ask(message: RouteMessage, call: Call): Promise<RestAnswer> {
        return new Promise((resolve) => {
            const id = randomUUID();
            let timer: Timer | undefined;
            const answer = (given: RestAnswer): void => {
                timer?.cancel();
                if (!this.#waiting.delete(id)) return;
                if (given.status >= 400) this.#errors += 1;
                this.#showState();
                resolve(given);
            };
            this.#waiting.set(id, answer);
            timer = this.#ports.clock.after(this.#config.timeoutMs, () =>
                answer({ status: 504, body: "the flow did not answer in time\n" }),
            );
            this.#hit({ ...message, call: { ...call, id } });
        });
    }

    #hit(message: RouteMessage): void {
        this.#hits += 1;
        this.#showState();
        this.emit("message", message);
    }

    #announce(node: string): void {
        const { source } = this.#route;
        if (source.type === "rest") return;
        const route =
            source.type === "eventbus"
                ? { source: Source.routerEventbus, operation: Operation.subscribe, resource: source.topic }
                : { source: Source.routerServicebus, operation: "start", resource: source.url };
        this.send("cloudhub", toEdge(this.#ports.clock, node, route, null));
    }

    #showState(): void {
        const params = { hits: this.#hits, errors: this.#errors };
        if (this.#port === undefined) this.report({ level: "ready", text: "counted", params });
        else this.report({ level: "ready", text: "listening", params: { ...params, port: this.#port } });
    }
}

function sourceOf({ from, namespace, path, edgeNode, mqttTopic, targetUrl }: RouteInConfig): RouteSource {
    if (from === "rest") return { type: from, segments: segmentsOf(asText(needed(path, "path")) ?? "") };
    const node = needed(edgeNode, "edgeNode");
    if (from === "servicebus") return { type: from, node, url: needed(targetUrl, "targetUrl") };
    return { type: from, node, topic: segmentsOf(`${namespace}/${needed(mqttTopic, "mqttTopic")}`).join("/") };
}
