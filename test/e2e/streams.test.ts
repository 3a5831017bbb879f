// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSYBOX, type DockerEngine, dockerPart, startDocker } from "../support/docker.ts";
import { describeWith, program } from "../support/requires.ts";
import { TestSite } from "../support/site.ts";

const POD = JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
            {
                name: "main",
                image: BUSYBOX,
                imagePullPolicy: "Never",
                command: ["sh", "-c", "echo started; n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.2; done"],
            },
            {
                name: "server",
                image: BUSYBOX,
                imagePullPolicy: "Never",
                command: ["sh", "-c", "echo served > /tmp/page; while true; do nc -l -p 8080 -e cat /tmp/page; done"],
            },
        ],
    },
});

/** What people do with kubectl at a gateway they cannot reach: all of it through one tunnel that the gateway opened. */
describeWith([program("kubectl"), dockerPart], "kubectl and a pod at the edge", () => {
    let site: TestSite;
    let docker: DockerEngine;
    const children: ChildProcess[] = [];

    beforeAll(async () => {
        docker = await startDocker();
        site = await TestSite.create({ DOCKER_HOST: docker.host });
        await site.start();
        await site.kubectlOk(["apply", "-f", "-"], POD);
        const waited = await site.kubectl(["wait", "--for=condition=Ready", "pod/web", "--timeout=90s"]);
        if (waited.code !== 0) throw new Error((await site.kubectl(["describe", "pod", "web"])).stdout);
    }, 300_000);
    afterAll(async () => {
        for (const child of children) child.kill("SIGKILL");
        await site?.kubectl(["delete", "pod", "web", "--wait=true", "--timeout=30s"]);
        await site?.stop();
        await site?.remove();
        await docker?.stop();
    }, 120_000);

    function kubectl(...args: string[]): ChildProcess {
        const child = spawn("kubectl", args, { env: { ...site.env, KUBECONFIG: site.kubeconfig } });
        children.push(child);
        return child;
    }

    test("logs: all, the last lines, one that does not exist", async () => {
        expect(await site.kubectlOk(["logs", "web"])).toMatch(/^started\ntick 1\n/);
        expect((await site.kubectlOk(["logs", "web", "--tail=2"])).trim().split("\n")).toHaveLength(2);
        const { code, stderr } = await site.kubectl(["logs", "nobody"]);
        expect(code).not.toBe(0);
        expect(stderr).toContain("not found");
    });

    test("logs -f: lines as they come; a reader that stands still holds nobody up", async () => {
        const stuck = kubectl("logs", "-f", "web");
        stuck.stdout?.pause();
        const follow = kubectl("logs", "-f", "--tail=1", "web");
        let lines = 0;
        follow.stdout?.on("data", (chunk: Buffer) => {
            lines += chunk.toString().split("\n").length - 1;
        });
        await expect.poll(() => lines, { timeout: 20_000 }).toBeGreaterThan(5);
        follow.kill();
        stuck.kill();
    });

    test.each(["true", "false"])("exec (WebSocket: %s): output, stdin, exit code", async (isWebSocket) => {
        site.env["KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] = isWebSocket;
        const { code, stdout, stderr } = await site.kubectl([
            "exec",
            "web",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 7",
        ]);
        expect({ code, stdout }).toEqual({ code: 7, stdout: "out\n" });
        expect(stderr).toContain("err");
        const input = "0123456789abcdef\n".repeat(20_000);
        const back = await site.kubectl(["exec", "-i", "web", "--", "sh", "-c", "cat"], input);
        expect(back.stdout === input).toBe(true);
    });

    test("cp: a file there and back", async () => {
        const near = join(site.home, "near");
        writeFileSync(near, "content\n".repeat(10_000));
        await site.kubectlOk(["cp", near, "default/web:/tmp/far"]);
        expect(await site.kubectlOk(["exec", "web", "--", "sh", "-c", "wc -c < /tmp/far"])).toBe("80000\n");
    });

    test.each(["true", "false"])("port-forward (WebSocket: %s)", async (isWebSocket) => {
        site.env["KUBECTL_PORT_FORWARD_WEBSOCKETS"] = isWebSocket;
        const forward = kubectl("port-forward", "pod/web", ":8080");
        let said = "";
        forward.stdout?.on("data", (chunk: Buffer) => {
            said += chunk.toString();
        });
        forward.stderr?.on("data", (chunk: Buffer) => {
            said += chunk.toString();
        });
        await expect.poll(() => said, { timeout: 20_000 }).toMatch(/127\.0\.0\.1:(\d+) ->/);
        const port = Number(/127\.0\.0\.1:(\d+) ->/.exec(said)?.[1]);
        const socket = connect({ port, host: "127.0.0.1" });
        expect(await text(socket), said).toBe("served\n");
        forward.kill();
    });

    test("node metrics by the API: /api/v1/nodes/<node>/proxy/stats/summary", async () => {
        const { items } = await site.json<{ items: { metadata: { name: string } }[] }>(["get", "nodes"]);
        const summary = JSON.parse(
            await site.kubectlOk(["get", "--raw", `/api/v1/nodes/${items[0]?.metadata.name}/proxy/stats/summary`]),
        );
        expect(summary.node.nodeName).toBe(items[0]?.metadata.name);
    });
});
