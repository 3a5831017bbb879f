// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { AuthorityStorage } from "./authority-storage.ts";
import { type KeyPair, keyDer, newKey, readPair } from "./key-pair.ts";
import { createCertificate, type ExtendedKeyUsage, type Name } from "./x509.ts";

const DAY_MS = 86_400_000;
/** As KubeEdge's own CA. */
const CA_DAYS = 364 * 100;
/** Certificates begin a little in the past, so that a gateway whose clock is behind takes them. */
const MAX_BACKDATE_MS = DAY_MS;

export interface IssueInit {
    readonly subject: Name;
    readonly spkiDer: Buffer;
    readonly lifetimeMs: number;
    readonly usages: readonly ExtendedKeyUsage[];
    readonly hosts?: readonly string[];
}

/** The CA of a cloud: made on first use, or brought by the user into the storage. */
export class CertificateAuthority {
    readonly certificate: X509Certificate;
    readonly #pair: KeyPair;
    readonly #clock: Clock;
    /** Key of join tokens: the CA key in the form it is stored (wire protocol, section 4.1). */
    readonly tokenKey: Buffer;

    private constructor(pair: KeyPair, clock: Clock) {
        this.#pair = pair;
        this.#clock = clock;
        this.certificate = pair.certificate;
        this.tokenKey = keyDer(pair.key);
    }

    /** @throws REDGE_IDENTITY_MATERIAL, REDGE_IDENTITY_STORAGE */
    static async load(storage: AuthorityStorage, clock: Clock): Promise<CertificateAuthority> {
        for (;;) {
            const stored = await storage.read("ca");
            const { certificate, key } = stored?.fields ?? {};
            if (certificate !== undefined) {
                if (key === undefined) throw unusable(storage.where, "its key is missing");
                const pair = readPair(certificate, key, "CA", storage.where);
                if (!pair.certificate.ca) throw unusable(storage.where, "it is not a CA certificate");
                return new CertificateAuthority(pair, clock);
            }
            const made = makeCa(clock.nowMs());
            // Replicas that start together may all come here: one of them writes, the others read what it wrote.
            await storage.write("ca", { certificate: made.certificate, key: made.key }, stored?.version);
        }
    }

    get der(): Buffer {
        return this.certificate.raw;
    }

    /** Signs. The certificate does not outlive the CA. */
    issue(init: IssueInit): Buffer {
        const nowMs = this.#clock.nowMs();
        return createCertificate({
            subject: init.subject,
            spkiDer: init.spkiDer,
            notBeforeMs: nowMs - Math.min(MAX_BACKDATE_MS, init.lifetimeMs / 10),
            notAfterMs: Math.min(nowMs + init.lifetimeMs, Date.parse(this.certificate.validTo)),
            extendedKeyUsages: init.usages,
            issuerDer: this.der,
            signingKey: this.#pair.key,
            ...(init.hosts === undefined ? {} : { hosts: init.hosts }),
        });
    }

    /** Signed by this CA and valid now. Undefined when all is well, else what is not. */
    objectionTo(certificate: X509Certificate): string | undefined {
        const nowMs = this.#clock.nowMs();
        if (!certificate.checkIssued(this.certificate) || !certificate.verify(this.certificate.publicKey))
            return "it was issued by another CA";
        if (nowMs > Date.parse(certificate.validTo)) return `it expired at ${certificate.validTo}`;
        if (nowMs < Date.parse(certificate.validFrom)) return `it is valid from ${certificate.validFrom} on only`;
        return undefined;
    }
}

function makeCa(nowMs: number): { readonly certificate: Buffer; readonly key: Buffer } {
    const { key, spkiDer } = newKey();
    const certificate = createCertificate({
        subject: [["CN", "KubeEdge"]],
        spkiDer,
        notBeforeMs: nowMs - MAX_BACKDATE_MS,
        notAfterMs: nowMs + CA_DAYS * DAY_MS,
        extendedKeyUsages: ["serverAuth", "clientAuth"],
        signingKey: key,
        ca: true,
        serial: 1024,
    });
    return { certificate, key: keyDer(key) };
}

function unusable(where: string, reason: string): RedgeError {
    return new RedgeError("REDGE_IDENTITY_MATERIAL", { what: "CA", where, reason });
}
