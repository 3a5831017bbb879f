// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ContainerStatus } from "../../../src/edge/edged/podspec/types.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { BUSYBOX, call, type DockerEngine, dockerParts, startDocker } from "../../support/docker.ts";
import { describeWith } from "../../support/requires.ts";
import { configMap, FakeCloud, flowPod, NODE, pod, removeTempDirs, tempDir, until } from "./harness.ts";

/** `REDGE_KILLS=200` for the long run. */
const KILLS = Number(process.env["REDGE_KILLS"] ?? 12);
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);

interface Listed {
    readonly State: string;
    readonly Labels: Readonly<Record<string, string>>;
}

describeWith(dockerParts, "kill -9 of the gateway", () => {
    let engine: DockerEngine;
    let dir: string;
    let script: string;
    let child: ChildProcess;
    let alive = false;
    const cloud = new FakeCloud();
    const deleted: KubeObject[] = [];
    const random = generator(Number(process.env["REDGE_SEED"] ?? 7));

    beforeAll(async () => {
        engine = await startDocker();
        dir = await tempDir();
        // Where packages are found from.
        script = join(import.meta.dirname, `../../../node_modules/.cache/redge-test/gateway-${process.pid}.cjs`);
        const entryPoints = [join(import.meta.dirname, "gateway-child.ts")];
        buildSync({
            entryPoints,
            outfile: script,
            bundle: true,
            platform: "node",
            format: "cjs",
            packages: "external",
        });
        cloud.push = (envelope) => {
            if (alive) child.send(envelope);
        };
    }, 120_000);
    afterAll(async () => {
        await kill();
        await engine?.stop();
        rmSync(script, { force: true });
        await removeTempDirs();
    }, 60_000);

    /** Starts it and offers everything it should have, as the controllers do when a node comes back. */
    async function start(): Promise<void> {
        child = fork(script, [join(dir, "state"), engine.socket, NODE], { execArgv: [] });
        const ready = new Promise<void>((resolve, reject) => {
            child.once("exit", () => reject(new Error("the gateway did not start")));
            child.on("message", (message: Envelope | "ready") => {
                if (message === "ready") resolve();
                else cloud.take(message);
            });
        });
        // Before "ready": what it asks while it starts has to be answered too.
        alive = true;
        await ready;
        child.removeAllListeners("exit");
        child.send(
            newEnvelope({ route: { source: "edgehub", operation: "connect", resource: "link" }, content: null }),
        );
        const offer = (operation: string, resource: string, content: KubeObject): void => {
            child.send(
                newEnvelope({ route: { source: "edgecontroller", group: "resource", operation, resource }, content }),
            );
        };
        const wanted = [...cloud.objects].filter(([resource]) => /\/(pod|configmap)\//.test(resource));
        for (const [resource, object] of wanted.sort()) offer("update", resource, object);
        for (const object of deleted) {
            const resource = `default/pod/${object.metadata.name}`;
            if (cloud.objects.get(resource)?.metadata.uid !== object.metadata.uid) offer("delete", resource, object);
        }
    }
    async function kill(): Promise<void> {
        if (!alive) return;
        alive = false;
        child.removeAllListeners("message");
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
    }
    const pods = (): [string, KubeObject][] => [...cloud.objects].filter(([resource]) => resource.includes("/pod/"));

    function changeSomething(step: number): void {
        const live = pods().filter(([, { metadata }]) => metadata.deletionTimestamp === undefined);
        const dice = random();
        if (live.length < 3 || dice < 0.4) {
            const name = `p${step}`;
            if (random() < 0.5) {
                cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": FLOW }));
                cloud.apply(`default/pod/${name}`, flowPod(name));
            } else {
                const command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"];
                cloud.apply(
                    `default/pod/${name}`,
                    pod(name, { containers: [{ name: "main", image: BUSYBOX, command }] }),
                );
            }
        } else if (dice < 0.7) {
            const [resource, object] = live[Math.floor(random() * live.length)] ?? ["", undefined];
            if (object === undefined) return;
            deleted.push(object);
            cloud.deletePod(resource, 1);
        } else {
            const maps = [...cloud.objects].filter(([resource]) => resource.includes("/configmap/"));
            const [resource, map] = maps[Math.floor(random() * maps.length)] ?? ["", undefined];
            const text = JSON.stringify([{ id: "t", type: "tab", label: `step ${step}` }]);
            if (map !== undefined) cloud.apply(resource, { ...map, data: { "a.json": text } });
        }
    }

    it(`leaves exactly what is wanted after ${KILLS} kills at random moments`, { timeout: 600_000 }, async () => {
        for (let step = 0; step < KILLS; step += 1) {
            await start();
            changeSomething(step * 2);
            await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
            changeSomething(step * 2 + 1);
            await new Promise((resolve) => setTimeout(resolve, random() * 400));
            await kill();
        }
        await start();
        const unmet = (): string[] =>
            pods()
                .filter(([, object]) => phase(object) !== "Running")
                .map(
                    ([resource, object]) =>
                        `${resource}: ${JSON.stringify([object.metadata.deletionTimestamp, object["status"]])}`,
                );
        await until(
            () => unmet().length === 0,
            () => `everything wanted runs, everything deleted is gone:\n${unmet().join("\n")}`,
            60_000,
        );
        const wanted = pods().filter(
            ([, object]) => (object["spec"] as { runtimeClassName?: string }).runtimeClassName === undefined,
        );
        const expected = wanted.map(([, { metadata }]) => metadata.uid).sort();
        const inEngine = await until(
            async () => {
                const listed = JSON.parse(await call(engine.socket, "GET", "/containers/json?all=true")) as Listed[];
                const uids = listed.map(({ Labels }) => Labels["io.kubernetes.pod.uid"]);
                return new Set(uids).size === expected.length ? listed : undefined;
            },
            "no container is an orphan",
            30_000,
        );
        expect(inEngine.map(({ Labels }) => Labels["io.kubernetes.pod.uid"]).sort()).toEqual(
            [...expected, ...expected].sort(),
        );
        expect(inEngine.every(({ State }) => State === "running")).toBe(true);
        const restarts = pods().flatMap(([, object]) => {
            const { containerStatuses } = object["status"] as { containerStatuses: ContainerStatus[] };
            return containerStatuses.map(({ restartCount }) => restartCount);
        });
        expect(restarts.every((count) => count === 0)).toBe(true);
    });
});

function phase(object: KubeObject): string | undefined {
    return (object["status"] as { phase?: string } | undefined)?.phase;
}

/** Repeatable numbers in [0, 1) (mulberry32). */
function generator(seed: number): () => number {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    };
}
