// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadPki } from "../../../../src/cloud/controlplane/apiserver/pki.ts";
import {
    DEFAULT_AUDIENCE,
    ServiceAccountTokens,
    type TokenOrder,
} from "../../../../src/cloud/controlplane/apiserver/service-account-tokens.ts";
import { ManualClock } from "../../../../src/core/manual-clock.ts";

const DAY_MS = 86_400_000;

describe("the certificates of the control plane", () => {
    let folder: string;
    const clock = new ManualClock();
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "redge-pki-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it("are made once, keys for the owner alone, and fit their use", async () => {
        const first = await loadPki(folder, ["127.0.0.1", "cloud.example"], clock);
        const again = await loadPki(folder, ["127.0.0.1", "cloud.example"], clock);
        expect(again).toMatchObject({ caPem: first.caPem, server: first.server, admin: first.admin });
        const ca = new X509Certificate(first.caPem);
        const server = new X509Certificate(first.server.certPem);
        expect(server.verify(ca.publicKey)).toBe(true);
        expect(server.checkIP("127.0.0.1")).toBe("127.0.0.1");
        expect(server.checkHost("cloud.example")).toBe("cloud.example");
        expect(new X509Certificate(first.admin.certPem).subject).toContain("O=system:masters");
        for (const file of readdirSync(folder).filter((name) => name.endsWith(".key"))) {
            expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
        }
    });

    it("are made anew for another host or before they end; the CA stays", async () => {
        const first = await loadPki(folder, ["127.0.0.1"], clock);
        const other = await loadPki(folder, ["127.0.0.1", "more.example"], clock);
        expect(other.caPem).toBe(first.caPem);
        expect(other.server.certPem).not.toBe(first.server.certPem);
        expect(other.admin.certPem).toBe(first.admin.certPem);
        const later = new ManualClock(clock.nowMs() + 300 * DAY_MS);
        const renewed = await loadPki(folder, ["127.0.0.1", "more.example"], later);
        expect(renewed.caPem).toBe(first.caPem);
        expect(renewed.admin.certPem).not.toBe(first.admin.certPem);
    });

    it("are not replaced behind the operator's back when the CA is damaged", async () => {
        await loadPki(folder, ["127.0.0.1"], clock);
        writeFileSync(join(folder, "ca.crt"), "rubbish");
        await expect(loadPki(folder, ["127.0.0.1"], clock)).rejects.toMatchObject({ code: "REDGE_KUBE_PKI" });
    });
});

describe("service account tokens", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const tokens = new ServiceAccountTokens(privateKey);
    const order: TokenOrder = {
        namespace: "n",
        serviceAccount: { name: "robot", uid: "u" },
        pod: { name: "p", uid: "pu" },
        audiences: [DEFAULT_AUDIENCE],
        expirationSeconds: 600,
    };
    const nowMs = Date.UTC(2026, 0, 1);

    it("say who, for whom and until when", () => {
        const { token, expiresAtMs } = tokens.issue(order, nowMs);
        expect(expiresAtMs).toBe(nowMs + 600_000);
        expect(tokens.read(token, nowMs + 599_000)).toEqual({
            namespace: "n",
            serviceAccount: order.serviceAccount,
            pod: order.pod,
            audiences: [DEFAULT_AUDIENCE],
        });
    });

    it("are refused when expired, early, altered, unsigned or another's", () => {
        const { token } = tokens.issue(order, nowMs);
        const [header = "", payload = "", signature = ""] = token.split(".");
        expect(tokens.read(token, nowMs + 600_000)).toBeUndefined();
        expect(tokens.read(token, nowMs - 60_000)).toBeUndefined();
        const other = Buffer.from(
            JSON.stringify({ ...(JSON.parse(Buffer.from(payload, "base64url").toString()) as object), sub: "x" }),
        ).toString("base64url");
        expect(tokens.read(`${header}.${other}.${signature}`, nowMs)).toBeUndefined();
        const none = Buffer.from('{"alg":"none"}').toString("base64url");
        expect(tokens.read(`${none}.${payload}.`, nowMs)).toBeUndefined();
        expect(tokens.read(`${none}.${payload}.${signature}`, nowMs)).toBeUndefined();
        const stranger = new ServiceAccountTokens(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
        expect(tokens.read(stranger.issue(order, nowMs).token, nowMs)).toBeUndefined();
        for (const rubbish of ["", ".", "a.b.c", "....", `${token}.x`])
            expect(tokens.read(rubbish, nowMs)).toBeUndefined();
    });
});
