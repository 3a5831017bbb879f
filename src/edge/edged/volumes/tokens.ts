// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { MetaClient } from "../meta-client.ts";
import type { Pod } from "../podspec/types.ts";

/** Service account tokens for projected volumes; MetaManager keeps them, also for the time without a link. */
export function podTokens(
    client: MetaClient,
): (pod: Pod, audience: string | undefined, expirationSeconds: number) => Promise<string> {
    return async (pod, audience, expirationSeconds) => {
        const { namespace, name, uid } = pod.metadata;
        const resource = formatResource(namespace, "serviceaccounttoken", pod.spec.serviceAccountName ?? "default");
        const answer = await client.request(Operation.query, resource, {
            metadata: { creationTimestamp: null },
            spec: {
                audiences: audience === undefined ? null : [audience],
                expirationSeconds,
                boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
            },
            status: { token: "", expirationTimestamp: null },
        });
        const token = (answer as { status?: { token?: unknown } } | null)?.status?.token;
        if (typeof token !== "string" || token === "") {
            throw new RedgeError("REDGE_EDGED_NO_ANSWER", { resource, reason: "the answer has no token" });
        }
        return token;
    };
}
