// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { TokenCheck, type Verdict } from "../shared/token-check.ts";
import type { RestAnswer } from "./rest-listener.ts";
import type { Route } from "./route.ts";

/** What a caller's right is judged by: the Rule, or a drawn route, which has no name. */
export type Called = Pick<Route, "key" | "namespace" | "name">;

const UNAUTHENTICATED: RestAnswer = {
    status: 401,
    headers: { "www-authenticate": ["Bearer"] },
    body: "a bearer token of the cluster is needed\n",
};

/** Whether the user whose bearer token a caller shows may `create` `rules/requests` in the rule's namespace (by name). */
export class CallerCheck {
    readonly #tokens: TokenCheck;

    constructor(cluster: KubeClient, clock: Clock) {
        this.#tokens = new TokenCheck(cluster, clock);
    }

    /** What a caller who may not call is answered. @throws REDGE_KUBE_* when the cluster cannot be asked */
    async refusal(authorization: string | undefined, route: Called): Promise<RestAnswer | undefined> {
        const verdict = await this.check(authorization, route);
        if (verdict === "unauthenticated") return UNAUTHENTICATED;
        if (verdict === "forbidden") return { status: 403, body: `may not create rules/requests of ${route.key}\n` };
        return undefined;
    }

    /** @throws REDGE_KUBE_* when the cluster cannot be asked */
    check(authorization: string | undefined, { namespace, name }: Called): Promise<Verdict> {
        return this.#tokens.check(authorization, {
            group: "rules.kubeedge.io",
            resource: "rules",
            subresource: "requests",
            verb: "create",
            namespace,
            name,
        });
    }
}
