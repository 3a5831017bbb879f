// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { describeWith, program } from "../support/requires.ts";
import { type CommandResult, root, run, TestSite } from "../support/site.ts";

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
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=120s"]);
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

/** `redge cloud` and `redge edge` as two commands, as on two machines. */
describeWith([program("kubectl")], "--one-port of the two commands", () => {
    const script = join(root, "dist/cli/redge.js");
    const running: ChildProcess[] = [];
    let site: TestSite;
    let port: string;
    const command = (...args: string[]): Promise<CommandResult> => run(process.execPath, [script, ...args], site.env);

    beforeAll(async () => {
        site = await TestSite.create();
        // A port that only the option can have told: the variables name others.
        port = site.env["REDGE_BOILER_PORT"] ?? "";
    });
    afterAll(async () => {
        await Promise.all(running.reverse().map(ended));
        await site.remove();
    }, 120_000);

    function ended(child: ChildProcess): Promise<unknown> {
        if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
        const exited = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGINT");
        return exited;
    }

    /** Starts it and waits for what it prints when it is ready. */
    function start(ready: string, ...args: string[]): Promise<void> {
        const child = spawn(process.execPath, [script, ...args], { env: site.env, stdio: ["ignore", "pipe", "pipe"] });
        running.push(child);
        let output = "";
        return new Promise((resolve, reject) => {
            const note = (chunk: Buffer): void => {
                output += chunk.toString();
                if (output.includes(ready)) resolve();
            };
            child.stdout.on("data", note);
            child.stderr.on("data", note);
            child.once("exit", (code) => reject(new Error(`redge ${args[0]} ended with ${code}:\n${output}`)));
        });
    }

    test("a gateway that was told one port joins, becomes Ready and is reached for logs", async () => {
        await start("Redge cloud is ready.", "cloud", "--one-port", port);
        const token = (await command("token", "--node", "edge-one", "--uses", "1")).stdout.trim();
        const joining = ["--join", `https://127.0.0.1:${port}`, "--one-port", "--token", token, "--name", "edge-one"];
        await start("Redge edge edge-one is ready.", "edge", ...joining);
        const record = JSON.parse(readFileSync(join(site.home, "edge/cloud.json"), "utf8")) as Record<string, string>;
        const addresses = ["REDGE_CLOUD_URL", "REDGE_CLOUDHUB_URL", "REDGE_TUNNEL_URL"].map((name) => record[name]);
        expect(addresses).toEqual([`https://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`]);
        await site.kubectlOk(["wait", "--for=condition=Ready", "node/edge-one", "--timeout=120s"]);
        await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=120s"]);
        await eventually(async () => {
            expect((await site.kubectlOk(["logs", "daemonset/hello", "--tail=1"])).trim()).not.toBe("");
        });
        for (const variable of ["REDGE_CLOUDHUB_PORT", "REDGE_CLOUDHUB_HTTPS_PORT", "REDGE_TUNNEL_PORT"] as const) {
            await expect(fetch(`https://127.0.0.1:${site.port(variable)}/`), variable).rejects.toMatchObject({
                cause: { code: "ECONNREFUSED" },
            });
        }
    });

    test.each(["0", "65536", "https"])("--one-port %s of the cloud is refused with exit code 2", async (wrong) => {
        const { code, stderr } = await command("cloud", "--one-port", wrong);
        expect(code).toBe(2);
        expect(stderr).toContain(`--one-port wants a port from 1 to 65535, not "${wrong}"`);
    });
});
