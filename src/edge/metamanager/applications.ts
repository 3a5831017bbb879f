// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { asRecord, asText, isRecord, type JsonRecord } from "../../core/json.ts";
import { type Envelope, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { CLUSTER_SCOPE } from "../../envelope/resource.ts";
import { StatusError, unavailable } from "../../kube/rest/status.ts";
import type { KubeObject, ResourceType } from "../../kube/types.ts";
import { asObject } from "./object-table.ts";
import { PendingRequests } from "./pending.ts";

/** What is asked of the API by way of the cloud (KubeEdge's DynamicController, wire protocol, section 5.8). */
export interface Asked {
    readonly verb: "get" | "create" | "update" | "delete";
    readonly type: ResourceType;
    readonly namespace?: string | undefined;
    /** Absent on create. */
    readonly name?: string;
    readonly body?: KubeObject;
    /** metav1.DeleteOptions. */
    readonly options?: JsonRecord;
    /** On whose behalf: "operator" or "serviceaccount:<namespace>:<name>". */
    readonly actor: string;
}

/** Requests to the API that wait for the cloud's answer. */
export class Applications {
    readonly #send: (envelope: Envelope) => void;
    readonly #clock: Clock;
    readonly #waiting: PendingRequests;
    readonly #answers = new Map<string, (answer: Envelope | undefined) => void>();

    constructor(clock: Clock, timeoutMs: number, send: (envelope: Envelope) => void) {
        this.#clock = clock;
        this.#send = send;
        this.#waiting = new PendingRequests(clock, timeoutMs);
    }

    /**
     * Resolves to the object the API answered, undefined for a delete.
     * @throws StatusError: the API's own refusal, or 503 when the cloud did not answer (it may have been carried out)
     */
    async ask(asked: Asked): Promise<KubeObject | undefined> {
        const request = this.#request(asked);
        const id = request.header.msg_id;
        const answer = await new Promise<Envelope | undefined>((resolve) => {
            this.#answers.set(id, resolve);
            this.#waiting.add(id, request, () => this.#settle(id, undefined));
            this.#send(request);
        });
        if (answer === undefined) throw unavailable("the cloud did not answer; the change may have been made");
        if (answer.route.operation === Operation.error) throw unavailable(String(answer.content));
        return read(answer.content);
    }

    /** True when somebody here waits for this answer. */
    answered(envelope: Envelope): boolean {
        const request = this.#waiting.take(envelope.header.parent_msg_id ?? "");
        if (request === undefined) return false;
        this.#settle(request.header.msg_id, envelope);
        return true;
    }

    /** Nothing more is answered: everybody is told. */
    drain(): void {
        for (const { header } of this.#waiting.drain()) this.#settle(header.msg_id, undefined);
    }

    #settle(id: string, answer: Envelope | undefined): void {
        const resolve = this.#answers.get(id);
        this.#answers.delete(id);
        resolve?.(answer);
    }

    #request({ verb, type, namespace, name, body, options, actor }: Asked): Envelope {
        const group = type.group === "" ? "core" : type.group;
        const key = ["", group, type.version, type.plural, namespace || CLUSTER_SCOPE, name ?? "null"].join("/");
        const timestamp = this.#clock.nowMs();
        const route = { source: Source.metaserver, group: "dynamiccontroller", operation: "null", resource: "null" };
        const request = newEnvelope({ route, content: null, timestamp });
        const content = {
            ID: request.header.msg_id,
            Key: key,
            Verb: verb,
            Option: options === undefined ? null : encode(options),
            ReqBody: body === undefined ? null : encode(body),
            Status: "InApplying",
            Actor: actor,
            Timestamp: new Date(timestamp).toISOString(),
        };
        return { ...request, content };
    }
}

function read(content: unknown): KubeObject | undefined {
    const answer = asRecord(content);
    if (answer["Status"] !== "Approved") {
        const status = asRecord(asRecord(answer["Error"])["ErrStatus"]);
        const code = typeof status["code"] === "number" ? status["code"] : 500;
        const message = asText(status["message"]) ?? asText(answer["Reason"]) ?? "the cloud refused it";
        const details = isRecord(status["details"]) ? status["details"] : undefined;
        throw new StatusError(code, asText(status["reason"]) ?? "InternalError", message, details);
    }
    const body = answer["RespBody"];
    if (isRecord(body)) return asObject(body);
    if (typeof body !== "string" || body === "") return undefined;
    return asObject(JSON.parse(Buffer.from(body, "base64").toString("utf8")));
}

function encode(value: unknown): string {
    return Buffer.from(JSON.stringify(value)).toString("base64");
}
