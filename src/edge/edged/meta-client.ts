// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { formatResource } from "../../envelope/resource.ts";
import type { KubeObject } from "../../kube/types.ts";
import { asKubeObject } from "./objects.ts";

/** Longer than MetaManager's own limit, so that its refusal arrives first. */
const ANSWER_TIMEOUT_MS = 75_000;

interface Waiting {
    readonly resolve: (content: unknown) => void;
    readonly reject: (error: RedgeError) => void;
    readonly resource: string;
    readonly timer: Timer;
}

/** Edged's side of the wire to MetaManager: questions with answers, and a copy of the objects that were pushed. */
export class MetaClient {
    readonly #clock: Clock;
    readonly #send: (envelope: Envelope) => void;
    readonly #waiting = new Map<string, Waiting>();
    readonly #objects = new Map<string, KubeObject>();
    #stopped = false;
    readonly #asking = new Map<string, Promise<KubeObject>>();

    constructor(clock: Clock, send: (envelope: Envelope) => void) {
        this.#clock = clock;
        this.#send = send;
    }

    /**
     * Asks and waits. Resolves to the content, or to its `Object` where the answer is a `{Object, Err}` pair.
     * @throws REDGE_EDGED_NO_ANSWER, details: `reason`, and `code` (HTTP) when the API server said no
     */
    request(operation: string, resource: string, content: unknown): Promise<unknown> {
        if (this.#stopped) {
            const reason = "Edged is stopping";
            return Promise.reject(new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason }));
        }
        const envelope = this.#envelope(operation, resource, content);
        return new Promise((resolve, reject) => {
            const timer = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
                this.#waiting.delete(envelope.header.msg_id);
                reject(new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason: "no answer in time" }));
            });
            this.#waiting.set(envelope.header.msg_id, { resolve, reject, resource, timer });
            this.#send(envelope);
        });
    }

    /** Sends without waiting for an answer. */
    tell(operation: string, resource: string, content: unknown): Envelope {
        const envelope = this.#envelope(operation, resource, content);
        this.#send(envelope);
        return envelope;
    }

    /** Hands an answer to whoever asked. False: nobody here did. */
    answer(envelope: Envelope): boolean {
        const waiting = this.#waiting.get(envelope.header.parent_msg_id ?? "");
        if (waiting === undefined) return false;
        this.#waiting.delete(envelope.header.parent_msg_id ?? "");
        waiting.timer.cancel();
        const { resource } = waiting;
        if (envelope.route.operation === Operation.error) {
            const reason = typeof envelope.content === "string" ? envelope.content : JSON.stringify(envelope.content);
            waiting.reject(new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason }));
            return true;
        }
        const refusal = errorStatus(envelope.content);
        if (refusal !== undefined) waiting.reject(new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, ...refusal }));
        else waiting.resolve(objectOf(envelope.content));
        return true;
    }

    /** Keeps or drops the copy of a pushed object. */
    pushed(resource: string, object: KubeObject | undefined): void {
        if (object === undefined) this.#objects.delete(resource);
        else this.#objects.set(resource, object);
    }

    /**
     * A ConfigMap, Secret, RuntimeClass …: from the copies, from MetaManager, or from the cloud.
     * @throws REDGE_EDGED_NO_ANSWER
     */
    lookup(type: string, namespace: string | undefined, name: string): Promise<KubeObject> {
        const resource = formatResource(namespace, type, name);
        const known = this.#objects.get(resource);
        if (known !== undefined) return Promise.resolve(known);
        const asked = this.#asking.get(resource);
        if (asked !== undefined) return asked;
        const asking = this.#fetch(resource).finally(() => this.#asking.delete(resource));
        this.#asking.set(resource, asking);
        return asking;
    }

    /** Forgets every waiting question; none of them is answered any more. */
    stop(): void {
        this.#stopped = true;
        for (const { timer, reject, resource } of this.#waiting.values()) {
            timer.cancel();
            reject(new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason: "Edged is stopping" }));
        }
        this.#waiting.clear();
    }

    async #fetch(resource: string): Promise<KubeObject> {
        const object = asKubeObject(await this.request(Operation.query, resource, null));
        if (object === undefined) throw new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason: "not found" });
        this.#objects.set(resource, object);
        return object;
    }

    #envelope(operation: string, resource: string, content: unknown): Envelope {
        const route = { source: Source.edged, group: Group.meta, operation, resource };
        return newEnvelope({ route, content, timestamp: this.#clock.nowMs() });
    }
}

function objectOf(content: unknown): unknown {
    return content !== null && typeof content === "object" && "Object" in content ? content.Object : content;
}

/** The metav1.Status in `{Object, Err: {ErrStatus}}` or `{ErrStatus}`, when there is one (wire protocol, section 5.5). */
function errorStatus(content: unknown): { code: number; reason: string } | undefined {
    if (content === null || typeof content !== "object") return undefined;
    const holder = "Err" in content ? content.Err : content;
    if (holder === null || typeof holder !== "object" || !("ErrStatus" in holder)) return undefined;
    const status = (holder.ErrStatus ?? {}) as { code?: number; message?: string; reason?: string };
    if (status.code === undefined && status.reason === undefined) return undefined;
    return { code: status.code ?? 500, reason: status.message ?? status.reason ?? "refused" };
}
