// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import type { RedgeSession } from "../../link/session.ts";
import type { LinkConnection } from "../../link/transport/connection.ts";
import type { CloudHubConfig } from "./config.ts";

/** A node that got through TLS, identity and limits, over whichever transport. */
export interface Joined {
    readonly node: string;
    readonly connection: LinkConnection;
    /** What the edge said in its `redge-session` header; undefined for a stock EdgeCore. */
    readonly redge: RedgeSession | undefined;
    readonly remoteAddress: string;
}

/** Why somebody does not get in, as an HTTP status and words. */
export interface Refusal {
    readonly status: number;
    readonly reason: string;
}

export interface AdmissionHooks {
    /** Why this node cannot be taken now. */
    refuse(node: string): Refusal | undefined;
    joined(joined: Joined): void;
    refused(node: string, reason: string): void;
}

/** Who may come in: the same rules for every transport. */
export class Admission {
    readonly #authorization: CloudHubConfig["authorization"];
    readonly #hooks: AdmissionHooks;

    constructor({ authorization }: CloudHubConfig, hooks: AdmissionHooks) {
        this.#authorization = authorization;
        this.#hooks = hooks;
    }

    /**
     * The name of the node, or why it is refused (which is told).
     * @param certificate verified against the CA; undefined when there is no valid one
     * @param said what the peer says its `node_id` is
     * @param trouble why there is no certificate
     */
    decide(
        certificate: X509Certificate | undefined,
        said: unknown,
        trouble = "no valid client certificate",
    ): { readonly node: string } | Refusal {
        const node = nodeName(said);
        const refusal = certificate === undefined ? { status: 401, reason: trouble } : this.#refusal(certificate, node);
        if (refusal === undefined && node !== undefined) return { node };
        const { status, reason } = refusal ?? { status: 400, reason: "header node_id is missing" };
        this.#hooks.refused(node ?? "", reason);
        return { status, reason };
    }

    joined(joined: Joined): void {
        this.#hooks.joined(joined);
    }

    #refusal(certificate: X509Certificate, node: string | undefined): Refusal | undefined {
        if (node === undefined) return undefined;
        if (this.#authorization === "node" && commonName(certificate) !== `system:node:${node}`) {
            return { status: 403, reason: "the certificate is another node's" };
        }
        return this.#hooks.refuse(node);
    }
}

/** Of a certificate with exactly one. The X509Certificate form costs a fraction of `getPeerCertificate`. */
function commonName(certificate: X509Certificate): string | undefined {
    const names = certificate.subject.split("\n").filter((line) => line.startsWith("CN="));
    return names.length === 1 ? names[0]?.slice(3) : undefined;
}

function nodeName(value: unknown): string | undefined {
    return typeof value === "string" && /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(value) ? value : undefined;
}
