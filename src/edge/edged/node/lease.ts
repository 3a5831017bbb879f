// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { Operation } from "../../../envelope/envelope.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { EdgedConfig } from "../config.ts";
import type { MetaClient } from "../meta-client.ts";
import { asKubeObject } from "../objects.ts";

const NAMESPACE = "kube-node-lease";
/** Renewed at a quarter of its life, spread by 4 % (wire protocol, section 5.6, step 5). */
const RENEW_SHARE = 0.25;
const SPREAD = 0.04;
const RETRY_MS = 1_000;

/** The node's heartbeat: a Lease renewed four times in its life. */
export class NodeLease {
    readonly #config: EdgedConfig;
    readonly #ports: { clock: Clock; random: () => number; client: MetaClient; log: Logger };
    readonly #resource: string;
    #lease: KubeObject | undefined;
    #nodeUid: string | undefined;
    #timer: Timer | undefined;
    #busy = false;
    #started = false;
    #stopped = false;

    constructor(config: EdgedConfig, ports: { clock: Clock; random: () => number; client: MetaClient; log: Logger }) {
        this.#config = config;
        this.#ports = ports;
        this.#resource = `${NAMESPACE}/lease/${config.nodeName}`;
    }

    start(nodeUid: string | undefined): void {
        this.#nodeUid = nodeUid;
        if (this.#started) return;
        this.#started = true;
        this.#renew();
    }

    linkUp(): void {
        if (this.#started) this.#renew();
    }

    stop(): void {
        this.#stopped = true;
        this.#timer?.cancel();
    }

    #renew(): void {
        if (this.#busy || this.#stopped) return;
        this.#busy = true;
        this.#timer?.cancel();
        void this.#once().then((nextMs) => {
            this.#busy = false;
            if (!this.#stopped) this.#timer = this.#ports.clock.after(nextMs, () => this.#renew());
        });
    }

    async #once(): Promise<number> {
        const periodMs = this.#config.nodeLeaseDurationSeconds * 1000 * RENEW_SHARE;
        try {
            this.#lease ??= await this.#query();
            const operation = this.#lease === undefined ? Operation.insert : Operation.update;
            this.#lease = asKubeObject(await this.#ports.client.request(operation, this.#resource, this.#renewed()));
            return periodMs * (1 - SPREAD + 2 * SPREAD * this.#ports.random());
        } catch (thrown) {
            const code = isRedgeError(thrown) ? thrown.details["code"] : undefined;
            if (code === 409 || code === 404) this.#lease = undefined;
            this.#ports.log.debug("lease not renewed", { reason: errorText(thrown) });
            return code === undefined ? periodMs : RETRY_MS;
        }
    }

    async #query(): Promise<KubeObject | undefined> {
        try {
            return asKubeObject(await this.#ports.client.request(Operation.query, this.#resource, null));
        } catch (thrown) {
            if (isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER") && thrown.details["code"] === 404) return undefined;
            throw thrown;
        }
    }

    #renewed(): KubeObject {
        const { nodeName, nodeLeaseDurationSeconds } = this.#config;
        const owner = { apiVersion: "v1", kind: "Node", name: nodeName, uid: this.#nodeUid ?? "" };
        const fresh: KubeObject = {
            apiVersion: "coordination.k8s.io/v1",
            kind: "Lease",
            metadata: {
                name: nodeName,
                namespace: NAMESPACE,
                ...(this.#nodeUid === undefined ? {} : { ownerReferences: [owner] }),
            },
        };
        const renewTime = new Date(this.#ports.clock.nowMs()).toISOString().replace("Z", "000Z");
        const spec = { holderIdentity: nodeName, leaseDurationSeconds: nodeLeaseDurationSeconds, renewTime };
        return { ...fresh, ...this.#lease, spec };
    }
}
