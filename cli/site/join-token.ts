// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createJoinToken } from "../../src/link/identity/join-token.ts";
import type { JoinTokenRequest } from "../../src/link/identity/ports.ts";

const SITE_TOKEN_TTL_MS = 600_000;

/** A join token from the CA that the cloud side keeps in the API. @throws REDGE_IDENTITY_* when there is none yet */
export function makeToken(cluster: KubeClient, request: JoinTokenRequest): Promise<string> {
    return createJoinToken(cluster, request, systemClock);
}

/** For the site's own gateway: one use, one name, ten minutes. */
export function createSiteToken(cluster: KubeClient, nodeName: string): Promise<string> {
    return makeToken(cluster, { ttlMs: SITE_TOKEN_TTL_MS, nodeName, uses: 1 });
}
