// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { asRecord, asText } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";

/** Where an API server publishes whom servers behind it may trust. */
const PUBLISHED = { type: Kinds.configMap, namespace: "kube-system", name: "extension-apiserver-authentication" };

/** How the API server's aggregation layer shows itself, and how it says on whose behalf it asks. */
export interface FrontProxy {
    readonly authorities: readonly X509Certificate[];
    /** Common names its certificate may have; empty: any. */
    readonly allowedNames: readonly string[];
    /** Header names, lower case; the first that is there counts. */
    readonly userHeaders: readonly string[];
    readonly groupHeaders: readonly string[];
}

/** The CAs by which CloudStream knows the API server: as its kubelet, and as an API server behind it. */
export class Authorities {
    readonly #cluster: KubeClient;
    readonly #ports: Pick<Ports, "log">;
    readonly #clientCaPem: string | undefined;
    #client: readonly X509Certificate[] = [];
    #frontProxy: FrontProxy | undefined;

    /** @param clientCaPem in place of the published CA of clients */
    constructor(cluster: KubeClient, ports: Pick<Ports, "log">, clientCaPem?: string) {
        this.#cluster = cluster;
        this.#ports = ports;
        this.#clientCaPem = clientCaPem;
    }

    /** Of the API server's kubelet client certificate; empty as long as none is known. */
    get client(): readonly X509Certificate[] {
        return this.#client;
    }

    /** Undefined where the API server has no aggregation layer, or it is not known yet. */
    get frontProxy(): FrontProxy | undefined {
        return this.#frontProxy;
    }

    /** Reads them anew: they may rotate. Once known they stay known: a ConfigMap that is gone must not open a door. */
    async refresh(): Promise<void> {
        try {
            this.#trust(this.#clientCaPem);
            const data = asRecord((await this.#cluster.get(PUBLISHED))["data"]);
            if (this.#clientCaPem === undefined) this.#trust(asText(data["client-ca-file"]));
            const authorities = certificatesOf(asText(data["requestheader-client-ca-file"]));
            if (authorities.length === 0) return;
            this.#frontProxy = {
                authorities,
                allowedNames: words(data["requestheader-allowed-names"]),
                userHeaders: words(data["requestheader-username-headers"]).map(lowerCase),
                groupHeaders: words(data["requestheader-group-headers"]).map(lowerCase),
            };
        } catch (error) {
            this.#ports.log.debug("the CA of the API server is not known yet", { reason: errorText(error) });
        }
    }

    #trust(pem: string | undefined): void {
        const client = certificatesOf(pem);
        if (client.length > 0) this.#client = client;
    }
}

/** Whether one of the CAs issued it and it is within its time. */
export function isIssued(
    certificate: X509Certificate,
    authorities: readonly X509Certificate[],
    nowMs: number,
): boolean {
    if (nowMs < Date.parse(certificate.validFrom) || nowMs > Date.parse(certificate.validTo)) return false;
    return authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
}

function certificatesOf(pem: string | undefined): X509Certificate[] {
    const blocks = pem?.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block));
}

/** The ConfigMap holds lists as JSON text. */
function words(text: unknown): string[] {
    const parsed: unknown = JSON.parse(asText(text) ?? "[]");
    return Array.isArray(parsed) ? parsed.filter((word): word is string => typeof word === "string") : [];
}

function lowerCase(text: string): string {
    return text.toLowerCase();
}
