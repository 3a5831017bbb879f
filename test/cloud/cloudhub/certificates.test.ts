// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { type RequestOptions, request } from "node:https";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
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
        const options: RequestOptions = {
            ca: cloud.caPem,
            agent: false,
            headers: {
                NodeName: node,
                "Content-Length": body.length,
                ...(jwt === undefined ? {} : { Authorization: `Bearer ${jwt.split(".").slice(-3).join(".")}` }),
            },
            ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
        };
        return new Promise<{ readonly status: number; readonly text: string; readonly pair: TlsMaterial }>(
            (resolve, reject) => {
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
                        resolve({ status: answer.statusCode ?? 0, text: bytes.toString("utf8"), pair: issued });
                    });
                });
                sent.on("error", reject);
                sent.end(body);
            },
        );
    }

    /** Opens the message port; answers "open" or why not, and sees to it that a refused connection is closed. */
    function join(node: string, pair?: TlsMaterial): Promise<string> {
        return new Promise((resolve) => {
            let outcome = "";
            const socket = new WebSocket(
                `wss://127.0.0.1:${hub.ports.websocket}/e632aba927ea4ac2b575ec1603d56f10/${node}/events`,
                {
                    ca: cloud.caPem,
                    headers: { node_id: node, project_id: "e632aba927ea4ac2b575ec1603d56f10", ConnectionUse: "msg" },
                    ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
                },
            );
            socket.on("open", () => {
                outcome = "open";
                // TLS 1.3 tells a refused certificate after the handshake: what is open stays open for a while.
                socket.ping();
            });
            socket.on("pong", () => {
                resolve("open");
                socket.close();
            });
            socket.on("error", (error) => {
                outcome = error.message;
            });
            socket.on("close", () => resolve(outcome === "open" ? "closed" : outcome));
        });
    }

    test("a joined node gets in, and its certificate is from the CA in KubeEdge's Secret", async () => {
        const { status, pair } = await order("edge-1", { jwt: await token() });
        expect(status).toBe(200);
        expect(await join("edge-1", pair)).toBe("open");
        const secret = await cluster.get({ type: Kinds.secret, namespace: "kubeedge", name: "casecret" });
        const { cadata } = secret["data"] as Record<string, string>;
        const authority = new X509Certificate(Buffer.from(cadata ?? "", "base64"));
        expect(new X509Certificate(pair.certPem).checkIssued(authority)).toBe(true);
    });

    test("message port: no certificate, another CA, expired, another node's: refused and closed", async () => {
        const { pair } = await order("edge-1", { jwt: await token() });
        expect(await join("edge-1")).not.toBe("open");
        expect(await join("edge-1", new TestPki().node("edge-1"))).not.toBe("open");
        expect(await join("edge-2", pair)).toContain("403");
        expect(await join("", pair)).toContain("400");
        // One that this very CA made, but a day ago for an hour.
        const early = { ...systemClock, nowMs: () => Date.now() - 24 * HOUR };
        const then = new CloudAuthority(
            parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, { nodeCertificateDays: 1 / 24 }),
            { ...testPorts, clock: early, cluster },
        );
        await then.start();
        const key = newKey();
        const csrDer = createCsr(
            [
                ["O", "system:nodes"],
                ["CN", "system:node:edge-1"],
            ],
            key.key,
        );
        const proof = { token: await then.createToken({ ttlMs: HOUR }) };
        const expiredDer = await then.issue({ nodeName: "edge-1", csrDer, proof });
        const expired = { certPem: toPem("CERTIFICATE", expiredDer), keyPem: keyPem(key.key), caPem: cloud.caPem };
        expect(await join("edge-1", expired)).not.toBe("open");
        expect((await order("edge-1", { pair: expired })).status).toBe(401);
        await then.stop();
    });

    test("certificate port: each wrong proof is 401 and says why", async () => {
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
            const { status, text } = await order("edge-1", proof);
            expect({ what, status, text }).toEqual({ what, status: 401, text: expect.stringContaining(why) });
        }
        const { status, text } = await order("edge-2", { pair });
        expect({ status, text }).toEqual({ status: 401, text: expect.stringContaining("another name") });
        expect((await order("edge-1", { pair })).status).toBe(200);
    });

    test("refusals are logged, secrets are not", async () => {
        const bad = await createJoinToken(new MemoryCluster(), { ttlMs: HOUR }, systemClock);
        await order("edge-1", { jwt: bad });
        const { pair } = await order("edge-1", { jwt: await token() });
        await join("edge-2", pair);
        const text = said.join("\n");
        expect(said.filter((line) => line.includes("refused")).length).toBeGreaterThanOrEqual(2);
        expect(text).not.toContain(bad.split(".").at(-1));
        expect(text).not.toContain("PRIVATE KEY");
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
