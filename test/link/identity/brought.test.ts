// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { createLogger } from "../../../src/core/log.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { CloudAuthority, type CloudAuthorityConfig, cloudAuthorityConfig } from "../../../src/link/identity/index.ts";
import { keyPem, newKey } from "../../../src/link/identity/key-pair.ts";
import { createCertificate, createCsr, toPem } from "../../../src/link/identity/x509.ts";
import { testPorts } from "../../support/link/ends.ts";
import { MemoryCluster } from "../../support/link/memory-cluster.ts";

const DAY = 86_400_000;
const NAMESPACE = "kubeedge";

interface Pair {
    readonly der: Buffer;
    readonly key: ReturnType<typeof newKey>;
}

function certificate(commonName: string, issuer?: Pair): Pair {
    const key = newKey();
    const isCa = issuer === undefined;
    const der = createCertificate({
        subject: [["CN", commonName]],
        spkiDer: key.spkiDer,
        notBeforeMs: Date.now() - DAY,
        notAfterMs: Date.now() + 100 * DAY,
        extendedKeyUsages: isCa ? ["serverAuth", "clientAuth"] : ["serverAuth"],
        signingKey: (issuer?.key ?? key).key,
        ...(isCa ? { ca: true } : { issuerDer: issuer.der, hosts: ["cloud.example", "192.0.2.1"] }),
    });
    return { der, key };
}

/** What an operator puts into the cluster before the first start, as files in PEM. */
describe("a CA and a server certificate brought in Secrets", () => {
    let cluster: MemoryCluster;
    let said: string[];
    beforeEach(() => {
        cluster = new MemoryCluster();
        said = [];
    });

    async function bring(name: string, prefix: string, { der, key }: Pair): Promise<void> {
        const base64 = (pem: string): string => Buffer.from(pem).toString("base64");
        await cluster.create(Kinds.secret, {
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name, namespace: NAMESPACE },
            data: {
                [`${prefix}data`]: base64(toPem("CERTIFICATE", der)),
                [`${prefix}keydata`]: base64(keyPem(key.key)),
            },
        });
    }

    async function start(): Promise<CloudAuthority> {
        const config = { storage: "secret", hosts: ["cloud.example"] };
        const log = createLogger((level, text, fields) => said.push(`${level} ${text} ${JSON.stringify(fields)}`));
        const ports = { ...testPorts, log, cluster };
        const cloud = new CloudAuthority(parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, config), ports);
        await cloud.start();
        return cloud;
    }

    test("are used as they are, and sign what gateways get", async () => {
        const ca = certificate("our own CA");
        const server = certificate("our own cloud", ca);
        await bring("casecret", "ca", ca);
        await bring("cloudcoresecret", "cloudcore", server);
        const before = cluster.writes;
        const cloud = await start();
        expect(cloud.caDer).toEqual(ca.der);
        const { certPem, keyPem: serverKey } = await cloud.serverTls();
        expect(new X509Certificate(certPem).raw).toEqual(server.der);
        expect(serverKey).toBe(keyPem(server.key.key));
        expect(cluster.writes).toBe(before);

        const key = newKey();
        const subject = [
            ["O", "system:nodes"],
            ["CN", "system:node:edge-1"],
        ] as const;
        const proof = { token: await cloud.createToken({ ttlMs: DAY }) };
        const issued = await cloud.issue({ nodeName: "edge-1", csrDer: createCsr(subject, key.key), proof });
        expect(new X509Certificate(issued).verify(new X509Certificate(ca.der).publicKey)).toBe(true);
        await cloud.stop();
    });

    test("a server certificate of another CA is replaced, and the log says why without the key", async () => {
        const ca = certificate("our own CA");
        const stranger = certificate("our own cloud", certificate("another CA"));
        await bring("casecret", "ca", ca);
        await bring("cloudcoresecret", "cloudcore", stranger);
        const cloud = await start();
        const { certPem } = await cloud.serverTls();
        expect(new X509Certificate(certPem).checkIssued(new X509Certificate(ca.der))).toBe(true);
        const told = said.filter((line) => line.startsWith("warn the server certificate is made anew"));
        expect(told).toEqual([expect.stringContaining("the CA kept there did not issue it")]);
        expect(said.join()).not.toContain("PRIVATE KEY");
        await cloud.stop();
    });
});
