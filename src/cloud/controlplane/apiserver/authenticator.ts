// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../../core/clock.ts";
import { anonymous, authenticated, type User } from "../../../kube/authz/user.ts";
import { unauthorized } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import { readCertificate } from "../../../link/identity/x509.ts";
import { DEFAULT_AUDIENCE, type ServiceAccountTokens, type TokenClaims } from "./service-account-tokens.ts";

const BEARER = /^bearer\s+(\S+)$/i;

/** Finds out who sends a request: by client certificate (CN, O), service account token, or nobody in particular. */
export class Authenticator {
    readonly #tokens: ServiceAccountTokens;
    readonly #reader: ObjectReader;
    readonly #clock: Clock;
    /** A connection's certificate is read once, not at every request. */
    readonly #bySocket = new WeakMap<object, User>();

    constructor(tokens: ServiceAccountTokens, reader: ObjectReader, clock: Clock) {
        this.#tokens = tokens;
        this.#reader = reader;
        this.#clock = clock;
    }

    /** @throws 401 for a token that is no longer, or never was, valid */
    async authenticate(request: IncomingMessage): Promise<User> {
        const byCertificate = this.#byCertificate(request.socket as TLSSocket);
        if (byCertificate !== undefined) return byCertificate;
        const { authorization } = request.headers;
        if (authorization === undefined) return anonymous;
        const token = BEARER.exec(authorization)?.[1];
        const claims = token === undefined ? undefined : await this.review(token, [DEFAULT_AUDIENCE]);
        if (claims === undefined) throw unauthorized();
        return serviceAccountUser(claims);
    }

    /** The claims of a token whose service account (and pod) still exists; undefined when it is not good. */
    async review(token: string, audiences: readonly string[]): Promise<TokenClaims | undefined> {
        const claims = this.#tokens.read(token, this.#clock.nowMs());
        if (claims === undefined || !claims.audiences.some((one) => audiences.includes(one))) return undefined;
        const { namespace, serviceAccount, pod } = claims;
        const exists = async (
            plural: string,
            { name, uid }: { readonly name: string; readonly uid: string },
        ): Promise<boolean> => {
            const stored = await this.#reader.get({ group: "", plural, namespace, name });
            return stored?.object.metadata.uid === uid;
        };
        if (!(await exists("serviceaccounts", serviceAccount))) return undefined;
        return pod === undefined || (await exists("pods", pod)) ? claims : undefined;
    }

    #byCertificate(socket: TLSSocket): User | undefined {
        const known = this.#bySocket.get(socket);
        if (known !== undefined) return known;
        if (socket.authorized !== true) return undefined;
        const { raw } = socket.getPeerCertificate();
        if (raw === undefined) return undefined;
        const { commonName, organizations } = readCertificate(raw);
        if (commonName === "") return undefined;
        const user = authenticated(commonName, organizations);
        this.#bySocket.set(socket, user);
        return user;
    }
}

export function serviceAccountUser({ namespace, serviceAccount }: TokenClaims): User {
    return {
        ...authenticated(`system:serviceaccount:${namespace}:${serviceAccount.name}`, [
            "system:serviceaccounts",
            `system:serviceaccounts:${namespace}`,
        ]),
        uid: serviceAccount.uid,
    };
}
