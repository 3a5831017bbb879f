// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { MetaClient } from "../meta-client.ts";
import type { Pod, PodStatus } from "../podspec/types.ts";
import { isStatic, makeMirror } from "./mirror.ts";
import { statusPatch } from "./status-patch.ts";

const RETRY_MS = 5_000;

/**
 * Brings one pod's status to the cloud: sends when it differs from what the cloud has confirmed, one patch at a time,
 * again after a failure and whenever the link comes back. Nothing is queued: only the newest status matters.
 */
export class StatusReporter {
    readonly #clock: Clock;
    readonly #log: Logger;
    readonly #client: MetaClient;
    #pod: Pod;
    #wanted: PodStatus | undefined;
    /** What an earlier run of the gateway left in the API. */
    readonly #found: PodStatus | undefined;
    #confirmed: Partial<PodStatus> = {};
    #confirmedText = "";
    #sending = false;
    #mirror: { readonly uid: string | undefined } | undefined;
    #retry: Timer | undefined;
    #stopped = false;
    readonly #onConfirmed: () => void;

    constructor(pod: Pod, ports: { clock: Clock; log: Logger; client: MetaClient }, onConfirmed: () => void) {
        this.#pod = pod;
        this.#found = pod.status;
        this.#clock = ports.clock;
        this.#log = ports.log;
        this.#client = ports.client;
        this.#onConfirmed = onConfirmed;
    }

    /** True when the cloud has the newest status (or has no such pod any more). */
    get upToDate(): boolean {
        return this.#wanted !== undefined && this.#confirmedText === JSON.stringify(this.#wanted);
    }

    set(pod: Pod, status: PodStatus): void {
        this.#pod = pod;
        this.#wanted = status;
        this.#push();
    }

    /** The link is back: what is not confirmed is sent at once. */
    linkUp(): void {
        this.#push();
    }

    stop(): void {
        this.#stopped = true;
        this.#retry?.cancel();
    }

    #push(): void {
        const wanted = this.#wanted;
        if (this.#stopped || this.#sending || wanted === undefined || this.upToDate) return;
        this.#retry?.cancel();
        this.#sending = true;
        this.#send(wanted).then(
            () => this.#settled(wanted, undefined),
            (thrown: unknown) => this.#settled(wanted, thrown),
        );
    }

    #settled(sent: PodStatus, failure: unknown): void {
        this.#sending = false;
        if (this.#stopped) return;
        const gone =
            isRedgeError(failure, "REDGE_EDGED_NO_ANSWER") && [404, 409].includes(Number(failure.details["code"]));
        if (failure === undefined || gone) {
            this.#confirmed = sent;
            this.#confirmedText = JSON.stringify(sent);
            this.#onConfirmed();
            this.#push();
            return;
        }
        this.#log.debug("pod status not taken yet", { error: failure });
        this.#retry = this.#clock.after(RETRY_MS, () => this.#push());
    }

    /** A static pod has an image of itself in the API, under a uid of the API's own. */
    async #uidInApi(): Promise<string | undefined> {
        if (!isStatic(this.#pod)) return this.#pod.metadata.uid;
        this.#mirror ??= await makeMirror(this.#client, this.#pod);
        return this.#mirror.uid;
    }

    async #send(status: PodStatus): Promise<void> {
        const { namespace, name } = this.#pod.metadata;
        const uid = await this.#uidInApi();
        const patch = {
            ...(uid === undefined ? {} : { metadata: { uid } }),
            status: statusPatch(status, this.#confirmed, this.#found),
        };
        await this.#client.request(Operation.patch, formatResource(namespace, "podpatch", name), JSON.stringify(patch));
    }
}
