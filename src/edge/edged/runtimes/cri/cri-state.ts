// SPDX-License-Identifier: Apache-2.0
import { isRedgeError } from "../../../../core/errors/redge-error.ts";
import { LABEL } from "../labels.ts";
import type { ContainerRecord } from "../runtime.ts";
import type { Message } from "./codec.ts";
import { type CriClient, NOT_FOUND } from "./cri-client.ts";
import { type CriContainer, type CriSandbox, toContainer } from "./cri-messages.ts";

type Labels = Readonly<Record<string, string>>;

/** What a CRI engine has of this gateway's pods: sandboxes and containers, found by their labels. */
export class CriState {
    readonly #client: CriClient;
    readonly #owner: string;

    constructor(client: CriClient, owner: string) {
        this.#client = client;
        this.#owner = owner;
    }

    /** Undefined when it is gone. */
    async sandboxStatus(id: string): Promise<Message | undefined> {
        const call = this.#client.call(
            "PodSandboxStatus",
            ["SandboxId", { pod_sandbox_id: id }],
            "PodSandboxStatusResponse",
        );
        return (await this.unlessGone(call))?.["status"] as Message | undefined;
    }

    /** Undefined when it is gone. */
    async container(id: string): Promise<ContainerRecord | undefined> {
        const call = this.#client.call(
            "ContainerStatus",
            ["ContainerId", { container_id: id }],
            "ContainerStatusResponse",
        );
        const status = (await this.unlessGone(call))?.["status"] as Message | undefined;
        return status === undefined ? undefined : toContainer(status);
    }

    async sandboxes(labels: Labels): Promise<readonly CriSandbox[]> {
        const filter = { label_selector: this.labels(labels) };
        const answer = await this.#client.call(
            "ListPodSandbox",
            ["ListPodSandboxRequest", { filter }],
            "ListPodSandboxResponse",
        );
        return answer["items"] as readonly CriSandbox[];
    }

    async containers(labels: Labels): Promise<readonly CriContainer[]> {
        const filter = { label_selector: this.labels(labels) };
        const answer = await this.#client.call(
            "ListContainers",
            ["ListContainersRequest", { filter }],
            "ListContainersResponse",
        );
        return answer["containers"] as readonly CriContainer[];
    }

    /** A selector that other gateways' pods on the same engine do not match. */
    labels(labels: Labels): Record<string, string> {
        return { [LABEL.owner]: this.#owner, ...labels };
    }

    /** What a call answers, undefined when it was about something that is gone. */
    async unlessGone(call: Promise<Message>): Promise<Message | undefined> {
        try {
            return await call;
        } catch (thrown) {
            if (isRedgeError(thrown, "REDGE_RUNTIME_FAILED") && thrown.details["code"] === NOT_FOUND) return undefined;
            throw thrown;
        }
    }
}
