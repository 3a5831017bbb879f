// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { asNumber, asRecord } from "../../core/json.ts";
import { type Envelope, Group, newEnvelope, Source } from "../../envelope/envelope.ts";
import type { RestAnswer } from "./rest-listener.ts";

interface Pending {
    readonly node: string;
    readonly answer: (answer: RestAnswer) => void;
}

export interface ServiceRequest {
    readonly method: string;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly body: Buffer;
}

/** A message for an edge node's event bus or service bus. */
export function toEdge(
    clock: Clock,
    node: string,
    route: Readonly<{ source: string; operation: string; resource: string }>,
    content: unknown,
): Envelope {
    return newEnvelope({ route: { ...route, group: Group.user }, content, node, timestamp: clock.nowMs() });
}

/** Requests to services at edge nodes that wait for their answers (KubeEdge device reference, section 7.4). */
export class ServiceCalls {
    readonly #clock: Clock;
    readonly #timeoutMs: number;
    readonly #send: (message: Envelope) => void;
    readonly #pending = new Map<string, Pending>();

    constructor(clock: Clock, timeoutMs: number, send: (message: Envelope) => void) {
        this.#clock = clock;
        this.#timeoutMs = timeoutMs;
        this.#send = send;
    }

    /** @param path with its leading slash, and its query */
    ask(node: string, port: number, path: string, { method, headers, body }: ServiceRequest): Promise<RestAnswer> {
        return new Promise((resolve) => {
            const content = { header: headers, body: body.toString("base64"), method, url: "" };
            const route = { source: Source.routerServicebus, operation: method, resource: `${port}:${path}` };
            const message = toEdge(this.#clock, node, route, content);
            const id = message.header.msg_id;
            let timer: Timer | undefined;
            const answer = (given: RestAnswer): void => {
                timer?.cancel();
                this.#pending.delete(id);
                resolve(given);
            };
            this.#pending.set(id, { node, answer });
            timer = this.#clock.after(this.#timeoutMs, () =>
                answer({ status: 504, body: `node ${node} did not answer in time\n` }),
            );
            this.#send(message);
        });
    }

    answered({ header, content }: Envelope): void {
        const given = asRecord(content);
        const headers = Object.entries(asRecord(given["header"])).flatMap(([name, values]) =>
            Array.isArray(values) ? [[name, values.map(String)] as const] : [],
        );
        const status = asNumber(given["status_code"]) ?? 502;
        this.#pending.get(header.parent_msg_id ?? "")?.answer({
            status: status >= 200 && status <= 599 ? status : 502,
            headers: Object.fromEntries(headers),
            body: Buffer.from(String(given["body"] ?? ""), "base64"),
        });
    }

    disconnected(node: string): void {
        for (const pending of [...this.#pending.values()]) {
            if (pending.node === node)
                pending.answer({ status: 502, body: `the connection of node ${node} was lost\n` });
        }
    }

    stop(): void {
        for (const { answer } of [...this.#pending.values()]) answer({ status: 503, body: "the router stops\n" });
    }
}
