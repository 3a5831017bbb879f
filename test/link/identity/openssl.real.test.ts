// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { folderStorage } from "../../../src/link/identity/authority-storage.ts";
import { CertificateAuthority } from "../../../src/link/identity/certificate-authority.ts";
import { keyDer, keyPem, newKey, readKey } from "../../../src/link/identity/key-pair.ts";
import { createCsr, parseCsr, toPem } from "../../../src/link/identity/x509.ts";
import { describeWith, program } from "../../support/requires.ts";

/** The same bytes seen by another implementation. */
describeWith([program("openssl")], "certificates as openssl sees them", () => {
    let folder: string;
    let authority: CertificateAuthority;
    const file = (name: string): string => join(folder, name);
    const openssl = (...args: string[]): string => execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });

    beforeAll(async () => {
        folder = mkdtempSync(join(tmpdir(), "redge-openssl-"));
        authority = await CertificateAuthority.load(folderStorage(folder), systemClock);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    function issue(name: string, usage: "clientAuth" | "serverAuth", hosts: string[] = []): void {
        const key = newKey();
        const subject = [
            ["O", "system:nodes"],
            ["CN", `system:node:${name}`],
        ] as const;
        const lifetimeMs = 86_400_000;
        const issued = authority.issue({ subject, spkiDer: key.spkiDer, lifetimeMs, usages: [usage], hosts });
        writeFileSync(file(`${name}.crt`), toPem("CERTIFICATE", issued));
        writeFileSync(file(`${name}.key`), keyPem(key.key));
    }

    test("a node's certificate is good for a client, not for a server, and the other way round", () => {
        issue("edge-1", "clientAuth");
        issue("hub", "serverAuth", ["127.0.0.1", "cloud.example"]);
        const verify = (purpose: string, name: string, ...more: string[]) =>
            openssl(
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                ...more,
                "-CAfile",
                file("ca/rootCA.crt"),
                file(`${name}.crt`),
            );
        expect(verify("sslclient", "edge-1")).toContain("OK");
        expect(() => verify("sslserver", "edge-1")).toThrow();
        expect(verify("sslserver", "hub", "-verify_hostname", "cloud.example")).toContain("OK");
        expect(verify("sslserver", "hub", "-verify_ip", "127.0.0.1")).toContain("OK");
        expect(() => verify("sslserver", "hub", "-verify_hostname", "other.example")).toThrow();
        expect(() => verify("sslclient", "hub")).toThrow();
    });

    test("the text of a certificate is what KubeEdge's says", () => {
        issue("edge-2", "clientAuth");
        const text = openssl("x509", "-in", file("edge-2.crt"), "-noout", "-text");
        for (const part of [
            "Version: 3",
            "Issuer: CN = KubeEdge",
            "Subject: O = system:nodes, CN = system:node:edge-2",
            "ecdsa-with-SHA256",
            "Digital Signature, Key Encipherment",
            "TLS Web Client Authentication",
        ])
            expect(text).toContain(part);
        expect(openssl("x509", "-in", file("ca/rootCA.crt"), "-noout", "-text")).toContain("CA:TRUE");
    });

    test("our requests are good, and openssl's are read", () => {
        const key = newKey();
        const subject = [
            ["O", "system:nodes"],
            ["CN", "system:node:edge-3"],
        ] as const;
        writeFileSync(file("ours.csr"), createCsr(subject, key.key));
        const said = execFileSync("sh", [
            "-c",
            `openssl req -inform DER -in ${file("ours.csr")} -verify -noout -subject 2>&1`,
        ]);
        expect(said.toString()).toMatch(/verify OK[\s\S]*CN = system:node:edge-3/);

        for (const kind of [
            ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            ["rsa"],
        ]) {
            openssl(
                "req",
                "-new",
                "-newkey",
                ...kind,
                "-nodes",
                "-subj",
                "/O=system:nodes/CN=system:node:edge-4",
                "-outform",
                "DER",
                "-keyout",
                file("their.key"),
                "-out",
                file("their.csr"),
            );
            const csr = execFileSync("cat", [file("their.csr")]);
            expect(parseCsr(csr)).toMatchObject({ commonName: "system:node:edge-4", organizations: ["system:nodes"] });
        }
    });

    test("keys: SEC 1 as Go writes it, and every form openssl writes is read", () => {
        const { key } = newKey();
        writeFileSync(file("k.der"), keyDer(key));
        expect(keyDer(key)).toHaveLength(121);
        expect(openssl("ec", "-inform", "DER", "-in", file("k.der"), "-noout", "-text")).toContain("prime256v1");
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("sec1.pem"));
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", file("sec1.pem"), "-outform", "DER", "-out", file("pkcs8.der"));
        const read = (name: string) => readKey(execFileSync("cat", [file(name)]));
        expect(read("sec1.pem").equals(read("pkcs8.der"))).toBe(true);
    });

    test("a CA brought by the user, RSA or EC, is taken as it is", async () => {
        for (const [name, ...kind] of [
            ["rsa", "rsa:2048"],
            ["ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ]) {
            const own = file(`own-${name}`);
            execFileSync("mkdir", ["-p", join(own, "ca")]);
            openssl(
                "req",
                "-x509",
                "-newkey",
                ...kind,
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=Our own CA",
                "-addext",
                "keyUsage=critical,keyCertSign",
                "-keyout",
                join(own, "ca/rootCA.key"),
                "-out",
                join(own, "ca/rootCA.crt"),
            );
            const brought = await CertificateAuthority.load(folderStorage(own), systemClock);
            const key = newKey();
            const subject = [["CN", "x"]] as const;
            const issued = brought.issue({ subject, spkiDer: key.spkiDer, lifetimeMs: 1e9, usages: ["clientAuth"] });
            writeFileSync(join(own, "x.crt"), toPem("CERTIFICATE", issued));
            expect(
                openssl("verify", "-purpose", "sslclient", "-CAfile", join(own, "ca/rootCA.crt"), join(own, "x.crt")),
            ).toContain("OK");
        }
    });
});
