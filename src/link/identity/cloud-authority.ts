// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Timer } from "../../core/clock.ts";
import type { Component, Ports } from "../../core/component.ts";
import type { ConfigSchema } from "../../core/config.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { type AuthorityStorage, folderStorage, secretStorage } from "./authority-storage.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { KUBEEDGE_NAMESPACE, makeToken, readToken } from "./join-token.ts";
import { type KeyPair, keyDer, keyPem, newKey, readPair } from "./key-pair.ts";
import type { CertificateRequest, CloudIdentity, JoinTokenRequest, TlsMaterial } from "./ports.ts";
import { TokenRecords } from "./token-records.ts";
import { type ParsedCsr, parseCsr, readCertificate, toPem } from "./x509.ts";

export interface CloudAuthorityConfig {
    /** Names and addresses that edges dial: they go into the server certificate. */
    readonly hosts: readonly string[];
    /** Where CA, server certificate and token records are kept. */
    readonly storage: "secret" | "folder";
    readonly folder?: string;
    readonly namespace: string;
    readonly nodeCertificateDays: number;
    readonly serverCertificateDays: number;
    /** Also renews for certificates of KubeEdge before v1.16 (O=KubeEdge, CN=kubeedge.io), which name no node. */
    readonly legacyCertificates: boolean;
}

export const cloudAuthorityConfig = {
    type: "object",
    properties: {
        hosts: { type: "array", items: { type: "string", minLength: 1 }, default: ["127.0.0.1", "localhost"] },
        storage: { type: "string", enum: ["secret", "folder"], default: "secret" },
        folder: { type: "string", minLength: 1 },
        namespace: { type: "string", minLength: 1, default: KUBEEDGE_NAMESPACE },
        nodeCertificateDays: { type: "number", exclusiveMinimum: 0, default: 365 },
        serverCertificateDays: { type: "number", exclusiveMinimum: 0, default: 365 },
        legacyCertificates: { type: "boolean", default: false },
    },
    required: ["hosts", "storage", "namespace", "nodeCertificateDays", "serverCertificateDays", "legacyCertificates"],
} as const satisfies ConfigSchema;

const DAY_MS = 86_400_000;
/** The server certificate is replaced when this part of its life is over. */
const RENEW_AT = 0.8;
/** How often the storage is looked at: another replica may have renewed. Timers cannot wait for months anyway. */
const CHECK_EVERY_MS = 3_600_000;
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** The cloud's certificate authority (wire protocol, section 4). Several replicas may share one storage. */
export class CloudAuthority extends Emitter<{ renewed: [] }> implements CloudIdentity, Component {
    readonly #config: CloudAuthorityConfig;
    readonly #ports: Ports;
    readonly #storage: AuthorityStorage;
    readonly #tokens: TokenRecords;
    #authority: CertificateAuthority | undefined;
    #server: KeyPair | undefined;
    #checking: Promise<void> | undefined;
    #timer: Timer | undefined;
    #stopped = false;

    /** @param ports `cluster` is needed for storage "secret" */
    constructor(config: CloudAuthorityConfig, ports: Ports & { readonly cluster?: KubeClient | undefined }) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#storage = storageOf(config, ports.cluster);
        this.#tokens = new TokenRecords(this.#storage, () => ports.clock.nowMs());
    }

    /** @throws REDGE_CONFIG_INVALID, REDGE_IDENTITY_STORAGE, REDGE_IDENTITY_MATERIAL */
    async start(): Promise<void> {
        this.#config.hosts.forEach(canonicalHost);
        this.#authority = await CertificateAuthority.load(this.#storage, this.#ports.clock);
        await this.#check();
        this.#watch();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        this.clear();
    }

    get caDer(): Buffer {
        return this.#loaded().der;
    }

    get caPem(): string {
        return toPem("CERTIFICATE", this.caDer);
    }

    async serverTls(): Promise<TlsMaterial> {
        if (this.#server === undefined || this.#isDue(this.#server.certificate)) await this.#check();
        const { certificate, key } = this.#server ?? this.#notStarted();
        return { certPem: toPem("CERTIFICATE", certificate.raw), keyPem: keyPem(key), caPem: this.caPem };
    }

    async createToken(request: JoinTokenRequest): Promise<string> {
        return makeToken(this.#loaded(), request, this.#ports.clock.nowMs());
    }

    async revokeToken(token: string): Promise<void> {
        try {
            await this.#tokens.revoke(readToken(token, this.#loaded().tokenKey, this.#ports.clock.nowMs()));
        } catch (error) {
            if (!isRedgeError(error, "REDGE_IDENTITY_TOKEN_EXPIRED")) throw error; // Expired is as good as revoked.
        }
    }

    async issue(request: CertificateRequest): Promise<Buffer> {
        const { nodeName, proof } = request;
        const authority = this.#loaded();
        if ("token" in proof) {
            const claims = readToken(proof.token, authority.tokenKey, this.#ports.clock.nowMs());
            if (claims.node !== undefined && claims.node !== nodeName)
                throw new RedgeError("REDGE_IDENTITY_TOKEN_NODE", { node: nodeName });
            const csr = readNodeCsr(request);
            await this.#tokens.use(claims, createHash("sha256").update(csr.spkiDer).digest("base64url"));
            return this.#sign(nodeName, csr, "token");
        }
        this.#checkCertificate(nodeName, proof.clientCertificateDer);
        return this.#sign(nodeName, readNodeCsr(request), "certificate");
    }

    onRenewed(listener: () => void): () => void {
        return this.on("renewed", listener);
    }

    #sign(nodeName: string, csr: ParsedCsr, proof: string): Buffer {
        const issued = this.#loaded().issue({
            subject: [
                ["O", "system:nodes"],
                ["CN", `system:node:${nodeName}`],
            ],
            spkiDer: csr.spkiDer,
            lifetimeMs: this.#config.nodeCertificateDays * DAY_MS,
            usages: ["clientAuth"],
        });
        const { serialNumber, validTo } = new X509Certificate(issued);
        this.#ports.log.info("certificate issued", { node: nodeName, proof, serialNumber, validTo });
        return issued;
    }

    #checkCertificate(node: string, certificateDer: Buffer): void {
        const refuse = (reason: string): RedgeError => new RedgeError("REDGE_IDENTITY_CERTIFICATE", { node, reason });
        let certificate: X509Certificate;
        try {
            certificate = new X509Certificate(certificateDer);
        } catch {
            throw refuse("it is not a certificate");
        }
        const objection = this.#loaded().objectionTo(certificate);
        if (objection !== undefined) throw refuse(objection);
        if (!certificate.keyUsage?.includes(CLIENT_AUTH)) throw refuse("it is not a client certificate");
        const { commonName, organizations } = readCertificate(certificate.raw);
        const isLegacy = organizations[0] === "KubeEdge" && commonName === "kubeedge.io";
        if (isLegacy && this.#config.legacyCertificates) return;
        if (organizations[0] !== "system:nodes" || commonName !== `system:node:${node}`)
            throw refuse("it belongs to another name");
    }

    /** One look at a time; renews the server certificate when it is due, or takes over what another replica made. */
    #check(): Promise<void> {
        this.#checking ??= this.#refreshServer().finally(() => {
            this.#checking = undefined;
        });
        return this.#checking;
    }

    async #refreshServer(): Promise<void> {
        for (;;) {
            const stored = await this.#storage.read("server");
            const kept = this.#readServer(stored?.fields["certificate"], stored?.fields["key"]);
            if (kept !== undefined && !this.#isDue(kept.certificate)) {
                this.#adopt(kept);
                return;
            }
            const { key, spkiDer } = newKey();
            const certificate = this.#loaded().issue({
                subject: [
                    ["O", "KubeEdge"],
                    ["CN", "KubeEdge"],
                ],
                spkiDer,
                lifetimeMs: this.#config.serverCertificateDays * DAY_MS,
                usages: ["serverAuth"],
                hosts: [...new Set([...this.#config.hosts, ...hostsOf(kept?.certificate)])],
            });
            if (await this.#storage.write("server", { certificate, key: keyDer(key) }, stored?.version)) {
                this.#adopt({ certificate: new X509Certificate(certificate), key });
                return;
            }
        }
    }

    #readServer(certificate: Buffer | undefined, key: Buffer | undefined): KeyPair | undefined {
        if (certificate === undefined || key === undefined) return undefined;
        try {
            const pair = readPair(certificate, key, "server certificate", this.#storage.where);
            return pair.certificate.checkIssued(this.#loaded().certificate) ? pair : undefined;
        } catch (error) {
            // Unlike the CA it can be made again at any time, nobody has to be told of the new one.
            this.#ports.log.warn("the server certificate is made anew", { reason: errorText(error) });
            return undefined;
        }
    }

    #adopt(pair: KeyPair): void {
        const before = this.#server?.certificate.fingerprint256;
        this.#server = pair;
        if (before !== undefined && before !== pair.certificate.fingerprint256) this.emit("renewed");
    }

    #isDue(certificate: X509Certificate): boolean {
        const fromMs = Date.parse(certificate.validFrom);
        const toMs = Date.parse(certificate.validTo);
        const known = new Set(hostsOf(certificate));
        const isShort = this.#config.hosts.some((host) => !known.has(canonicalHost(host)));
        return isShort || this.#ports.clock.nowMs() >= fromMs + (toMs - fromMs) * RENEW_AT;
    }

    #watch(): void {
        const lifetimeMs = this.#config.serverCertificateDays * DAY_MS;
        const everyMs = Math.min(CHECK_EVERY_MS, lifetimeMs * (1 - RENEW_AT) * 0.5);
        this.#timer = this.#ports.clock.after(everyMs, () => {
            this.#check()
                .catch((error: unknown) =>
                    this.#ports.log.warn("the server certificate could not be checked", { reason: errorText(error) }),
                )
                .finally(() => {
                    if (!this.#stopped) this.#watch();
                });
        });
    }

    #loaded(): CertificateAuthority {
        return this.#authority ?? this.#notStarted();
    }

    #notStarted(): never {
        throw new RedgeError("REDGE_IDENTITY_STORAGE", { where: this.#storage.where, reason: "not started yet" });
    }
}

function storageOf(config: CloudAuthorityConfig, cluster: KubeClient | undefined): AuthorityStorage {
    if (config.storage === "secret") {
        if (cluster !== undefined) return secretStorage(cluster, config.namespace);
        throw new RedgeError("REDGE_CONFIG_INVALID", { field: "cluster", reason: "is needed to keep Secrets" });
    }
    if (config.folder !== undefined) return folderStorage(config.folder);
    throw new RedgeError("REDGE_CONFIG_INVALID", { field: "folder", reason: "is missing" });
}

/** @throws REDGE_IDENTITY_CSR unless the request asks for exactly the node's own name */
function readNodeCsr({ nodeName, csrDer }: CertificateRequest): ParsedCsr {
    const refuse = (reason: string): RedgeError => new RedgeError("REDGE_IDENTITY_CSR", { node: nodeName, reason });
    if (nodeName.length > 253 || !NODE_NAME.test(nodeName)) throw refuse("the node name is not a DNS subdomain");
    let csr: ParsedCsr;
    try {
        csr = parseCsr(csrDer);
    } catch (error) {
        throw refuse(errorText(error));
    }
    if (csr.commonName !== `system:node:${nodeName}`) throw refuse("its common name is not the node's");
    if (csr.organizations.length !== 1 || csr.organizations[0] !== "system:nodes")
        throw refuse("its organization is not system:nodes");
    return csr;
}

/** Names and addresses a certificate is valid for, in canonical spelling. */
function hostsOf(certificate: X509Certificate | undefined): string[] {
    const names = certificate?.subjectAltName?.split(", ") ?? [];
    return names.map((name) => canonicalHost(name.slice(name.indexOf(":") + 1)));
}

function canonicalHost(host: string): string {
    if (isIP(host) === 6) return new URL(`http://[${host}]`).hostname.slice(1, -1);
    if (isIP(host) === 4 || /^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(host)) return host.toLowerCase();
    throw new RedgeError("REDGE_CONFIG_INVALID", {
        field: "hosts",
        reason: `names "${host}", no host name or address`,
    });
}
