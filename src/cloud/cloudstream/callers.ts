// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";
import { readCertificate } from "../../link/identity/x509.ts";

/** Where an API server publishes the CA of its own clients' certificates, for servers behind it. */
const CLIENT_CA = { type: Kinds.configMap, namespace: "kube-system", name: "extension-apiserver-authentication" };
/** Who may do what a kubelet lets an API server do. */
const API_SERVER_NAME = "kube-apiserver-kubelet-client";
const API_SERVER_GROUPS = new Set(["system:masters", "kubeadm:cluster-admins"]);
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/**
 * Who may reach pods through CloudStream: the API server, by its kubelet client certificate. (Stock CloudStream lets
 * everybody who reaches the port.) Where no CA is known only callers on this machine are let in.
 */
export class Callers {
    readonly #cluster: KubeClient;
    readonly #ports: Pick<Ports, "clock" | "log">;
    #authorities: readonly X509Certificate[] = [];

    constructor(cluster: KubeClient, ports: Pick<Ports, "clock" | "log">) {
        this.#cluster = cluster;
        this.#ports = ports;
    }

    /** Reads the CA anew: it may rotate. Keeps what is known when the cluster does not answer. */
    async refresh(clientCaPem: string | undefined): Promise<void> {
        try {
            const pem = clientCaPem ?? (await this.#askCluster());
            const blocks = pem?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
            // Once known it stays known: a ConfigMap that is gone must not open the door.
            if (blocks.length > 0) this.#authorities = blocks.map((block) => new X509Certificate(block));
        } catch (error) {
            this.#ports.log.debug("the CA of the API server is not known yet", { reason: errorText(error) });
        }
    }

    /** Undefined when this caller may; else who it is, for the error. */
    objectionTo(request: IncomingMessage): string | undefined {
        const socket = request.socket as TLSSocket;
        const from = socket.remoteAddress ?? "unknown";
        if (this.#authorities.length === 0) return LOOPBACK.test(from) ? undefined : from;
        const certificate = socket.getPeerX509Certificate();
        if (certificate === undefined) return `${from} (no certificate)`;
        const { commonName, organizations } = readCertificate(certificate.raw);
        const isApiServer =
            commonName === API_SERVER_NAME || organizations.some((group) => API_SERVER_GROUPS.has(group));
        return isApiServer && this.#isTrusted(certificate) ? undefined : `${commonName} at ${from}`;
    }

    #isTrusted(certificate: X509Certificate): boolean {
        const now = this.#ports.clock.nowMs();
        const isValid = Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
        const isSigned = this.#authorities.some(
            (ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
        );
        return isValid && isSigned;
    }

    async #askCluster(): Promise<string | undefined> {
        const { data } = await this.#cluster.get(CLIENT_CA);
        const pem = (data as Record<string, unknown> | undefined)?.["client-ca-file"];
        return typeof pem === "string" ? pem : undefined;
    }
}
