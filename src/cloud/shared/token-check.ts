// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { asRecord, asText } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { ResourceType } from "../../kube/types.ts";
import { isAllowed, type ResourceAttributes } from "./access-review.ts";

export type Verdict = "allowed" | "unauthenticated" | "forbidden";

const tokenReview: ResourceType = {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "TokenReview",
    plural: "tokenreviews",
    namespaced: false,
};
const REMEMBER_MS = 30_000;
/** Who is let in now is not to wait for it; long enough that one who keeps asking does not ask the cluster each time. */
const REMEMBER_REFUSAL_MS = 1000;
const REMEMBERED_MOST = 1000;

/**
 * Asks the cluster whose bearer token a caller shows, and whether that user may do something. Answers are remembered for
 * half a minute, refusals for a second; tokens only as their hash.
 */
export class TokenCheck {
    readonly #cluster: KubeClient;
    readonly #clock: Clock;
    readonly #answers = new Map<string, { readonly verdict: Verdict; readonly untilMs: number }>();

    constructor(cluster: KubeClient, clock: Clock) {
        this.#cluster = cluster;
        this.#clock = clock;
    }

    /** @throws REDGE_KUBE_* when the cluster cannot be asked */
    async check(authorization: string | undefined, wanted: ResourceAttributes): Promise<Verdict> {
        const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
        if (token === undefined) return "unauthenticated";
        const key = createHash("sha256")
            .update(`${JSON.stringify(wanted)}\n${token}`)
            .digest("base64");
        const known = this.#answers.get(key);
        const nowMs = this.#clock.monotonicMs();
        if (known !== undefined && known.untilMs > nowMs) return known.verdict;
        const verdict = await this.#ask(token, wanted);
        this.#answers.delete(key);
        this.#answers.set(key, {
            verdict,
            untilMs: nowMs + (verdict === "allowed" ? REMEMBER_MS : REMEMBER_REFUSAL_MS),
        });
        for (const oldest of this.#answers.keys()) {
            if (this.#answers.size <= REMEMBERED_MOST) break;
            this.#answers.delete(oldest);
        }
        return verdict;
    }

    async #ask(token: string, wanted: ResourceAttributes): Promise<Verdict> {
        const reviewed = await this.#cluster.create(tokenReview, {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenReview",
            metadata: { name: "" },
            spec: { token },
        });
        const status = asRecord(reviewed["status"]);
        const { username, uid, groups, extra } = asRecord(status["user"]);
        if (status["authenticated"] !== true || asText(username) === undefined) return "unauthenticated";
        const subject = { user: String(username), uid, groups, extra };
        return (await isAllowed(this.#cluster, subject, wanted)) ? "allowed" : "forbidden";
    }
}
