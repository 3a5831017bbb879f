// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { Agent, type RequestOptions, request } from "node:https";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../../src/cloud/cloudhub/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { createLogger } from "../../../src/core/log.ts";
import { Kinds } from "../../../src/kube/types.ts";
import {
    CloudAuthority,
    type CloudAuthorityConfig,
    cloudAuthorityConfig,
    createJoinToken,
    type JoinTokenRequest,
    revokeJoinToken,
    type TlsMaterial,
} from "../../../src/link/identity/index.ts";
import { keyPem, newKey } from "../../../src/link/identity/key-pair.ts";
import { createCsr, toPem } from "../../../src/link/identity/x509.ts";
import { testPorts } from "../../support/link/ends.ts";
import { MemoryCluster } from "../../support/link/memory-cluster.ts";
import { TestPki } from "../../support/link/test-pki.ts";

const HOUR = 3_600_000;

/** Who may come in, on the real listeners, with the real authority kept in Secrets. */
describe("CloudHub and certificates", () => {
    let cluster: MemoryCluster;
    let cloud: CloudAuthority;
    let hub: CloudHub;
    let said: string[];

    beforeEach(async () => {
        said = [];
        const log = createLogger((_level, text, fields) => said.push(`${text} ${JSON.stringify(fields)}`));
        const ports = { ...testPorts, log };
        cluster = new MemoryCluster();
        cloud = new CloudAuthority(parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, {}), { ...ports, cluster });
        await cloud.start();
        const config = parseConfig<CloudHubConfig>(cloudHubConfig, { websocketPort: 0, httpsPort: 0 });
        hub = new CloudHub(config, { ...ports, identity: cloud, cluster });
        await hub.start();
    });
    afterEach(async () => {
        await hub.stop();
        await cloud.stop();
    });

    const token = (init: Partial<JoinTokenRequest> = {}): Promise<string> =>
        createJoinToken(cluster, { ttlMs: HOUR, ...init }, systemClock);

    interface Ordered {
        readonly status: number;
        readonly text: string;
        readonly pair: TlsMaterial;
        /** The cloud ended the connection. */
        readonly closed: boolean;
    }

    interface Order {
        readonly jwt?: string;
        readonly pair?: TlsMaterial;
        readonly csrName?: string;
        readonly key?: ReturnType<typeof newKey>;
    }

    /** `GET /edge.crt` as EdgeCore sends it. */
    function order(node: string, { jwt, pair, csrName = node, key = newKey() }: Order) {
        const body = createCsr(
            [
                ["O", "system:nodes"],
                ["CN", `system:node:${csrName}`],
            ],
            key.key,
        );
        const agent = new Agent({ keepAlive: true });
        const options: RequestOptions = {
            ca: cloud.caPem,
            agent,
            headers: {
                NodeName: node,
                "Content-Length": body.length,
                ...(jwt === undefined ? {} : { Authorization: `Bearer ${jwt.split(".").slice(-3).join(".")}` }),
            },
            ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
        };
        return new Promise<Ordered>((resolve, reject) => {
            const sent = request(`https://127.0.0.1:${hub.ports.https}/edge.crt`, options, (answer) => {
                const chunks: Buffer[] = [];
                answer.on("data", (chunk: Buffer) => chunks.push(chunk));
                answer.on("end", () => {
                    const bytes = Buffer.concat(chunks);
                    const issued = {
                        certPem: toPem("CERTIFICATE", bytes),
                        keyPem: keyPem(key.key),
                        caPem: cloud.caPem,
                    };
                    const status = answer.statusCode ?? 0;
                    const result = { status, text: bytes.toString("utf8"), pair: issued };
                    // An agent of this side would keep what the cloud does not end.
                    if (status === 200) resolve({ ...result, closed: false });
                    else answer.socket.once("close", () => resolve({ ...result, closed: true }));
                });
            });
            sent.on("error", reject);
            sent.once("close", () => agent.destroy());
            sent.end(body);
        });
    }

    /** Asks for the message port as EdgeCore does; resolves when the cloud has let it in, or has ended the connection. */
    function join(node: string, pair?: TlsMaterial): Promise<{ readonly status: number; readonly closed: boolean }> {
        const { websocket } = hub.ports;
        return new Promise((resolve, reject) => {
            const socket = connectTls({
                host: "127.0.0.1",
                port: websocket,
                ca: cloud.caPem,
                ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
            });
            let heard = "";
            const status = (): number => Number(/^HTTP\/1\.1 (\d+) /.exec(heard)?.[1] ?? 0);
            socket.on("data", (bytes: Buffer) => {
                heard += bytes.toString("latin1");
                if (status() !== 101) return;
                resolve({ status: 101, closed: false });
                socket.destroy();
            });
            socket.on("error", reject);
            // The cloud's own end: this side does not end anything.
            socket.once("end", () => resolve({ status: status(), closed: true }));
            socket.write(
                `GET /e632aba927ea4ac2b575ec1603d56f10/${node}/events HTTP/1.1\r\nHost: cloud\r\nUpgrade: websocket\r\n` +
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MmFUTlMh1SI16n1tSzzFPQ==\r\n" +
                    `node_id: ${node}\r\nproject_id: e632aba927ea4ac2b575ec1603d56f10\r\nConnectionUse: msg\r\n\r\n`,
            );
        });
    }

    /** The line of the log about a refusal that came last. */
    const lastRefusal = (): string => said.filter((line) => line.includes("refused")).at(-1) ?? "";

    test("a joined node gets in, and its certificate is from the CA in KubeEdge's Secret", async () => {
        const { status, pair } = await order("edge-1", { jwt: await token() });
        expect(status).toBe(200);
        expect(await join("edge-1", pair)).toEqual({ status: 101, closed: false });
        const secret = await cluster.get({ type: Kinds.secret, namespace: "kubeedge", name: "casecret" });
        const { cadata } = secret["data"] as Record<string, string>;
        const authority = new X509Certificate(Buffer.from(cadata ?? "", "base64"));
        expect(new X509Certificate(pair.certPem).checkIssued(authority)).toBe(true);
    });

    /** One that this very CA made, but a day ago for an hour. */
    async function expiredPair(node: string): Promise<TlsMaterial> {
        const early = { ...systemClock, nowMs: () => Date.now() - 24 * HOUR };
        const config = parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, { nodeCertificateDays: 1 / 24 });
        const then = new CloudAuthority(config, { ...testPorts, clock: early, cluster });
        await then.start();
        const key = newKey();
        const csrDer = createCsr(
            [
                ["O", "system:nodes"],
                ["CN", `system:node:${node}`],
            ],
            key.key,
        );
        const proof = { token: await then.createToken({ ttlMs: HOUR }) };
        const certificate = await then.issue({ nodeName: node, csrDer, proof });
        await then.stop();
        return { certPem: toPem("CERTIFICATE", certificate), keyPem: keyPem(key.key), caPem: cloud.caPem };
    }

    test("message port: no certificate, another CA, expired, another node's: the status, a line in the log, and closed", async () => {
        const { pair } = await order("edge-1", { jwt: await token() });
        const expired = await expiredPair("edge-1");
        const refusals: [string, number, string, TlsMaterial | undefined, string][] = [
            ["no certificate", 401, "no client certificate", undefined, "edge-1"],
            ["another CA", 401, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", new TestPki().node("edge-1"), "edge-1"],
            ["expired", 401, "CERT_HAS_EXPIRED", expired, "edge-1"],
            ["another node's", 403, "the certificate is another node's", pair, "edge-2"],
            ["no name", 400, "node_id is missing", pair, ""],
        ];
        for (const [what, status, why, shown, node] of refusals) {
            said.length = 0;
            expect({ what, ...(await join(node, shown)) }).toEqual({ what, status, closed: true });
            expect(lastRefusal()).toContain(why);
            expect(lastRefusal()).toContain(`"node":"${node}"`);
        }
        expect(hub.online).toEqual([]);
        const { status, closed } = await order("edge-1", { pair: expired });
        expect({ status, closed }).toEqual({ status: 401, closed: true });
        expect(lastRefusal()).toContain("expired");
    });

    test("certificate port: each wrong proof is 401 and says why, there and in the log without the token, and closed", async () => {
        const used = await token({ uses: 1 });
        const { pair } = await order("edge-1", { jwt: used });
        const revoked = await token();
        await revokeJoinToken(cluster, revoked, systemClock);
        const other = new MemoryCluster();
        const refusals: [string, string, Order][] = [
            ["replayed by another key", "used up", { jwt: used }],
            ["revoked", "revoked", { jwt: revoked }],
            ["another node's token", "not for node", { jwt: await token({ nodeName: "edge-2" }) }],
            [
                "another cloud's token",
                "not made by this cloud",
                { jwt: await createJoinToken(other, { ttlMs: HOUR }, systemClock) },
            ],
            ["expired token", "expired", { jwt: await token({ ttlMs: -1_000 }) }],
            ["no token", "token", {}],
            ["another name in the request", "common name", { jwt: await token(), csrName: "edge-2" }],
            ["another CA's certificate", "another CA", { pair: new TestPki().node("edge-1") }],
        ];
        for (const [what, why, proof] of refusals) {
            said.length = 0;
            const { status, text, closed } = await order("edge-1", proof);
            const refused = { what, status: 401, text: expect.stringContaining(why), closed: true };
            expect({ what, status, text, closed }).toEqual(refused);
            expect(lastRefusal()).toContain(why);
            expect(lastRefusal()).toContain('"node":"edge-1"');
            // Neither the token nor the part of it that signs.
            if (proof.jwt !== undefined) expect(said.join()).not.toContain(proof.jwt.split(".").at(-1));
            expect(said.join()).not.toContain("PRIVATE KEY");
        }
        const { status, text } = await order("edge-2", { pair });
        expect({ status, text }).toEqual({ status: 401, text: expect.stringContaining("another name") });
        expect((await order("edge-1", { pair })).status).toBe(200);
    });

    test("replicas share CA, server certificate and what became of tokens", async () => {
        const raw = parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, {
            hosts: ["127.0.0.1", "replica.example"],
        });
        const replica = new CloudAuthority(raw, { ...testPorts, cluster });
        await replica.start();
        expect(replica.caPem).toBe(cloud.caPem);
        const names = new X509Certificate((await replica.serverTls()).certPem).subjectAltName ?? "";
        for (const name of ["DNS:localhost", "DNS:replica.example"]) expect(names).toContain(name);
        const once = await token({ uses: 2 });
        const issue = (authority: CloudAuthority) => {
            const csrDer = createCsr(
                [
                    ["O", "system:nodes"],
                    ["CN", "system:node:edge-1"],
                ],
                newKey().key,
            );
            return authority.issue({ nodeName: "edge-1", csrDer, proof: { token: once } });
        };
        const asked = await Promise.allSettled([cloud, replica, cloud, replica, replica].map(issue));
        expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
        await replica.stop();
    });

    test("replicas that start together on an empty cluster agree on one CA", async () => {
        const empty = new MemoryCluster();
        const raw = parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, {});
        const replicas = [1, 2, 3].map(() => new CloudAuthority(raw, { ...testPorts, cluster: empty }));
        await Promise.all(replicas.map((replica) => replica.start()));
        expect(new Set(replicas.map((replica) => replica.caPem)).size).toBe(1);
        await Promise.all(replicas.map((replica) => replica.stop()));
    });
});
