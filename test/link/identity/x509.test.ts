// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCertificate, createCsr, parseCsr, readCertificate, toPem } from "../../../src/link/identity/x509.ts";

const START = Date.UTC(2026, 10, 22, 12);
const DAY = 86_400_000;

function newKey(): { readonly privateKey: KeyObject; readonly spkiDer: Buffer } {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return { privateKey, spkiDer: publicKey.export({ type: "spki", format: "der" }) };
}

function newCa(key = newKey()): Buffer {
    return createCertificate({
        subject: [["CN", "KubeEdge"]],
        spkiDer: key.spkiDer,
        notBeforeMs: START,
        notAfterMs: START + 36_400 * DAY,
        extendedKeyUsages: ["serverAuth", "clientAuth"],
        signingKey: key.privateKey,
        ca: true,
        serial: 1024,
    });
}

/** Recorded from KubeEdge v1.23.1: the CSR of node edge-1 and the CA. */
const RECORDED_CSR =
    "MIIBIzCByQIBADBnMQswCQYDVQQGEwJDTjERMA8GA1UECBMIWmhlamlhbmcxETAPBgNVBAcTCEhhbmd6aG91MRUwEwYDVQQKEwxzeXN0ZW06bm9kZXMxGzAZBgNVBAMTEnN5c3RlbTpub2RlOmVkZ2UtMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMd4fM1L1DkscMG8h+FDpLnor3WhaTNprTfCy5zpd8q3lLVT5FhHAwtulOubxtdlFrI4vp/WWwn1DLFToNyCJVqgADAKBggqhkjOPQQDAgNJADBGAiEAjdsr87m1hizaYlRQioojMbGBalMq+q8byzom1tfltvMCIQDN7C7DSYEtv+qLpEJ/c4DYdxNSQkyIfe5ZFRHJnlbqDA==";
const RECORDED_CA =
    "MIIBejCCAR+gAwIBAgICBAAwCgYIKoZIzj0EAwIwEzERMA8GA1UEAxMIS3ViZUVkZ2UwIBcNMjYxMTIyMTQyMDIzWhgPMjEyNjA3MjExNDIwMjNaMBMxETAPBgNVBAMTCEt1YmVFZGdlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgm/aQYYSUmO3fHYvdXPLf4P/PpCFZQUKOh9K9JiBK79VWQ70b8V6/jP7zGiuc2X0X3Is5Pv3oHxmBx9Y7urNmqNhMF8wDgYDVR0PAQH/BAQDAgKkMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBRWgn/rtc9RNcS7vRLnNgv/erLZVzAKBggqhkjOPQQDAgNJADBGAiEAxZZiFSvtVIGW9nHlLXr9GBRLLEAAXO5zzBtJk7bfu18CIQDnU1xG28jwsmRWN4x07/batErEr1pG6p2S3LWDK8ZxGQ==";

describe("certificates", () => {
    test("a CA is built as KubeEdge builds it, byte for byte but for key and signature", () => {
        const recorded = Buffer.from(RECORDED_CA, "base64");
        const published = new X509Certificate(recorded);
        const key = newKey();
        const ours = createCertificate({
            subject: [["CN", "KubeEdge"]],
            spkiDer: published.publicKey.export({ type: "spki", format: "der" }),
            notBeforeMs: published.validFromDate.getTime(),
            notAfterMs: published.validToDate.getTime(),
            extendedKeyUsages: ["serverAuth", "clientAuth"],
            signingKey: key.privateKey,
            ca: true,
            serial: 1024,
        });
        const signed = 4 + 4 + 0x11f;
        expect(ours.subarray(4, signed)).toEqual(recorded.subarray(4, signed));
        expect(readCertificate(ours).subject).toEqual(readCertificate(recorded).subject);
    });

    test("an issued certificate is signed by the CA and says what was asked", () => {
        const caKey = newKey();
        const caDer = newCa(caKey);
        const leaf = newKey();
        const certificate = new X509Certificate(
            createCertificate({
                subject: [
                    ["O", "system:nodes"],
                    ["CN", "system:node:edge-1"],
                ],
                spkiDer: leaf.spkiDer,
                notBeforeMs: START,
                notAfterMs: Date.UTC(2050, 0, 1),
                extendedKeyUsages: ["clientAuth"],
                issuerDer: caDer,
                signingKey: caKey.privateKey,
                hosts: ["localhost", "127.0.0.1", "::1", "fe80::1:2.3.4.5"],
            }),
        );
        const authority = new X509Certificate(caDer);
        expect(certificate.verify(authority.publicKey)).toBe(true);
        expect(certificate.checkIssued(authority)).toBe(true);
        expect(certificate.checkPrivateKey(leaf.privateKey)).toBe(true);
        expect(certificate.subject).toBe("O=system:nodes\nCN=system:node:edge-1");
        expect(certificate.validTo).toBe("Jan  1 00:00:00 2050 GMT");
        expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
        expect(certificate.subjectAltName).toBe(
            "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FE80:0:0:0:0:1:203:405",
        );
        expect(authority.ca).toBe(true);
    });

    test("PEM goes back to the same bytes", () => {
        const { privateKey } = newKey();
        const sec1 = privateKey.export({ type: "sec1", format: "der" });
        expect(createPrivateKey(toPem("EC PRIVATE KEY", sec1)).equals(privateKey)).toBe(true);
        expect(new X509Certificate(toPem("CERTIFICATE", newCa())).subject).toBe("CN=KubeEdge");
    });
});

describe("certificate requests", () => {
    test("reads the recorded one", () => {
        const { commonName, organizations } = parseCsr(Buffer.from(RECORDED_CSR, "base64"));
        expect({ commonName, organizations }).toEqual({
            commonName: "system:node:edge-1",
            organizations: ["system:nodes"],
        });
    });

    test("reads its own, in any script", () => {
        const key = newKey();
        const parsed = parseCsr(
            createCsr(
                [
                    ["O", "a"],
                    ["O", "b"],
                    ["CN", "Gerät 7"],
                ],
                key.privateKey,
            ),
        );
        expect(parsed).toEqual({ commonName: "Gerät 7", organizations: ["a", "b"], spkiDer: key.spkiDer });
    });

    test("a flipped bit in what is signed is refused", () => {
        const csr = createCsr(
            [
                ["O", "system:nodes"],
                ["CN", "system:node:edge-1"],
            ],
            newKey().privateKey,
        );
        const signed = csr.indexOf(Buffer.from("300a06082a8648ce3d040302", "hex"));
        for (let at = 0; at < signed; at += 1) {
            const damaged = Buffer.from(csr);
            damaged[at] = (damaged[at] ?? 0) ^ 0x04;
            expect(() => parseCsr(damaged), `byte ${at}`).toThrow();
        }
    });

    test("any bytes are refused, not crashed on", () => {
        fc.assert(
            fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
                expect(() => parseCsr(Buffer.from(bytes))).toThrow(Error);
            }),
            { numRuns: 2_000 },
        );
    });
});
