// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { keyPem, newKey } from "../../link/identity/key-pair.ts";
import { createCertificate, toPem } from "../../link/identity/x509.ts";
import { readIfThere, writeWhole } from "../../store/files.ts";

const DAY_MS = 86_400_000;
const LIFETIME_MS = 3650 * DAY_MS;
const RENEW_BEFORE_MS = 365 * DAY_MS;
const HOSTS = ["127.0.0.1", "::1", "localhost"];
const TOKEN_BYTES = 32;

export interface ServerCredentials {
    readonly certPem: string;
    readonly keyPem: string;
    readonly operatorToken: string;
}

/** The gateway's own certificate (self-signed, loopback names) and the operator's token, made on first use. */
export async function loadCredentials(folder: string, clock: Clock): Promise<ServerCredentials> {
    return { ...(await loadPair(folder, clock.nowMs())), operatorToken: await loadToken(folder) };
}

async function loadPair(folder: string, nowMs: number): Promise<{ certPem: string; keyPem: string }> {
    const [certFile, keyFile] = [join(folder, "server.crt"), join(folder, "server.key")];
    const [kept, keptKey] = [await readIfThere(certFile), await readIfThere(keyFile)];
    if (kept !== undefined && keptKey !== undefined) {
        const certificate = new X509Certificate(kept);
        const lasting = Date.parse(certificate.validTo) - nowMs > RENEW_BEFORE_MS;
        if (lasting && certificate.checkPrivateKey(createPrivateKey(keptKey))) {
            return { certPem: kept.toString(), keyPem: keptKey.toString() };
        }
    }
    const { key, spkiDer } = newKey();
    const der = createCertificate({
        subject: [["CN", "redge-metaserver"]],
        spkiDer,
        notBeforeMs: nowMs - DAY_MS,
        notAfterMs: nowMs + LIFETIME_MS,
        extendedKeyUsages: ["serverAuth"],
        signingKey: key,
        hosts: HOSTS,
    });
    const made = { certPem: toPem("CERTIFICATE", der), keyPem: keyPem(key) };
    await writeWhole(keyFile, made.keyPem, 0o600);
    await writeWhole(certFile, made.certPem, 0o644);
    return made;
}

async function loadToken(folder: string): Promise<string> {
    const path = join(folder, "operator-token");
    const kept = (await readIfThere(path))?.toString().trim();
    if (kept !== undefined && kept !== "") return kept;
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    await writeWhole(path, token, 0o600);
    return token;
}

/** Writes what `kubectl --kubeconfig` needs to be the operator here (mode 0600). */
export async function writeOperatorKubeconfig(
    path: string,
    server: string,
    { certPem, operatorToken }: ServerCredentials,
): Promise<void> {
    const name = "gateway";
    const { stringify } = await import("yaml");
    const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [
            { name, cluster: { server, "certificate-authority-data": Buffer.from(certPem).toString("base64") } },
        ],
        users: [{ name: "operator", user: { token: operatorToken } }],
        contexts: [{ name, context: { cluster: name, user: "operator" } }],
        "current-context": name,
    };
    await writeWhole(path, stringify(config, { lineWidth: 0 }), 0o600);
}
