// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../src/core/clock.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { revokeJoinToken } from "../../src/link/identity/index.ts";
import type { JoinTokenRequest } from "../../src/link/identity/ports.ts";
import { makeToken } from "./join-token.ts";

/**
 * Revokes a token, or makes one, with the API server of a kubeconfig file; answers what to print.
 * @throws REDGE_IDENTITY_*, REDGE_KUBE_*
 */
export async function runToken(kubeconfig: string, work: { revoke: string } | JoinTokenRequest): Promise<string> {
    const client = createKubeClient(await connectionFromKubeconfig(kubeconfig), {
        clock: systemClock,
        random: Math.random,
    });
    try {
        if (!("revoke" in work)) return await makeToken(client, work);
        await revokeJoinToken(client, work.revoke, systemClock);
        return "revoked";
    } finally {
        await client.close();
    }
}
