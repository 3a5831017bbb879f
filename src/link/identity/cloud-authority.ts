// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from "node:crypto";
import type { Component, Ports } from "../../core/component.ts";
import type { ConfigSchema } from "../../core/config.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { type AuthorityStorage, folderStorage, secretStorage } from "./authority-storage.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { KUBEEDGE_NAMESPACE, makeToken, readToken } from "./join-token.ts";
import { keyPem } from "./key-pair.ts";
import type { CertificateRequest, CloudIdentity, JoinTokenRequest, TlsMaterial } from "./ports.ts";
import { ServerCertificate } from "./server-certificate.ts";
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
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** The cloud's certificate authority (wire protocol, section 4). Several replicas may share one storage. */
export class CloudAuthority implements CloudIdentity, Component {
    readonly #config: CloudAuthorityConfig;
    readonly #ports: Ports;
    readonly #storage: AuthorityStorage;
    readonly #tokens: TokenRecords;
    #authority: CertificateAuthority | undefined;
    #server: ServerCertificate | undefined;
    readonly #renewals = new Emitter<{ renewed: [] }>();

    /** @param ports `cluster` is needed for storage "secret" */
    constructor(config: CloudAuthorityConfig, ports: Ports & { readonly cluster?: KubeClient | undefined }) {
        this.#config = config;
        this.#ports = ports;
        this.#storage = storageOf(config, ports.cluster);
        this.#tokens = new TokenRecords(this.#storage, () => ports.clock.nowMs());
    }

    /** @throws REDGE_CONFIG_INVALID, REDGE_IDENTITY_STORAGE, REDGE_IDENTITY_MATERIAL */
    async start(): Promise<void> {
        const authority = await CertificateAuthority.load(this.#storage, this.#ports.clock);
        const { hosts, serverCertificateDays } = this.#config;
        const init = { authority, storage: this.#storage, hosts, lifetimeMs: serverCertificateDays * DAY_MS };
        const server = new ServerCertificate(init, this.#ports);
        server.on("renewed", () => this.#renewals.emit("renewed"));
        await server.start();
        this.#authority = authority;
        this.#server = server;
    }

    async stop(): Promise<void> {
        this.#server?.stop();
        this.#renewals.clear();
    }

    get caDer(): Buffer {
        return this.#loaded().der;
    }

    get caPem(): string {
        return toPem("CERTIFICATE", this.caDer);
    }

    async serverTls(): Promise<TlsMaterial> {
        const { certificate, key } = await (this.#server ?? this.#notStarted()).current();
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
        return this.#renewals.on("renewed", listener);
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
