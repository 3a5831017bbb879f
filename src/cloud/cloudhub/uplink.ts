// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { asRecord } from "../../core/json.ts";
import { type Envelope, Group, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";
import { type DurableClass, durableClass } from "../../link/durable.ts";
import { DEFAULT_WINDOW } from "../../link/session.ts";
import { HandedOver } from "./handed-over.ts";
import type { CloudHubMetrics } from "./metrics.ts";
import type { NodeSession } from "./session.ts";
import { classifyUpward, isNodeRegistration } from "./upward.ts";

/** How long a durable message may wait for its answer before a repeat of it is handed over again. */
const ANSWER_PATIENCE_MS = 8_000;
/** What is remembered of a node's last messages outlives its connection so long. */
const REMEMBER_MS = 10 * 60_000;

export type UplinkOutput = "resources" | "devices" | "user";

export interface UplinkPorts extends Pick<Ports, "clock" | "log"> {
    readonly cluster: KubeClient;
    readonly metrics: CloudHubMetrics;
    readonly send: (output: UplinkOutput, envelope: Envelope) => void;
    /** A stock EdgeCore has started anew: it may have lost everything it had stored. */
    readonly registered: (session: NodeSession) => void;
}

/** What edge nodes send: answered here, or handed over to the controllers, what is durable once. */
export class Uplink {
    readonly #ports: UplinkPorts;
    readonly #handedOver = new Map<string, { readonly messages: HandedOver; leftMs: number | undefined }>();

    constructor(ports: UplinkPorts) {
        this.#ports = ports;
    }

    /** A controller has answered a message of this node. */
    answered(node: string, messageId: string): void {
        this.#handedOver.get(node)?.messages.answered(messageId);
    }

    joined(node: string): void {
        const remembered = this.#handedOver.get(node);
        if (remembered !== undefined) remembered.leftMs = undefined;
    }

    left(node: string): void {
        const remembered = this.#handedOver.get(node);
        if (remembered !== undefined) remembered.leftMs = this.#ports.clock.monotonicMs();
    }

    /** Forgets nodes that have been away for long. */
    sweep(): void {
        const nowMs = this.#ports.clock.monotonicMs();
        for (const [node, { leftMs }] of this.#handedOver) {
            if (leftMs !== undefined && nowMs - leftMs > REMEMBER_MS) this.#handedOver.delete(node);
        }
    }

    receive(session: NodeSession, envelope: Envelope): void {
        const upward = classifyUpward(envelope);
        this.#ports.metrics.up.add(1, { to: upward.to });
        switch (upward.to) {
            case "keepalive":
                session.keepalive();
                return;
            case "answer": {
                const known = session.downlink.answered(upward.parentId, upward.failed);
                if (known && upward.failed) {
                    const { resource } = envelope.route;
                    this.#ports.log.warn("an edge node could not store an object", { node: session.node, resource });
                }
                return;
            }
            case "apiserver-ca":
                void this.#answerWithApiServerCa(session, envelope);
                return;
            case "output":
                this.#handOver(session, envelope, upward.output);
                return;
            case "nowhere":
                this.#ports.log.debug("ignored a message", { node: session.node, reason: upward.why });
        }
    }

    #handOver(session: NodeSession, envelope: Envelope, output: UplinkOutput): void {
        const durable = session.redge === undefined ? undefined : durableClass(envelope);
        if (durable !== undefined) {
            this.#handOverDurable(session, envelope, output, durable);
            return;
        }
        this.#ports.send(output, envelope);
        if (session.redge === undefined && isNodeRegistration(envelope, session.node)) this.#ports.registered(session);
    }

    #handOverDurable(session: NodeSession, envelope: Envelope, output: UplinkOutput, durable: DurableClass): void {
        const { node } = session;
        const id = envelope.header.msg_id;
        let remembered = this.#handedOver.get(node);
        if (remembered === undefined) {
            remembered = { messages: new HandedOver(DEFAULT_WINDOW, ANSWER_PATIENCE_MS), leftMs: undefined };
            this.#handedOver.set(node, remembered);
        }
        const verdict = remembered.messages.see(id, this.#ports.clock.monotonicMs());
        if (verdict === "hand over")
            this.#ports.send(output, { ...envelope, header: { ...envelope.header, sync: true } });
        if (verdict === "answer again" || (verdict === "hand over" && durable === "user")) {
            remembered.messages.answered(id);
            const from = { source: Source.cloudhub, ...(durable === "user" ? {} : { group: Group.resource }) };
            session.downlink.once(responseTo(envelope, "OK", from));
        }
    }

    /** Every namespace of a Kubernetes cluster holds its CA in this ConfigMap. */
    async #answerWithApiServerCa(session: NodeSession, request: Envelope): Promise<void> {
        const from = { source: Source.cloudhub, group: Group.resource };
        try {
            const ref = { type: Kinds.configMap, namespace: "kube-system", name: "kube-root-ca.crt" };
            const { data } = await this.#ports.cluster.get(ref);
            session.downlink.once(responseTo(request, asRecord(data)["ca.crt"], from));
        } catch (thrown) {
            session.downlink.once(responseTo(request, errorText(thrown), { ...from, operation: Operation.error }));
        }
    }
}
