// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../../core/component.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { asRecord, asText } from "../../../core/json.ts";
import { KeyedQueue } from "../../../core/keyed-queue.ts";
import { type Envelope, Operation, Source } from "../../../envelope/envelope.ts";
import { post } from "../call.ts";
import type { RestAnswer } from "../rest-listener.ts";
import { ServiceCalls } from "../service-calls.ts";
import { ToEventBus } from "../to-event-bus.ts";
import { needed, type RouteOutConfig } from "./config.ts";
import { bytesOf, type Call, payloadOf, type RouteMessage } from "./message.ts";

export type RouteOutEvents = { answer: [message: RouteMessage] };

/** So many messages wait for the address at most; what comes beyond is refused. */
const WAITING_MOST = 1000;

/**
 * The end of a route that is drawn: what a Rule's target is. Takes messages of the flow, and CloudHub's outputs `user` and `nodes`;
 * hands on what came of each message as its answer.
 */
export class RouteOut extends WireComponent<"cloudhub", RouteOutEvents> {
    readonly outputs = ["cloudhub"] as const;
    readonly #config: RouteOutConfig;
    readonly #ports: Ports;
    readonly #calls: ServiceCalls;
    readonly #toBus: ToEventBus;
    readonly #away = new Set<string>();
    /** Messages to an address go one after the other, in their order. */
    readonly #queue = new KeyedQueue();
    readonly #stopping = new AbortController();
    #waiting = 0;
    #hits = 0;
    #errors = 0;

    /** @throws REDGE_CONFIG_INVALID when a field is missing that the target needs */
    constructor(config: RouteOutConfig, ports: Ports) {
        super();
        if (config.to === "rest") needed(config.url, "url");
        if (config.to === "servicebus") needed(config.servicePort, "servicePort");
        this.#config = config;
        this.#ports = ports;
        this.#toBus = new ToEventBus(ports.clock);
        this.#calls = new ServiceCalls(ports.clock, config.timeoutMs, (message) => this.send("cloudhub", message));
    }

    async start(): Promise<void> {
        this.#showState();
    }

    async stop(): Promise<void> {
        this.#stopping.abort();
        this.#calls.stop();
    }

    async receive(envelope: Envelope): Promise<void> {
        const { node, route, header } = envelope;
        if (node === undefined) throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "node", reason: "is missing" });
        this.#toBus.note(envelope);
        if (route.operation === Operation.disconnect) {
            this.#away.add(node);
            this.#calls.disconnected(node);
        } else this.#away.delete(node);
        if (route.source === Source.servicebus && header.parent_msg_id !== undefined) this.#calls.answered(envelope);
    }

    /** Carries a message of the flow to the target; resolves when its answer is on its way. */
    async carry(message: RouteMessage): Promise<void> {
        this.#hits += 1;
        const answer = await this.#toTarget(message);
        if (answer.status >= 400) this.#errors += 1;
        this.#showState();
        const { status: statusCode, headers = {}, body } = answer;
        this.emit("answer", { ...message, payload: payloadOf(bytesOf(body)), statusCode, headers });
    }

    #toTarget(message: RouteMessage): Promise<RestAnswer> | RestAnswer {
        const call = callOf(message.call);
        const body = bytesOf(message.payload);
        if (this.#config.to === "rest") return this.#toAddress(needed(this.#config.url, "url"), body);
        const node = this.#config.edgeNode ?? asText(message.node);
        if (node === undefined) return { status: 400, body: "neither the node nor the message says which edge node\n" };
        if (this.#away.has(node)) return { status: 503, body: `node ${node} is not connected\n` };
        if (this.#config.to === "eventbus") return this.#toEventBus(node, message, call, body);
        const { servicePath, servicePort } = this.#config;
        const path = [servicePath.replace(/^\/?/, "/").replace(/\/$/, ""), call.rest].filter((part) => part !== "");
        return this.#calls.ask(node, needed(servicePort, "servicePort"), `${path.join("/") || "/"}${call.query}`, {
            method: call.method,
            headers: call.headers,
            body,
        });
    }

    #toEventBus(node: string, message: RouteMessage, { rest }: Call, body: Buffer): RestAnswer {
        const topic = this.#config.mqttTopic ?? asText(message.topic);
        if (topic === undefined) return { status: 400, body: "neither the node nor the message says which topic\n" };
        const resource = rest === "" || this.#config.mqttTopic === undefined ? topic : `${topic}/${rest}`;
        const down = this.#toBus.message(node, resource, body);
        if (typeof down === "string") return { status: 400, body: `${down}\n` };
        this.send("cloudhub", down);
        return { status: 200, body: "message delivered" };
    }

    async #toAddress(url: string, body: Buffer): Promise<RestAnswer> {
        if (this.#waiting >= WAITING_MOST) return { status: 503, body: `${this.#waiting} messages wait for ${url}\n` };
        this.#waiting += 1;
        try {
            return await this.#queue.run(url, () => post(url, payloadOf(body), this.#stopping.signal));
        } catch (thrown) {
            this.#ports.log.warn(errorText(thrown));
            return { status: 502, body: `${errorText(thrown)}\n` };
        } finally {
            this.#waiting -= 1;
        }
    }

    #showState(): void {
        this.report({ level: "ready", text: "counted", params: { hits: this.#hits, errors: this.#errors } });
    }
}

/** A message that no route in has made is a request of its own. */
function callOf(given: unknown): Call {
    const { method, rest, query, headers } = asRecord(given);
    const lists = Object.entries(asRecord(headers)).filter((one): one is [string, string[]] => Array.isArray(one[1]));
    return {
        method: asText(method) ?? "POST",
        rest: asText(rest) ?? "",
        query: asText(query) ?? "",
        headers: Object.fromEntries(lists.map(([name, values]) => [name, values.map(String)])),
    };
}
