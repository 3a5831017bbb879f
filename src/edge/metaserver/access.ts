// SPDX-License-Identifier: Apache-2.0
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import {
    type Attributes,
    type Authorizer,
    anonymous,
    authenticated,
    MASTERS,
    type User,
} from "../../kube/authz/user.ts";
import { unauthorized } from "../../kube/rest/status.ts";
import type { TokenOwner } from "../metamanager/token-table.ts";

const BEARER = /^bearer\s+(\S+)$/i;
const ACCOUNT = /^system:serviceaccount:([^:]+):/;
const OPEN_PATHS = ["/healthz", "/livez", "/readyz", "/version"];
const READ = new Set(["get", "list", "watch"]);
const WRITE = new Set(["create", "update", "patch", "delete"]);
/** What a workload may see of its own namespace. Roles are not known at the edge; Secrets are never among it. */
const ACCOUNT_RESOURCES = new Set(["pods", "configmaps", "services", "endpoints"]);

/** Who asks: the operator by the token in the gateway's own folder, a workload by a token the cloud issued to it. */
export function authenticator(operatorToken: string, accountOf: (token: string) => TokenOwner | undefined) {
    return async ({ headers }: IncomingMessage): Promise<User> => {
        const { authorization } = headers;
        if (authorization === undefined) return anonymous;
        const token = BEARER.exec(authorization)?.[1] ?? "";
        if (sameText(token, operatorToken)) return authenticated("operator", [MASTERS]);
        const owner = accountOf(token);
        if (owner === undefined) throw unauthorized();
        const name = `system:serviceaccount:${owner.namespace}:${owner.name}`;
        return authenticated(name, ["system:serviceaccounts", `system:serviceaccounts:${owner.namespace}`]);
    };
}

/** Whether the account may write that here: with a link the cluster decides, without one what it decided before. */
export type MayWrite = (user: string, verb: string, resource: string, namespace: string) => boolean;

export function edgeAuthorizer(mayWrite: MayWrite): Authorizer {
    return {
        async refuse({ user, verb, resource, namespace, path }: Attributes): Promise<string | undefined> {
            if (user.groups.includes(MASTERS)) return undefined;
            if (resource === undefined) {
                const open = OPEN_PATHS.some((one) => path === one || path.startsWith(`${one}/`));
                return open || user !== anonymous ? undefined : "";
            }
            const own = ACCOUNT.exec(user.name)?.[1];
            const isOwn = own !== undefined && own === namespace;
            if (READ.has(verb)) {
                if (isOwn && ACCOUNT_RESOURCES.has(resource)) return undefined;
                return ": a workload may read pods, configmaps, services and endpoints of its own namespace here";
            }
            if (!isOwn || resource !== "configmaps" || !WRITE.has(verb))
                return ": a workload may write configmaps of its own namespace here";
            if (mayWrite(user.name, verb, resource, own)) return undefined;
            return ": there is no link to the cluster, and it has not let this account do that before";
        },
    };
}

function sameText(a: string, b: string): boolean {
    const [left, right] = [Buffer.from(a), Buffer.from(b)];
    return left.length === right.length && timingSafeEqual(left, right);
}
