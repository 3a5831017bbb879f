// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { type AuthorityStorage, secretStorage } from "./authority-storage.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { KUBEEDGE_NAMESPACE, readToken, type TokenClaims } from "./join-token.ts";

interface TokenRecord {
    /** Seconds since the epoch: after that the record is dropped with the token. */
    readonly exp: number;
    readonly revoked?: true;
    /** Digests of the public keys that got a certificate with it. */
    readonly keys?: readonly string[];
}

type Records = Record<string, TokenRecord>;

/** Someone else changing the records this often in a row is a fault, not bad luck. */
const MAX_ATTEMPTS = 20;

/** What became of join tokens; kept on disk or in a Secret before a certificate leaves, so that no restart forgets it. */
export class TokenRecords {
    readonly #storage: AuthorityStorage;
    readonly #nowMs: () => number;
    #last: Promise<unknown> = Promise.resolve();

    constructor(storage: AuthorityStorage, nowMs: () => number) {
        this.#storage = storage;
        this.#nowMs = nowMs;
    }

    /**
     * Counts a use. The same key may come again (its certificate may have been lost on the way): it counts once.
     * @throws REDGE_IDENTITY_TOKEN_REVOKED, REDGE_IDENTITY_TOKEN_USED
     */
    async use(token: TokenClaims, keyDigest: string): Promise<void> {
        await this.#change((records) => {
            const record = records[token.id];
            if (record?.revoked) throw new RedgeError("REDGE_IDENTITY_TOKEN_REVOKED");
            const keys = record?.keys ?? [];
            if (token.uses === undefined || keys.includes(keyDigest)) return false;
            if (keys.length >= token.uses) throw new RedgeError("REDGE_IDENTITY_TOKEN_USED", { uses: token.uses });
            records[token.id] = { exp: token.exp, keys: [...keys, keyDigest] };
            return true;
        });
    }

    async revoke(token: TokenClaims): Promise<void> {
        await this.#change((records) => {
            records[token.id] = { ...records[token.id], exp: token.exp, revoked: true };
            return true;
        });
    }

    /** One change after the other here; against other processes the storage's versions decide. */
    #change(apply: (records: Records) => boolean): Promise<void> {
        const turn = this.#last.then(async () => {
            for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
                const stored = await this.#storage.read("tokens");
                const records = this.#parse(stored?.fields["state"]);
                if (!apply(records)) return;
                const state = Buffer.from(JSON.stringify({ version: 1, tokens: records }), "utf8");
                if (await this.#storage.write("tokens", { state }, stored?.version)) return;
            }
            const reason = "others keep changing the token records";
            throw new RedgeError("REDGE_IDENTITY_STORAGE", { where: this.#storage.where, reason });
        });
        this.#last = turn.catch(() => undefined); // Each caller hears of its own turn.
        return turn;
    }

    #parse(state: Buffer | undefined): Records {
        if (state === undefined) return {};
        const nowS = this.#nowMs() / 1000;
        try {
            const { tokens } = JSON.parse(state.toString("utf8")) as { tokens: Records };
            return Object.fromEntries(Object.entries(tokens).filter(([, record]) => record.exp > nowS));
        } catch (error) {
            // Guessing here could let a revoked token in.
            const reason = "they are not JSON";
            throw new RedgeError(
                "REDGE_IDENTITY_MATERIAL",
                { what: "token records", where: this.#storage.where, reason },
                error,
            );
        }
    }
}

/**
 * Revokes a token beside a running cloud, by the Secrets that the cloud shares: from then on it is refused everywhere.
 * @throws REDGE_IDENTITY_TOKEN_FORMAT, REDGE_IDENTITY_TOKEN_INVALID, REDGE_IDENTITY_TOKEN_EXPIRED (there is nothing to
 * revoke), REDGE_IDENTITY_MATERIAL, REDGE_IDENTITY_STORAGE
 */
export async function revokeJoinToken(
    cluster: KubeClient,
    token: string,
    clock: Clock,
    namespace = KUBEEDGE_NAMESPACE,
): Promise<void> {
    const storage = secretStorage(cluster, namespace);
    const authority = await CertificateAuthority.load(storage, clock);
    const records = new TokenRecords(storage, () => clock.nowMs());
    await records.revoke(readToken(token, authority.tokenKey, clock.nowMs()));
}
