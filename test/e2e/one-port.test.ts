// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { describeWith, program } from "../support/requires.ts";
import { root, TestSite } from "../support/site.ts";

/** Where a firewall lets one port through: the gateway joins, works and is reached by it alone. */
describeWith([program("kubectl")], "a site whose gateway knows one port", () => {
    let site: TestSite;

    beforeAll(async () => {
        site = await TestSite.create();
        const one = site.env["REDGE_CLOUDHUB_PORT"];
        site.env["REDGE_CLOUDHUB_HTTPS_PORT"] = one;
        site.env["REDGE_TUNNEL_PORT"] = one;
        await site.start();
    }, 300_000);
    afterAll(async () => {
        await site?.stop();
        await site?.remove();
    }, 120_000);

    test("certificate, messages and logs go through it", async () => {
        const record = JSON.parse(readFileSync(join(site.home, "edge/cloud.json"), "utf8")) as Record<string, string>;
        const addresses = ["REDGE_CLOUD_URL", "REDGE_CLOUDHUB_URL", "REDGE_TUNNEL_URL"].map((name) => record[name]);
        const port = site.env["REDGE_CLOUDHUB_PORT"];
        expect(addresses).toEqual([`https://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`]);
        await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=90s"]);
        await eventually(async () => {
            expect((await site.kubectlOk(["logs", "daemonset/hello", "--tail=1"])).trim()).not.toBe("");
        });
    });

    test.each([
        ["cloud", "REDGE_CLOUD_EDITOR_PORT", /^redge_cloudhub_online_nodes 1$/m],
        ["edge", "REDGE_EDGE_EDITOR_PORT", /^redge_edgehub_connected 1$/m],
    ] as const)("the %s's metrics tell Prometheus of the link", async (role, variable, expected) => {
        const base = `http://127.0.0.1:${site.port(variable)}`;
        expect((await fetch(`${base}/kubeedge/metrics`)).status).toBe(401);
        const password = readFileSync(join(site.home, "admin-password"), "utf8").trim();
        const body = new URLSearchParams({
            client_id: "node-red-admin",
            grant_type: "password",
            scope: "read",
            username: "admin",
            password,
        });
        const login = await fetch(`${base}/auth/token`, { method: "POST", body });
        const { access_token: token } = (await login.json()) as { access_token: string };
        await eventually(async () => {
            const answer = await fetch(`${base}/kubeedge/metrics`, { headers: { Authorization: `Bearer ${token}` } });
            expect(await answer.text(), role).toMatch(expected);
        });
    });
});
