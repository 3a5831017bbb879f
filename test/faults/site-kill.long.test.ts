// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { describeWith, program } from "../support/requires.ts";
import { root, TestSite } from "../support/site.ts";

/** 20 in CI; `npm run test:kill` asks for more. */
const KILLS = Number(process.env["REDGE_TEST_KILLS"] ?? 20);
const SEED = Number(process.env["REDGE_TEST_SEED"] ?? 1);

interface Pod {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly status: { readonly phase: string; readonly containerStatuses?: readonly { restartCount: number }[] };
}

/** mulberry32: small, seeded, so that a failing run can be run again. */
function random(seed: number): () => number {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

describeWith([program("kubectl"), program("ps")], `a site under ${KILLS} kill -9 (seed ${SEED})`, () => {
    let site: TestSite;

    beforeAll(async () => {
        site = await TestSite.create();
        await site.start();
        await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=120s"]);
    });

    afterAll(async () => {
        await site.stop();
        await site.remove();
    });

    const helloPods = async (): Promise<readonly Pod[]> =>
        (await site.json<{ items: readonly Pod[] }>(["get", "pods", "-l", "app=hello"])).items;

    test("loses nothing that was acknowledged and restarts no pod", { timeout: 300_000 + KILLS * 40_000 }, async () => {
        const next = random(SEED);
        const before = await helloPods();
        const acknowledged = new Map<string, string>();
        for (let kill = 0; kill < KILLS; kill += 1) {
            const role = next() < 0.5 ? "cloud" : "edge";
            const victim = (await site.pids())[role];
            expect(victim, `${role} runs before kill ${kill}`).toBeDefined();
            const writes = Array.from({ length: 4 }, async (_, index) => {
                const name = `kept-${kill}-${index}`;
                const { code } = await site.kubectl(["create", "configmap", name, `--from-literal=at=${kill}`]);
                if (code === 0) acknowledged.set(name, String(kill));
            });
            const dies = new Promise<void>((resolve) => {
                setTimeout(() => {
                    process.kill(victim ?? 0, "SIGKILL");
                    resolve();
                }, next() * 1_000);
            });
            await Promise.all([...writes, dies]);
            await eventually(async () => {
                const pids = await site.pids();
                expect(pids[role]).toBeDefined();
                expect(pids[role]).not.toBe(victim);
                await site.kubectlOk(["get", "--raw", "/readyz"]);
            });
        }
        await eventually(async () => {
            await site.kubectlOk(["wait", "--for=condition=Ready", "node/edge", "--timeout=1s"]);
            const pods = await helloPods();
            expect(pods.map(({ metadata, status }) => [metadata.uid, status.phase])).toEqual(
                before.map(({ metadata }) => [metadata.uid, "Running"]),
            );
            expect(pods.map(({ status }) => status.containerStatuses?.[0]?.restartCount)).toEqual(before.map(() => 0));
        });
        const kept = await site.json<{ items: { metadata: { name: string }; data?: Record<string, string> }[] }>([
            "get",
            "configmaps",
        ]);
        const found = new Map(kept.items.map(({ metadata, data }) => [metadata.name, data?.["at"] ?? ""]));
        for (const [name, at] of acknowledged) expect(found.get(name), name).toBe(at);
        expect(acknowledged.size).toBeGreaterThan(KILLS);
        const flows = JSON.parse(readFileSync(join(site.home, "edge/flows.json"), "utf8")) as {
            type: string;
            label?: string;
        }[];
        expect(flows.filter(({ type, label }) => type === "tab" && label?.startsWith("default/"))).toEqual([]);
        // The link carries new work after all that.
        const name = before[0]?.metadata.name ?? "";
        await eventually(async () => expect(await site.kubectlOk(["logs", name, "--tail=1"])).toContain("hello from"));
    });
});
