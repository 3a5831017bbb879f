// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import type { Timer } from "../../core/clock.ts";
import type { Component, Ports } from "../../core/component.ts";
import type { ConfigSchema } from "../../core/config.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import { type CloudAddress, fetchCa, orderCertificate } from "./bootstrap-client.ts";
import { EdgeFiles, type NodeMaterial } from "./edge-files.ts";
import { splitToken } from "./join-token.ts";
import { keyPem } from "./key-pair.ts";
import type { EdgeIdentity, TlsMaterial } from "./ports.ts";
import { createCsr, type Name, readCertificate, toPem } from "./x509.ts";

export interface EdgeCredentialsConfig {
    readonly nodeName: string;
    /** Where certificates are issued, e.g. "https://cloud.example.com:10002". */
    readonly cloudUrl: string;
    /** Needed to join, and to come back after the certificate expired; not in between. */
    readonly token?: string;
    readonly folder: string;
    /** Forward proxy, `http://[user:password@]host:port`; absent: none. */
    readonly proxy?: string;
}

export const edgeCredentialsConfig = {
    type: "object",
    properties: {
        nodeName: {
            type: "string",
            maxLength: 253,
            pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        },
        cloudUrl: { type: "string", pattern: "^https://" },
        token: { type: "string" },
        folder: { type: "string", minLength: 1 },
        proxy: { type: "string", pattern: "^http://" },
    },
    required: ["nodeName", "cloudUrl", "folder"],
} as const satisfies ConfigSchema;

/** KubeEdge renews at a random point of this part of a certificate's life, so that a fleet does not come at once. */
const RENEW_FROM = 0.7;
const RENEW_TO = 0.9;
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 32_000;
/** Longer than this a timer is not trusted with (and Node.js cannot: 2^31 ms). */
const MAX_WAIT_MS = 12 * 3_600_000;

/** A node's own certificate: got by join token, kept on disk, renewed with itself (wire protocol, sections 4.3 to 4.6). */
export class EdgeCredentials extends Emitter<{ renewed: [] }> implements EdgeIdentity, Component {
    readonly nodeName: string;
    readonly #config: EdgeCredentialsConfig;
    readonly #ports: Ports;
    readonly #files: EdgeFiles;
    readonly #stop = new AbortController();
    #material: NodeMaterial | undefined;
    #joining: Promise<NodeMaterial> | undefined;
    #timer: Timer | undefined;

    constructor(config: EdgeCredentialsConfig, ports: Ports) {
        super();
        this.nodeName = config.nodeName;
        this.#config = config;
        this.#ports = ports;
        this.#files = new EdgeFiles(config.folder);
    }

    /** Loads what is on disk; joining waits until `tls` is asked for. @throws REDGE_IDENTITY_STORAGE */
    async start(): Promise<void> {
        try {
            const material = await this.#files.load();
            // A certificate for another name is of no use: the node was renamed and joins anew.
            if (material !== undefined && this.#isMine(material.certificate)) this.#adopt(material);
        } catch (error) {
            if (!isRedgeError(error, "REDGE_IDENTITY_MATERIAL") || this.#config.token === undefined) throw error;
            this.#ports.log.warn("the node certificate cannot be used; joining anew", { reason: errorText(error) });
        }
    }

    async stop(): Promise<void> {
        this.#stop.abort();
        this.#timer?.cancel();
        this.clear();
    }

    /**
     * @throws REDGE_IDENTITY_NO_TOKEN, REDGE_IDENTITY_EXPIRED, REDGE_IDENTITY_TOKEN_FORMAT: somebody has to act;
     * REDGE_IDENTITY_UNREACHABLE: try again; REDGE_IDENTITY_REFUSED, REDGE_IDENTITY_CA_MISMATCH, REDGE_IDENTITY_STORAGE
     */
    async tls(): Promise<TlsMaterial> {
        const { certificate, key, ca } = this.#valid() ?? (await this.#join());
        return {
            certPem: toPem("CERTIFICATE", certificate.raw),
            keyPem: keyPem(key),
            caPem: toPem("CERTIFICATE", ca.raw),
        };
    }

    onRenewed(listener: () => void): () => void {
        return this.on("renewed", listener);
    }

    get #cloud(): CloudAddress {
        return { url: this.#config.cloudUrl, proxy: this.#config.proxy };
    }

    #valid(): NodeMaterial | undefined {
        if (this.#material === undefined) return undefined;
        return this.#ports.clock.nowMs() < expiryOf(this.#material) ? this.#material : undefined;
    }

    #join(): Promise<NodeMaterial> {
        this.#joining ??= this.#joinOnce().finally(() => {
            this.#joining = undefined;
        });
        return this.#joining;
    }

    async #joinOnce(): Promise<NodeMaterial> {
        const { token, cloudUrl } = this.#config;
        if (token === undefined) {
            if (this.#material === undefined) throw new RedgeError("REDGE_IDENTITY_NO_TOKEN", { node: this.nodeName });
            const at = this.#material.certificate.validTo;
            throw new RedgeError("REDGE_IDENTITY_EXPIRED", { node: this.nodeName, at });
        }
        const { caHash, jwt } = splitToken(token);
        const ca = new X509Certificate(await fetchCa(this.#cloud, caHash, this.#stop.signal));
        const material = await this.#obtain(ca, { jwt });
        this.#ports.log.info("joined", { node: this.nodeName, cloud: cloudUrl, until: material.certificate.validTo });
        return material;
    }

    async #obtain(
        ca: X509Certificate,
        proof: { readonly jwt: string } | { readonly certPem: string; readonly keyPem: string },
    ): Promise<NodeMaterial> {
        const { cloudUrl } = this.#config;
        const key = await this.#files.nextKey();
        const csrDer = createCsr(subjectOf(this.nodeName), key);
        const order = { nodeName: this.nodeName, csrDer, caPem: toPem("CERTIFICATE", ca.raw), proof };
        const answer = await orderCertificate(this.#cloud, order, this.#stop.signal);
        const certificate = readIssued(answer, cloudUrl);
        if (!certificate.checkPrivateKey(key) || !certificate.verify(ca.publicKey) || !this.#isMine(certificate)) {
            const reason = "it issued a certificate that is not the one asked for";
            throw new RedgeError("REDGE_IDENTITY_REFUSED", { cloud: cloudUrl, status: 200, reason });
        }
        await this.#files.save(ca, certificate);
        const material = { ca, key, certificate };
        this.#adopt(material);
        return material;
    }

    #isMine(certificate: X509Certificate): boolean {
        return readCertificate(certificate.raw).commonName === `system:node:${this.nodeName}`;
    }

    #adopt(material: NodeMaterial): void {
        this.#material = material;
        const fromMs = Date.parse(material.certificate.validFrom);
        const part = RENEW_FROM + (RENEW_TO - RENEW_FROM) * this.#ports.random();
        this.#wait(fromMs + (expiryOf(material) - fromMs) * part, FIRST_RETRY_MS);
    }

    /** Looks at the wall clock again and again: it may jump, and the machine may sleep. */
    #wait(atMs: number, retryMs: number): void {
        if (this.#stop.signal.aborted) return;
        this.#timer?.cancel();
        const leftMs = atMs - this.#ports.clock.nowMs();
        this.#timer = this.#ports.clock.after(Math.min(Math.max(0, leftMs), MAX_WAIT_MS), () => {
            if (this.#ports.clock.nowMs() < atMs) this.#wait(atMs, retryMs);
            else void this.#renew(retryMs);
        });
    }

    async #renew(retryMs: number): Promise<void> {
        const current = this.#valid();
        if (current === undefined) return; // Expired: `tls` says so and joins again when there is a token.
        try {
            const certPem = toPem("CERTIFICATE", current.certificate.raw);
            const { certificate } = await this.#obtain(current.ca, { certPem, keyPem: keyPem(current.key) });
            this.#ports.log.info("certificate renewed", { node: this.nodeName, until: certificate.validTo });
            this.emit("renewed");
        } catch (error) {
            if (this.#stop.signal.aborted) return;
            this.#ports.log.warn("the certificate could not be renewed yet", { reason: errorText(error) });
            const jitteredMs = retryMs * (0.75 + 0.5 * this.#ports.random());
            this.#wait(this.#ports.clock.nowMs() + jitteredMs, Math.min(retryMs * 2, MAX_RETRY_MS));
        }
    }
}

function expiryOf(material: NodeMaterial): number {
    return Date.parse(material.certificate.validTo);
}

/** The subject that EdgeCore asks for (wire protocol, section 4.4). */
function subjectOf(nodeName: string): Name {
    return [
        ["C", "CN"],
        ["ST", "Zhejiang"],
        ["L", "Hangzhou"],
        ["O", "system:nodes"],
        ["CN", `system:node:${nodeName}`],
    ];
}

function readIssued(answer: Buffer, cloud: string): X509Certificate {
    try {
        return new X509Certificate(answer);
    } catch (error) {
        const reason = "its answer is not a certificate";
        throw new RedgeError("REDGE_IDENTITY_REFUSED", { cloud, status: 200, reason }, error);
    }
}
