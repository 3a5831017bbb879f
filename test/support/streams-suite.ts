// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSYBOX, type DockerEngine, startDocker } from "./docker.ts";
import { eventually } from "./eventually.ts";
import type { TestSite } from "./site.ts";

const COPIED_BYTES = 100 * 2 ** 20;

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
            {
                name: "reader",
                image: BUSYBOX,
                imagePullPolicy: "Never",
                stdin: true,
                command: ["sh", "-c", "while read line; do echo got $line; done; sleep 3600"],
            },
        ],
    },
});
/** Ends by itself, again and again. */
const CRASH = JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "crash", namespace: "default" },
    spec: {
        containers: [
            {
                name: "main",
                image: BUSYBOX,
                imagePullPolicy: "Never",
                command: ["sh", "-c", "echo last words; exit 3"],
            },
        ],
    },
});

/** What people do with kubectl at a gateway they cannot reach: all of it through one tunnel that the gateway opened. */
export function streamsSuite(create: (env: NodeJS.ProcessEnv) => Promise<TestSite>): void {
    let site: TestSite;
    let docker: DockerEngine;
    const children: ChildProcess[] = [];

    beforeAll(async () => {
        docker = await startDocker();
        site = await create({ DOCKER_HOST: docker.host });
        await site.start();
        await site.kubectlOk(["apply", "-f", "-"], POD);
        await site.kubectlOk(["apply", "-f", "-"], CRASH);
        const waited = await site.kubectl(["wait", "--for=condition=Ready", "pod/web", "--timeout=120s"]);
        if (waited.code !== 0) throw new Error((await site.kubectl(["describe", "pod", "web"])).stdout);
    }, 300_000);
    afterAll(async () => {
        for (const child of children) child.kill("SIGKILL");
        await site?.kubectl(["delete", "pod", "web", "--wait=true", "--timeout=120s"]);
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
        await expect.poll(() => lines).toBeGreaterThan(5);
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
        await expect.poll(() => said).toMatch(/127\.0\.0\.1:(\d+) ->/);
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

    test("logs --previous and --since", async () => {
        await eventually(async () => {
            expect(await site.kubectlOk(["logs", "crash", "--previous"])).toBe("last words\n");
        });
        const lines = async (...more: string[]): Promise<number> =>
            (await site.kubectlOk(["logs", "web", "-c", "main", ...more])).split("\n").length;
        expect(await lines("--since=2s")).toBeLessThan(await lines("--since=1h"));
        expect(await lines("--since=1h")).toBeGreaterThan(10);
    });

    test("exec: the process goes on after its input has ended", async () => {
        const script = "cat > /tmp/in; echo closed; sleep 0.3; wc -c < /tmp/in; exit 4";
        const { code, stdout } = await site.kubectl(
            ["exec", "-i", "web", "--", "sh", "-c", script],
            "x".repeat(70_000),
        );
        expect({ code, stdout }).toEqual({ code: 4, stdout: "closed\n70000\n" });
    });

    test("exec -it: a terminal that follows the window's size, and the exit code", async () => {
        // The first size comes just after the start, as from the kubelet: until then the terminal has none.
        const until = (size: string): string =>
            `while [ "$(stty size 2>/dev/null)" != '${size}' ]; do sleep 0.1; done; echo now ${size}`;
        const remote = `${until("33 99")}; ${until("44 111")}; exit 9`;
        writeFileSync(
            join(site.home, "terminal.sh"),
            `tty; stty rows 33 cols 99; exec kubectl exec -it web -- sh -c '${remote.replaceAll("'", "'\\''")}'\n`,
        );
        const child = spawn("script", ["-qec", `sh ${join(site.home, "terminal.sh")}`, "/dev/null"], {
            env: { ...site.env, KUBECONFIG: site.kubeconfig },
        });
        children.push(child);
        let seen = "";
        child.stdout.on("data", (chunk: Buffer) => {
            seen += chunk.toString();
        });
        const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
        await expect.poll(() => seen).toContain("now 33 99");
        const terminal = /(\/dev\/pts\/\d+)/.exec(seen)?.[1] ?? "";
        execFileSync("stty", ["-F", terminal, "rows", "44", "cols", "111"]);
        expect(await ended).toBe(9);
        expect(seen).toContain("now 44 111");
    });

    test("attach: what a container says as it says it, and input for one that reads", async () => {
        const attached = kubectl("attach", "web", "-c", "main");
        let said = "";
        attached.stdout?.on("data", (chunk: Buffer) => {
            said += chunk.toString();
        });
        await expect.poll(() => said).toMatch(/tick \d+\n.*tick \d+\n/s);
        attached.kill();
        const writing = kubectl("attach", "-i", "web", "-c", "reader");
        writing.stdin?.write("hello\n");
        await eventually(async () => {
            expect(await site.kubectlOk(["logs", "web", "-c", "reader"])).toContain("got hello");
        });
        writing.kill();
    });

    test("cp: 100 MB into a pod and out of it again, unharmed", { timeout: 300_000 }, async () => {
        const near = join(site.home, "large");
        const bytes = randomBytes(COPIED_BYTES);
        const sum = createHash("sha256").update(bytes).digest("hex");
        writeFileSync(near, bytes);
        await site.kubectlOk(["cp", near, "default/web:/tmp/large", "-c", "main"]);
        expect(await site.kubectlOk(["exec", "web", "-c", "main", "--", "sha256sum", "/tmp/large"])).toContain(sum);
        for (const isWebSocket of ["true", "false"]) {
            site.env["KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] = isWebSocket;
            const back = join(site.home, "back");
            await site.kubectlOk(["cp", "default/web:/tmp/large", back, "-c", "main"]);
            expect(createHash("sha256").update(readFileSync(back)).digest("hex")).toBe(sum);
        }
    });

    test("top: nodes and pods", async () => {
        await eventually(async () => {
            expect(await site.kubectlOk(["top", "pod", "web", "--no-headers"])).toMatch(/^web\s+\d+m\s+\d+Mi/);
            expect(await site.kubectlOk(["top", "node", "--no-headers"])).toMatch(/\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
        });
    });

    test("what was written while the cloud was away is readable afterwards, every line", async () => {
        const ticks = async (): Promise<number[]> =>
            [...(await site.kubectlOk(["logs", "web", "-c", "main"])).matchAll(/tick (\d+)/g)].map(([, n]) =>
                Number(n),
            );
        const before = await ticks();
        const { cloud } = await site.pids();
        process.kill(cloud ?? 0, "SIGKILL");
        await eventually(async () => {
            expect((await site.pids()).cloud ?? cloud).not.toBe(cloud);
            const after = await ticks();
            expect(after.length).toBeGreaterThan(before.length);
            expect(after).toEqual(after.map((_, index) => index + 1));
        });
    });
}
