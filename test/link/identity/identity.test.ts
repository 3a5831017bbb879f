// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { errorText, isRedgeError } from "../../../src/core/errors/redge-error.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import {
    CloudAuthority,
    type CloudAuthorityConfig,
    cloudAuthorityConfig,
    EdgeCredentials,
    type TlsMaterial,
} from "../../../src/link/identity/index.ts";
import { newKey } from "../../../src/link/identity/key-pair.ts";
import { createCsr } from "../../../src/link/identity/x509.ts";
import { ForwardProxy } from "../../support/link/forward-proxy.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

const csrOf = (nodeName: string, key = newKey(), organization = "system:nodes"): Buffer =>
    createCsr(
        [
            ["O", organization],
            ["CN", `system:node:${nodeName}`],
        ],
        key.key,
    );
const code =
    (...codes: Parameters<typeof isRedgeError>[1][]) =>
    (error: unknown) =>
        isRedgeError(error, ...codes);

let folder: string;
let clock: ManualClock;
const ports = () => ({ clock, log: silentLogger, metrics: noMetrics, random: () => 0.5 });

beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "redge-identity-"));
    clock = new ManualClock(Date.now());
});
afterEach(() => rm(folder, { recursive: true }));

function authority(raw: Partial<CloudAuthorityConfig> = {}): CloudAuthority {
    const given = { storage: "folder", folder: join(folder, "cloud"), hosts: ["127.0.0.1", "localhost"], ...raw };
    return new CloudAuthority(parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, given), ports());
}

describe("CloudAuthority", () => {
    let cloud: CloudAuthority;
    beforeEach(async () => {
        cloud = authority();
        await cloud.start();
    });
    afterEach(() => cloud.stop());

    const issue = (nodeName: string, token: string, csrDer = csrOf(nodeName)): Promise<Buffer> =>
        cloud.issue({ nodeName, csrDer, proof: { token } });
    const renew = (nodeName: string, clientCertificateDer: Buffer): Promise<Buffer> =>
        cloud.issue({ nodeName, csrDer: csrOf(nodeName), proof: { clientCertificateDer } });

    test("keeps its CA and server certificate over restarts, keys readable for the owner alone", async () => {
        const { certPem } = await cloud.serverTls();
        const again = authority();
        await again.start();
        expect(again.caPem).toBe(cloud.caPem);
        expect((await again.serverTls()).certPem).toBe(certPem);
        for (const file of ["ca/rootCA.key", "certs/server.key"])
            expect((await stat(join(folder, "cloud", file))).mode & 0o777).toBe(0o600);
        expect(await readFile(join(folder, "cloud/ca/rootCA.key"), "utf8")).toMatch(/^-----BEGIN EC PRIVATE KEY-----/);
        await again.stop();
    });

    test("a CA whose key is another's is refused with a remedy, not replaced", async () => {
        const other = authority({ folder: join(folder, "other") });
        await other.start();
        await writeFile(join(folder, "cloud/ca/rootCA.key"), await readFile(join(folder, "other/ca/rootCA.key")));
        await expect(authority().start()).rejects.toSatisfy(code("REDGE_IDENTITY_MATERIAL"));
    });

    test("a token issues a certificate for the node's own name", async () => {
        const certificate = new X509Certificate(await issue("edge-1", await cloud.createToken({ ttlMs: HOUR })));
        expect(certificate.subject).toBe("O=system:nodes\nCN=system:node:edge-1");
        expect(certificate.checkIssued(new X509Certificate(cloud.caDer))).toBe(true);
        expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    });

    test("another name in the request is refused", async () => {
        const token = await cloud.createToken({ ttlMs: HOUR });
        for (const csr of [csrOf("edge-2"), csrOf("edge-1", newKey(), "system:masters"), Buffer.from("no")])
            await expect(issue("edge-1", token, csr)).rejects.toSatisfy(code("REDGE_IDENTITY_CSR"));
        for (const name of ["Edge", "a/b", "", "-a", "x".repeat(254)])
            await expect(issue(name, token)).rejects.toSatisfy(code("REDGE_IDENTITY_CSR"));
    });

    test("expired, revoked, foreign, damaged and someone else's tokens are refused, each by its own code", async () => {
        const short = await cloud.createToken({ ttlMs: 1_000 });
        await clock.advance(2_000);
        await expect(issue("edge-1", short)).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_EXPIRED"));

        const revoked = await cloud.createToken({ ttlMs: HOUR });
        await issue("edge-1", revoked);
        await cloud.revokeToken(revoked);
        await expect(issue("edge-1", revoked)).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_REVOKED"));

        const other = authority({ folder: join(folder, "other") });
        await other.start();
        const foreign = await other.createToken({ ttlMs: HOUR });
        await expect(issue("edge-1", foreign)).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_INVALID"));

        const bound = await cloud.createToken({ ttlMs: HOUR, nodeName: "edge-1" });
        await expect(issue("edge-2", bound)).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_NODE"));
        await issue("edge-1", bound);

        const [hash, header, , signature] = bound.split(".");
        const payload = Buffer.from(JSON.stringify({ exp: 9e9 })).toString("base64url");
        await expect(issue("edge-2", [hash, header, payload, signature].join("."))).rejects.toSatisfy(
            code("REDGE_IDENTITY_TOKEN_INVALID"),
        );
        const none = Buffer.from(JSON.stringify({ alg: "none", typ: "JWT" })).toString("base64url");
        await expect(issue("edge-2", [hash, none, payload, ""].join("."))).rejects.toSatisfy(
            code("REDGE_IDENTITY_TOKEN_INVALID"),
        );
        await expect(issue("edge-2", "abc")).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_FORMAT"));
    });

    test("a token for one use is used up by one key, over restarts, however many ask at once", async () => {
        const token = await cloud.createToken({ ttlMs: HOUR, uses: 1 });
        const key = newKey();
        const asked = [csrOf("edge-1", key), csrOf("edge-1"), csrOf("edge-2"), csrOf("edge-3")];
        const names = ["edge-1", "edge-1", "edge-2", "edge-3"];
        const outcomes = await Promise.allSettled(asked.map((csr, at) => issue(names[at] ?? "", token, csr)));
        expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
        await cloud.stop();
        cloud = authority();
        await cloud.start();
        await expect(issue("edge-4", token)).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_USED"));
        await issue("edge-1", token, csrOf("edge-1", key)); // The same request again: its answer was lost.
    });

    test("a certificate renews itself and nothing else", async () => {
        const token = await cloud.createToken({ ttlMs: HOUR });
        const mine = await issue("edge-1", token);
        expect(new X509Certificate(await renew("edge-1", mine)).subject).toContain("system:node:edge-1");
        await expect(renew("edge-2", mine)).rejects.toSatisfy(code("REDGE_IDENTITY_CERTIFICATE"));

        const other = authority({ folder: join(folder, "other") });
        await other.start();
        const proof = { token: await other.createToken({ ttlMs: HOUR }) };
        const foreign = await other.issue({ nodeName: "edge-1", csrDer: csrOf("edge-1"), proof });
        await expect(renew("edge-1", foreign)).rejects.toSatisfy(code("REDGE_IDENTITY_CERTIFICATE"));

        const server = new X509Certificate((await cloud.serverTls()).certPem).raw;
        await expect(renew("edge-1", server)).rejects.toSatisfy(code("REDGE_IDENTITY_CERTIFICATE"));
        await expect(renew("edge-1", Buffer.from("x"))).rejects.toSatisfy(code("REDGE_IDENTITY_CERTIFICATE"));
        clock.jumpTo(clock.nowMs() + 366 * DAY);
        await expect(renew("edge-1", mine)).rejects.toSatisfy(code("REDGE_IDENTITY_CERTIFICATE"));
    });

    test("the server certificate is renewed before it expires and when a host is added, and listeners hear of it", async () => {
        let renewed = 0;
        cloud.onRenewed(() => {
            renewed += 1;
        });
        const first = (await cloud.serverTls()).certPem;
        clock.jumpTo(clock.nowMs() + 300 * DAY);
        await clock.advance(2 * HOUR);
        await expect.poll(() => renewed).toBe(1);
        const second = (await cloud.serverTls()).certPem;
        expect(second).not.toBe(first);
        await cloud.stop();
        cloud = authority({ hosts: ["cloud.example", "::1"] });
        await cloud.start();
        const names = new X509Certificate((await cloud.serverTls()).certPem).subjectAltName ?? "";
        for (const name of ["DNS:cloud.example", "DNS:localhost", "0:0:0:0:0:0:0:1"]) expect(names).toContain(name);
        await expect(authority({ hosts: ["https://x:1"] }).start()).rejects.toSatisfy(code("REDGE_CONFIG_INVALID"));
    });
});

describe("EdgeCredentials against a CloudAuthority over HTTPS", () => {
    let cloud: CloudAuthority;
    let server: Server;
    let tls: TlsMaterial;
    let url: string;
    const edges: EdgeCredentials[] = [];

    beforeEach(async () => {
        cloud = authority();
        await cloud.start();
        // TLS judges by the real time, so the certificate of the beginning serves throughout.
        tls = await cloud.serverTls();
        server = await serve(cloud, tls, 0);
        url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(async () => {
        await Promise.all(edges.splice(0).map((edge) => edge.stop()));
        await cloud.stop();
        await new Promise((resolve) => server.close(resolve));
    });

    async function edge(token?: string, nodeName = "edge-1"): Promise<EdgeCredentials> {
        const config = { nodeName, cloudUrl: url, folder: join(folder, "edge") };
        const created = new EdgeCredentials(token === undefined ? config : { ...config, token }, ports());
        edges.push(created);
        await created.start();
        return created;
    }

    test("joins with a token once, then needs none", async () => {
        const first = await (await edge(await cloud.createToken({ ttlMs: HOUR, uses: 1 }))).tls();
        expect(first.caPem).toBe(cloud.caPem);
        expect(new X509Certificate(first.certPem).subject).toContain("CN=system:node:edge-1");
        expect(await (await edge()).tls()).toEqual(first);
        expect((await stat(join(folder, "edge/certs/server.key"))).mode & 0o777).toBe(0o600);
    });

    test("tells what is wrong", async () => {
        await expect((await edge()).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_NO_TOKEN"));
        await expect((await edge("abc")).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_TOKEN_FORMAT"));
        const other = authority({ folder: join(folder, "other") });
        await other.start();
        const foreign = await other.createToken({ ttlMs: HOUR });
        await expect((await edge(foreign)).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_CA_MISMATCH"));
        const bound = await cloud.createToken({ ttlMs: HOUR, nodeName: "other" });
        await expect((await edge(bound)).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_REFUSED"));
        url = "https://127.0.0.1:9";
        await expect((await edge(bound)).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_UNREACHABLE"));
    });

    test("a joining that was cut short is repeated with the same key, so a one-use token suffices", async () => {
        const token = await cloud.createToken({ ttlMs: HOUR, uses: 1 });
        const { port } = server.address() as AddressInfo;
        await new Promise((resolve) => server.close(resolve));
        server = await serve(cloud, tls, port, { loseCertificates: true });
        await expect((await edge(token)).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_UNREACHABLE"));
        await new Promise((resolve) => server.close(resolve));
        server = await serve(cloud, tls, port);
        await (await edge(token)).tls();
    });

    test("renews at 80 % of its life with its own certificate, however long the cloud is away", async () => {
        const node = await edge(await cloud.createToken({ ttlMs: HOUR }));
        const before = await node.tls();
        const { port } = server.address() as AddressInfo;
        await new Promise((resolve) => server.close(resolve));
        let renewed = 0;
        node.onRenewed(() => {
            renewed += 1;
        });
        clock.jumpTo(clock.nowMs() + 295 * DAY);
        await clock.advance(13 * HOUR);
        expect(renewed).toBe(0);
        server = await serve(cloud, tls, port);
        await expect
            .poll(async () => {
                await clock.advance(40_000);
                return renewed;
            })
            .toBe(1);
        const after = await node.tls();
        expect(after.certPem).not.toBe(before.certPem);
        expect(await (await edge()).tls()).toEqual(after);
    });

    test("after expiry it says so, and a new token is the way back", async () => {
        await (await edge(await cloud.createToken({ ttlMs: HOUR }))).tls();
        clock.jumpTo(clock.nowMs() + 366 * DAY);
        await expect((await edge()).tls()).rejects.toSatisfy(code("REDGE_IDENTITY_EXPIRED"));
        const back = await (await edge(await cloud.createToken({ ttlMs: HOUR }))).tls();
        expect(Date.parse(new X509Certificate(back.certPem).validTo)).toBeGreaterThan(clock.nowMs());
    });

    test("joins through a forward proxy, and says when that does not let it", async () => {
        const proxy = new ForwardProxy();
        await proxy.start();
        const token = await cloud.createToken({ ttlMs: HOUR });
        const config = { nodeName: "edge-1", cloudUrl: url, folder: join(folder, "edge"), token };
        const refused = new EdgeCredentials({ ...config, proxy: proxy.url("") }, ports());
        edges.push(refused);
        await refused.start();
        await expect(refused.tls()).rejects.toSatisfy(
            (error) => isRedgeError(error, "REDGE_IDENTITY_UNREACHABLE") && error.message.includes("407"),
        );
        const joining = new EdgeCredentials({ ...config, proxy: proxy.url() }, ports());
        edges.push(joining);
        await joining.start();
        expect((await joining.tls()).caPem).toBe(cloud.caPem);
        expect(proxy.asked).toEqual([url.slice("https://".length), url.slice("https://".length)]);
        await proxy.stop();
    });

    test("a node that was renamed joins anew", async () => {
        await (await edge(await cloud.createToken({ ttlMs: HOUR }))).tls();
        const { certPem } = await (await edge(await cloud.createToken({ ttlMs: HOUR }), "edge-2")).tls();
        expect(new X509Certificate(certPem).subject).toContain("CN=system:node:edge-2");
    });

    test("a power cut between writing certificate and key loses neither", async () => {
        await (await edge(await cloud.createToken({ ttlMs: HOUR }))).tls();
        const file = (name: string) => join(folder, "edge/certs", name);
        const old = { crt: await readFile(file("server.crt")), key: await readFile(file("server.key")) };
        await rm(join(folder, "edge/certs"), { recursive: true });
        const fresh = await (await edge(await cloud.createToken({ ttlMs: HOUR }))).tls();
        const now = { crt: await readFile(file("server.crt")), key: await readFile(file("server.key")) };

        await writeFile(file("server.crt"), old.crt); // The key was renamed, the certificate not yet.
        await writeFile(file("server.crt.next"), now.crt);
        expect(await (await edge()).tls()).toEqual(fresh);

        await writeFile(file("server.crt"), old.crt); // Neither was renamed.
        await writeFile(file("server.key"), old.key);
        await writeFile(file("server.crt.next"), now.crt);
        await writeFile(file("server.key.next"), now.key);
        expect(await (await edge()).tls()).toEqual(fresh);

        await writeFile(file("server.crt"), old.crt); // Only the next key was written.
        await writeFile(file("server.key"), old.key);
        await writeFile(file("server.key.next"), now.key);
        expect((await (await edge()).tls()).certPem).toBe(new X509Certificate(old.crt).toString());
    });
});

/** The two handlers of CloudHub's HTTPS port that identity needs. */
async function serve(
    cloud: CloudAuthority,
    { certPem, keyPem, caPem }: TlsMaterial,
    port: number,
    faults = { loseCertificates: false },
): Promise<Server> {
    const options = { cert: certPem, key: keyPem, ca: caPem, requestCert: true, rejectUnauthorized: false };
    const server = createServer(options, (request, response) => {
        if (request.url === "/ca.crt") {
            response.end(cloud.caDer);
            return;
        }
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
            const clientCertificateDer = (request.socket as TLSSocket).getPeerX509Certificate()?.raw;
            const token = request.headers.authorization?.split(" ")[1] ?? "";
            cloud
                .issue({
                    nodeName: String(request.headers["nodename"]),
                    csrDer: Buffer.concat(chunks),
                    proof: clientCertificateDer === undefined ? { token } : { clientCertificateDer },
                })
                .then(
                    (issued) => (faults.loseCertificates ? request.socket.destroy() : response.end(issued)),
                    (error: unknown) => response.writeHead(401).end(errorText(error)),
                );
        });
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return server;
}
