// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../../../core/clock.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { keyPem, newKey } from "../../../link/identity/key-pair.ts";
import { createCertificate, type ExtendedKeyUsage, type Name, toPem } from "../../../link/identity/x509.ts";
import { readIfThere, writeWhole } from "../../../store/files.ts";

const DAY_MS = 86_400_000;
const CA_LIFETIME_MS = 3650 * DAY_MS;
const LEAF_LIFETIME_MS = 365 * DAY_MS;
/** A leaf that ends sooner than this is made anew at the start. */
const RENEW_BEFORE_MS = 90 * DAY_MS;
const BACKDATE_MS = 3_600_000;

/** A certificate with its key, as PEM text. */
export interface PemPair {
    readonly certPem: string;
    readonly keyPem: string;
}

/** Everything the API server proves itself and its administrators with. */
export interface Pki {
    readonly caPem: string;
    readonly server: PemPair;
    /** Of the administrator: group system:masters. */
    readonly admin: PemPair;
    /** What kubelet endpoints are called with. */
    readonly kubeletClient: PemPair;
    /** Signs service account tokens (ES256). */
    readonly tokenKey: KeyObject;
}

interface Authority extends PemPair {
    readonly certificate: X509Certificate;
    readonly key: KeyObject;
}

/**
 * Reads the certificates and keys below `folder`, making those that are missing, end soon or no longer fit the hosts.
 * The CA is never replaced.
 * @throws REDGE_KUBE_PKI when a file cannot be read
 */
export async function loadPki(folder: string, hosts: readonly string[], clock: Clock): Promise<Pki> {
    const nowMs = clock.nowMs();
    const ca = await authority(folder, nowMs);
    const leaf = (
        file: string,
        subject: Name,
        usage: ExtendedKeyUsage,
        names: readonly string[] = [],
    ): Promise<PemPair> => loadLeaf({ folder, file, subject, usage, hosts: names }, ca, nowMs);
    return {
        caPem: ca.certPem,
        server: await leaf("apiserver", [["CN", "kube-apiserver"]], "serverAuth", hosts),
        admin: await leaf(
            "admin",
            [
                ["O", "system:masters"],
                ["CN", "kubernetes-admin"],
            ],
            "clientAuth",
        ),
        kubeletClient: await leaf("apiserver-kubelet-client", [["CN", "kube-apiserver-kubelet-client"]], "clientAuth"),
        tokenKey: await tokenKey(folder),
    };
}

async function authority(folder: string, nowMs: number): Promise<Authority> {
    const kept = await readPair(folder, "ca");
    if (kept !== undefined)
        return { ...kept, certificate: new X509Certificate(kept.certPem), key: createPrivateKey(kept.keyPem) };
    const { key, spkiDer } = newKey();
    const der = createCertificate({
        subject: [["CN", "kubernetes"]],
        spkiDer,
        notBeforeMs: nowMs - BACKDATE_MS,
        notAfterMs: nowMs + CA_LIFETIME_MS,
        extendedKeyUsages: ["serverAuth", "clientAuth"],
        signingKey: key,
        ca: true,
    });
    const made = { certPem: toPem("CERTIFICATE", der), keyPem: keyPem(key) };
    await writePair(folder, "ca", made);
    return { ...made, certificate: new X509Certificate(der), key };
}

interface LeafPlan {
    readonly folder: string;
    readonly file: string;
    readonly subject: Name;
    readonly usage: ExtendedKeyUsage;
    readonly hosts: readonly string[];
}

async function loadLeaf(plan: LeafPlan, ca: Authority, nowMs: number): Promise<PemPair> {
    const kept = await readPair(plan.folder, plan.file);
    if (kept !== undefined && fits(new X509Certificate(kept.certPem), plan, ca, nowMs)) return kept;
    const { key, spkiDer } = newKey();
    const der = createCertificate({
        subject: plan.subject,
        spkiDer,
        notBeforeMs: nowMs - BACKDATE_MS,
        notAfterMs: Math.min(nowMs + LEAF_LIFETIME_MS, Date.parse(ca.certificate.validTo)),
        extendedKeyUsages: [plan.usage],
        issuerDer: ca.certificate.raw,
        signingKey: ca.key,
        ...(plan.hosts.length === 0 ? {} : { hosts: plan.hosts }),
    });
    const made = { certPem: toPem("CERTIFICATE", der), keyPem: keyPem(key) };
    await writePair(plan.folder, plan.file, made);
    return made;
}

function fits(certificate: X509Certificate, { hosts }: LeafPlan, ca: Authority, nowMs: number): boolean {
    const names = certificate.subjectAltName ?? "";
    return (
        certificate.verify(ca.certificate.publicKey) &&
        Date.parse(certificate.validTo) - nowMs > RENEW_BEFORE_MS &&
        hosts.every((host) => names.split(", ").some((name) => name === `DNS:${host}` || name === `IP Address:${host}`))
    );
}

async function tokenKey(folder: string): Promise<KeyObject> {
    const path = join(folder, "sa.key");
    const kept = await readIfThere(path);
    if (kept !== undefined) return createPrivateKey(kept);
    const { key } = newKey();
    await writeWhole(path, keyPem(key), 0o600);
    return key;
}

async function readPair(folder: string, file: string): Promise<PemPair | undefined> {
    const [certificate, key] = await Promise.all([
        readIfThere(join(folder, `${file}.crt`)),
        readIfThere(join(folder, `${file}.key`)),
    ]);
    if (certificate === undefined || key === undefined) return undefined;
    const pair = { certPem: certificate.toString(), keyPem: key.toString() };
    try {
        if (new X509Certificate(pair.certPem).checkPrivateKey(createPrivateKey(pair.keyPem))) return pair;
    } catch (error) {
        throw new RedgeError("REDGE_KUBE_PKI", { folder, file, reason: errorText(error) }, error);
    }
    // The two were written one after the other and the process ended between them: the pair is made again.
    if (file !== "ca") return undefined;
    throw new RedgeError("REDGE_KUBE_PKI", { folder, file, reason: "the key is not the certificate's" });
}

async function writePair(folder: string, file: string, pair: PemPair): Promise<void> {
    await writeWhole(join(folder, `${file}.key`), pair.keyPem, 0o600);
    await writeWhole(join(folder, `${file}.crt`), pair.certPem, 0o644);
}
