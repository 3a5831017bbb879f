// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { keyPem, newKey } from "../../../src/link/identity/key-pair.ts";
import type { CloudIdentity, EdgeIdentity, TlsMaterial } from "../../../src/link/identity/ports.ts";
import { createCertificate, parseCsr, toPem } from "../../../src/link/identity/x509.ts";

const DAY_MS = 86_400_000;

export interface Validity {
    readonly notBeforeMs?: number;
    readonly notAfterMs?: number;
}

/** A throw-away certificate authority, for tests of the link that are not tests of the identity. */
export class TestPki {
    readonly caDer: Buffer;
    readonly #key: KeyObject;

    constructor() {
        const { key, spkiDer } = newKey();
        this.#key = key;
        this.caDer = createCertificate({
            subject: [["CN", "KubeEdge"]],
            spkiDer,
            notBeforeMs: Date.now() - DAY_MS,
            notAfterMs: Date.now() + 3650 * DAY_MS,
            extendedKeyUsages: ["serverAuth", "clientAuth"],
            signingKey: key,
            ca: true,
        });
    }

    get caPem(): string {
        return toPem("CERTIFICATE", this.caDer);
    }

    server(hosts: readonly string[] = ["127.0.0.1", "localhost"]): TlsMaterial {
        return this.#pair("KubeEdge", "serverAuth", {}, hosts);
    }

    node(nodeName: string, validity: Validity = {}): TlsMaterial {
        return this.#pair(`system:node:${nodeName}`, "clientAuth", validity);
    }

    /** Any client's, by its common name. */
    client(commonName: string): TlsMaterial {
        return this.#pair(commonName, "clientAuth", {});
    }

    edgeIdentity(nodeName: string, material: TlsMaterial = this.node(nodeName)): EdgeIdentity {
        return { nodeName, tls: async () => material, onRenewed: () => () => {} };
    }

    /** Issues to any proof: who may have a certificate is not its subject. */
    cloudIdentity(hosts?: readonly string[]): CloudIdentity {
        const server = this.server(hosts);
        return {
            caDer: this.caDer,
            caPem: this.caPem,
            serverTls: async () => server,
            createToken: async () => "token",
            revokeToken: async () => {},
            issue: async ({ nodeName, csrDer }) => {
                const { spkiDer } = parseCsr(csrDer);
                return this.#sign(`system:node:${nodeName}`, "clientAuth", spkiDer, {});
            },
            onRenewed: () => () => {},
        };
    }

    #pair(
        commonName: string,
        usage: "serverAuth" | "clientAuth",
        validity: Validity,
        hosts: readonly string[] = [],
    ): TlsMaterial {
        const { key, spkiDer } = newKey();
        const certPem = toPem("CERTIFICATE", this.#sign(commonName, usage, spkiDer, validity, hosts));
        return { certPem, keyPem: keyPem(key), caPem: this.caPem };
    }

    #sign(
        commonName: string,
        usage: "serverAuth" | "clientAuth",
        spkiDer: Buffer,
        validity: Validity,
        hosts: readonly string[] = [],
    ): Buffer {
        return createCertificate({
            subject: [
                ["O", "system:nodes"],
                ["CN", commonName],
            ],
            spkiDer,
            notBeforeMs: validity.notBeforeMs ?? Date.now() - DAY_MS,
            notAfterMs: validity.notAfterMs ?? Date.now() + 365 * DAY_MS,
            extendedKeyUsages: [usage],
            issuerDer: this.caDer,
            signingKey: this.#key,
            hosts,
        });
    }
}
