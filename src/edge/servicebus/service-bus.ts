// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Timer } from "../../core/clock.ts";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { below, type DocumentStore } from "../../store/store.ts";
import type { ServiceBusConfig } from "./config.ts";
import { callService } from "./local-call.ts";
import { type BusAnswer, LocalServer, refusal } from "./local-server.ts";

export interface ServiceBusPorts extends Ports {
    readonly store: DocumentStore;
}

const URLS = "urls";

/**
 * HTTP between the cloud and programs of this gateway: carries out what the router asks of local services, and takes
 * requests of local programs to the cloud, for the addresses that rules allow (KubeEdge device reference, section 7).
 */
export class ServiceBus extends WireComponent<"edgehub"> {
    readonly outputs = ["edgehub"] as const;
    readonly #config: ServiceBusConfig;
    readonly #ports: ServiceBusPorts;
    readonly #store: DocumentStore;
    readonly #server: LocalServer;
    readonly #pending = new Map<string, (answer: BusAnswer) => void>();
    #urls = new Set<string>();
    #running = false;

    constructor(config: ServiceBusConfig, ports: ServiceBusPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#store = below(ports.store, "servicebus/");
        this.#server = new LocalServer(config.host, config.port, (url, document) => this.#toCloud(url, document));
    }

    /** @throws REDGE_SERVICEBUS_LISTEN when rules need the port and it is taken */
    async start(): Promise<void> {
        if (this.#running) return;
        this.#running = true;
        const kept = await this.#store.get(URLS);
        this.#urls = new Set(Array.isArray(kept) ? kept.filter((url) => typeof url === "string") : []);
        await this.#listen();
    }

    async stop(): Promise<void> {
        if (!this.#running) return;
        this.#running = false;
        for (const answer of this.#pending.values()) answer(refusal(503, "the service bus stops"));
        await this.#server.stop();
    }

    /** The port that programs reach, while there is a rule for them. */
    get port(): number | undefined {
        return this.#server.port;
    }

    async receive(envelope: Envelope): Promise<void> {
        const { operation, resource, source, group } = envelope.route;
        const parent = envelope.header.parent_msg_id;
        if (parent !== undefined) {
            this.#answered(parent, envelope);
            return;
        }
        if (source !== Source.routerServicebus || group !== Group.user) return;
        if (operation === "start") await this.#allow(resource, true);
        else if (operation === "stop") await this.#allow(resource, false);
        else await this.#toService(envelope);
    }

    async #allow(url: string, allowed: boolean): Promise<void> {
        if (this.#urls.has(url) === allowed) return;
        const urls = new Set(this.#urls);
        if (allowed) urls.add(url);
        else urls.delete(url);
        await this.#store.write([{ op: "put", key: URLS, value: [...urls] }]);
        this.#urls = urls;
        await this.#listen();
    }

    async #listen(): Promise<void> {
        if (this.#urls.size > 0) await this.#server.start();
        else await this.#server.stop();
        const port = this.#server.port;
        if (port === undefined) this.report({ level: "ready", text: "idle" });
        else this.report({ level: "ready", text: "listening", params: { port, urls: this.#urls.size } });
    }

    async #toService(request: Envelope): Promise<void> {
        const { operation, resource } = request.route;
        const answer = await callService(operation, resource, request.content, this.#config.serviceTimeoutMs);
        this.send("edgehub", this.#upload("", answer, request.header.msg_id));
    }

    #toCloud(url: string, document: string): Promise<BusAnswer> {
        if (!this.#urls.has(url)) return Promise.resolve(refusal(400, `no rule allows ${url}`));
        return new Promise((resolve) => {
            const message = this.#upload(url, Buffer.from(document).toString("base64"));
            const id = message.header.msg_id;
            let timer: Timer | undefined;
            const answer = (given: BusAnswer): void => {
                timer?.cancel();
                this.#pending.delete(id);
                resolve(given);
            };
            this.#pending.set(id, answer);
            const late = (): void => answer(refusal(504, "the cloud did not answer in time"));
            timer = this.#ports.clock.after(this.#config.timeoutMs, late);
            try {
                this.send("edgehub", message);
            } catch (thrown) {
                answer(refusal(503, errorText(thrown)));
            }
        });
    }

    #answered(parent: string, { route, content }: Envelope): void {
        const answer = this.#pending.get(parent);
        // A durable outbox confirms the upload before the cloud has an answer to it.
        if (answer === undefined || route.source === Source.cloudhub) return;
        const body = typeof content === "string" ? content : JSON.stringify(content);
        if (route.operation === Operation.error) answer(refusal(500, body));
        else answer({ code: 200, msg: "answered by the cloud", body });
    }

    #upload(resource: string, content: unknown, parentId?: string): Envelope {
        return newEnvelope({
            id: randomUUID(),
            route: { source: Source.servicebus, group: Group.user, operation: Operation.upload, resource },
            content,
            parentId,
            timestamp: this.#ports.clock.nowMs(),
        });
    }
}
