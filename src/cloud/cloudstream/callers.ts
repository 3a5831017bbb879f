// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { readCertificate } from "../../link/identity/x509.ts";
import { TokenCheck } from "../shared/token-check.ts";
import { type Authorities, isIssued } from "./authorities.ts";

/** Who may do what a kubelet lets an API server do. */
const API_SERVER_NAME = "kube-apiserver-kubelet-client";
const API_SERVER_GROUPS = new Set(["system:masters", "kubeadm:cluster-admins"]);
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/**
 * Who may reach gateways through CloudStream: the API server, by its kubelet client certificate; for what a kubelet tells
 * of usage also whoever the cluster's rules let read it (metrics-server, Prometheus), by bearer token. (Stock CloudStream
 * lets everybody who reaches the port.) Where no CA is known only callers on this machine are let in.
 */
export class Callers {
    readonly #authorities: Authorities;
    readonly #tokens: TokenCheck;
    readonly #clock: Clock;

    constructor(authorities: Authorities, cluster: KubeClient, clock: Clock) {
        this.#authorities = authorities;
        this.#tokens = new TokenCheck(cluster, clock);
        this.#clock = clock;
    }

    /** Undefined when this caller may do everything; else who it is, for the error. */
    objectionTo(request: IncomingMessage): string | undefined {
        const socket = request.socket as TLSSocket;
        const from = socket.remoteAddress ?? "unknown";
        const { client } = this.#authorities;
        if (client.length === 0) return LOOPBACK.test(from) ? undefined : from;
        const certificate = socket.getPeerX509Certificate();
        if (certificate === undefined) return `${from} (no certificate)`;
        const { commonName, organizations } = readCertificate(certificate.raw);
        const isApiServer =
            commonName === API_SERVER_NAME || organizations.some((group) => API_SERVER_GROUPS.has(group));
        const isTrusted = isApiServer && isIssued(certificate, client, this.#clock.nowMs());
        return isTrusted ? undefined : `${commonName} at ${from}`;
    }

    /**
     * What is wrong with the bearer token of somebody who wants to read usage of a node; undefined when it is good, by the
     * rules that a kubelet goes by.
     * @param subresource "metrics" or "stats", the first part of the path
     * @throws REDGE_KUBE_* when the cluster cannot be asked
     */
    async objectionToToken(request: IncomingMessage, node: string, subresource: string): Promise<string | undefined> {
        const wanted = { verb: "get", group: "", resource: "nodes", subresource, name: node };
        const verdict = await this.#tokens.check(request.headers.authorization, wanted);
        if (verdict === "allowed") return undefined;
        return verdict === "forbidden" ? `its token may not get nodes/${subresource}` : "no valid token";
    }
}
