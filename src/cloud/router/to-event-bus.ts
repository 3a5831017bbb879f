// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import { asRecord } from "../../core/json.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { contentOf } from "../../envelope/payload.ts";

/**
 * What goes down to a node's EventBus to be published. Text goes as KubeEdge sends it. Bytes that are no text have no place in
 * its JSON: a Redge gateway takes them in base64 with a type that says so; a stock EdgeCore would publish the base64.
 */
export class ToEventBus {
    readonly #clock: Clock;
    /** Nodes of which CloudHub has said that they are Redge gateways. */
    readonly #redge = new Set<string>();

    constructor(clock: Clock) {
        this.#clock = clock;
    }

    /** Takes CloudHub's words of nodes that come and go. */
    note({ node, route, content }: Envelope): void {
        if (node === undefined) return;
        if (route.operation === Operation.disconnect) this.#redge.delete(node);
        if (route.operation !== Operation.connect) return;
        if (asRecord(content)["peer"] === "redge") this.#redge.add(node);
        else this.#redge.delete(node);
    }

    /** The message, or why there is none. */
    message(node: string, topic: string, body: Buffer): Envelope | string {
        if (!isUtf8(body) && !this.#redge.has(node))
            return `node ${node} is not known as a Redge gateway: to others only text can be published`;
        const route = {
            source: Source.routerEventbus,
            group: Group.user,
            operation: Operation.publish,
            resource: topic,
        };
        return newEnvelope({ route, ...contentOf(body), node, timestamp: this.#clock.nowMs() });
    }
}
