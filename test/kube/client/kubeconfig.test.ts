// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectionFromKubeconfig, connectionInCluster } from "../../../src/kube/client/kubeconfig.ts";

let folder: string;
let path: string;
beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "redge-kubeconfig-"));
    path = join(folder, "config");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(user: Record<string, unknown>, cluster: Record<string, unknown> = {}): Promise<void> {
    const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster: { server: "https://one:6443", ...cluster } }],
        users: [{ name: "u", user }],
        contexts: [
            { name: "here", context: { cluster: "c", user: "u" } },
            { name: "bad", context: { cluster: "x" } },
        ],
        "current-context": "here",
    };
    await writeFile(path, JSON.stringify(config));
}
const reason = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
        () => "no failure",
        (thrown: { details: { reason: string } }) => thrown.details.reason,
    );

describe("connectionFromKubeconfig", () => {
    it("reads certificates from data and from files beside the kubeconfig", async () => {
        await writeFile(join(folder, "key.pem"), "KEY");
        await write(
            { "client-certificate-data": Buffer.from("CERT").toString("base64"), "client-key": "key.pem" },
            { "certificate-authority-data": Buffer.from("CA").toString("base64"), "tls-server-name": "api" },
        );
        const connection = await connectionFromKubeconfig(path);
        expect(connection).toMatchObject({
            server: "https://one:6443",
            caPem: "CA",
            certPem: "CERT",
            keyPem: "KEY",
            tlsServerName: "api",
            insecureSkipTlsVerify: false,
        });
        expect(connection.token).toBeUndefined();
    });

    it("takes a token, and a token file anew for each request", async () => {
        await write({ token: "fixed" });
        expect(await (await connectionFromKubeconfig(path)).token?.()).toBe("fixed");
        await write({ tokenFile: "token" });
        const connection = await connectionFromKubeconfig(path);
        for (const token of ["first", "second"]) {
            await writeFile(join(folder, "token"), `${token}\n`);
            expect(await connection.token?.()).toBe(token);
        }
    });

    it("runs an exec credential plugin, and again when its credentials end", async () => {
        const plugin = join(folder, "plugin.sh");
        const credential = `{"kind":"ExecCredential","status":{"token":"t$(wc -l < ${folder}/runs)","expirationTimestamp":"2020-01-01T00:00:00Z"}}`;
        await writeFile(plugin, `#!/bin/sh\necho "$EXTRA $1" >> ${folder}/runs\ncat <<END\n${credential}\nEND\n`, {
            mode: 0o755,
        });
        const env = [{ name: "EXTRA", value: "x" }];
        await write({
            exec: { apiVersion: "client.authentication.k8s.io/v1", command: "./plugin.sh", args: ["arg"], env },
        });
        const connection = await connectionFromKubeconfig(path);
        expect([await connection.token?.(), await connection.token?.()]).toEqual(["t2", "t3"]);
    });

    it("says what is wrong, and where", async () => {
        expect(await reason(connectionFromKubeconfig(join(folder, "none")))).toContain("ENOENT");
        await write({});
        expect(await reason(connectionFromKubeconfig(path, "other"))).toBe('has no context "other"');
        expect(await reason(connectionFromKubeconfig(path, "bad"))).toBe('has no cluster "x" (context "bad")');
        await write({ "auth-provider": { name: "oidc" } });
        expect(await reason(connectionFromKubeconfig(path))).toContain("the auth-provider issued nothing");
        await write({ exec: { command: "no-such-plugin-anywhere" } });
        expect(await reason(connectionFromKubeconfig(path))).toContain('plugin "no-such-plugin-anywhere" failed');
        await write({}, { server: "nonsense" });
        expect(await reason(connectionFromKubeconfig(path))).toContain("no valid server address");
        await writeFile(path, "{ not: [yaml");
        await expect(connectionFromKubeconfig(path)).rejects.toMatchObject({ code: "REDGE_KUBE_KUBECONFIG" });
    });
});

describe("connectionInCluster", () => {
    it("uses the pod's service account, and reads the token anew", async () => {
        await writeFile(join(folder, "ca.crt"), "CA");
        await writeFile(join(folder, "token"), "one");
        const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
        const connection = await connectionInCluster(environment, folder);
        expect(connection).toMatchObject({ server: "https://[fd00::1]:443", caPem: "CA" });
        await writeFile(join(folder, "token"), "two");
        expect(await connection.token?.()).toBe("two");
    });

    it("says that there is no cluster around it", async () => {
        await expect(connectionInCluster({}, folder)).rejects.toMatchObject({ code: "REDGE_KUBE_NOT_IN_CLUSTER" });
        const environment = { KUBERNETES_SERVICE_HOST: "h", KUBERNETES_SERVICE_PORT: "1" };
        await expect(connectionInCluster(environment, folder)).rejects.toMatchObject({
            code: "REDGE_KUBE_NOT_IN_CLUSTER",
        });
    });
});
