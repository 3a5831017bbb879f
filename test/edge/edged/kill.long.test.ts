// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ContainerStatus } from "../../../src/edge/edged/podspec/types.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { BUSYBOX, call, type DockerEngine, dockerParts, startDocker } from "../../support/docker.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWith, type Part } from "../../support/requires.ts";
import { configMap, FakeCloud, flowPod, NODE, pod, removeTempDirs, tempDir, testPorts, until } from "./harness.ts";

/** `npm run test:kill-workloads` asks for 200. */
const KILLS = Number(process.env["REDGE_KILLS"] ?? 12);
const PODS_MOST = 10;
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);

interface Listed {
    readonly State: string;
    readonly Labels: Readonly<Record<string, string>>;
}

const root = resolve(import.meta.dirname, "../../..");
const CHILD = join(root, "dist/nodes/edge/edged/isolated-child.js");
const built: Part = {
    name: "npm run build",
    probe: () => (existsSync(CHILD) ? undefined : "the isolated flow host's script is not built"),
};

describeWith([...dockerParts, built], "kill -9 of the gateway, the engine and flow processes", () => {
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
        child = fork(script, [join(dir, "state"), engine.socket, NODE, CHILD], { execArgv: [] });
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
        if (child.exitCode !== null) return; // It did not even start.
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
    }
    const pods = (): [string, KubeObject][] => [...cloud.objects].filter(([resource]) => resource.includes("/pod/"));

    function changeSomething(step: number): void {
        const live = pods().filter(([, { metadata }]) => metadata.deletionTimestamp === undefined);
        const dice = random();
        if (live.length < 3 || (dice < 0.4 && live.length < PODS_MOST)) {
            const name = `p${step}`;
            const kind = random();
            if (kind < 0.6) {
                const made = flowPod(name);
                const runtimeClassName = kind < 0.3 ? "node-red" : "node-red-isolated";
                cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": FLOW }));
                cloud.apply(`default/pod/${name}`, { ...made, spec: { ...made.spec, runtimeClassName } });
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

    /** The processes of isolated flow pods, by their folder. */
    function flowProcesses(): Map<string, number> {
        const folder = join(dir, "state", "isolated");
        const found = new Map<string, number>();
        for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
            const cwd = linkOf(`/proc/${pid}/cwd`);
            if (cwd.startsWith(`${folder}/`)) found.set(cwd.slice(folder.length + 1), Number(pid));
        }
        return found;
    }
    /** One that was not killed before: its pod starts again after the shortest back-off. */
    function killFlowProcess(killed: Set<string>): boolean {
        const fresh = [...flowProcesses()].filter(([name]) => !killed.has(name));
        const [name, pid] = fresh[Math.floor(random() * fresh.length)] ?? ["", undefined];
        if (pid === undefined) return false;
        killed.add(name);
        process.kill(pid, "SIGKILL");
        return true;
    }

    it(`leaves exactly what is wanted after ${KILLS} kills at random moments`, {
        timeout: 600_000 + KILLS * 10_000,
    }, async () => {
        const kills = { gateway: 0, engine: 0, flow: 0 };
        const killed = new Set<string>();
        for (let step = 0; step < KILLS; step += 1) {
            if (!alive) await start();
            changeSomething(step * 2);
            await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
            changeSomething(step * 2 + 1);
            await new Promise((resolve) => setTimeout(resolve, random() * 400));
            const dice = random();
            if (dice < 0.25 && killFlowProcess(killed)) kills.flow += 1;
            else if (dice < 0.5) {
                await engine.kill();
                kills.engine += 1;
                await engine.start();
            } else {
                await kill();
                kills.gateway += 1;
            }
        }
        await kill();
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
        );
        const ofClass = (name: string | undefined) =>
            pods().filter(([, { spec }]) => (spec as { runtimeClassName?: string }).runtimeClassName === name);
        const wanted = ofClass(undefined);
        const expected = wanted.flatMap(([, { metadata }]) => {
            const running = `${metadata.uid} running`;
            return [running, running];
        });
        // No container is an orphan, and what is dead goes by and by.
        await eventually(async () => {
            const listed = JSON.parse(await call(engine.socket, "GET", "/containers/json?all=true")) as Listed[];
            const found = listed.map(({ Labels, State }) => `${Labels["io.kubernetes.pod.uid"]} ${State}`);
            expect(found.sort()).toEqual(expected.sort());
        });
        await until(
            () => flowProcesses().size === ofClass("node-red-isolated").length || undefined,
            "each isolated flow pod has its process, and no process is left over",
        );
        const restartsOf = (name: string | undefined): number =>
            ofClass(name)
                .flatMap(([, { status }]) => (status as { containerStatuses: ContainerStatus[] }).containerStatuses)
                .reduce((sum, { restartCount }) => sum + restartCount, 0);
        expect(restartsOf(undefined)).toBe(0);
        expect(restartsOf("node-red")).toBe(0);
        // A flow whose own process was killed has ended: that is counted, once for each kill.
        expect(restartsOf("node-red-isolated")).toBeLessThanOrEqual(kills.flow);
        await kill();
        const kept = await storedObjects(join(dir, "state", "store.db"));
        const lost = [...cloud.objects].filter(
            ([resource, { metadata }]) => resource.includes("/pod/") && kept.get(resource) !== metadata.uid,
        );
        expect(lost.map(([resource]) => resource)).toEqual([]);
        console.log(`${JSON.stringify(kills)}; ${pods().length} pods run, ${deleted.length} deleted`);
    });
});

/** What the killed gateway's store holds, by resource. */
async function storedObjects(path: string): Promise<Map<string, string | undefined>> {
    const store = await openStore({ engine: "nedb", path }, testPorts);
    const prefix = "metamanager/objects/";
    const entries = await store.scan<KubeObject>(prefix);
    await store.close();
    return new Map(entries.map(({ key, value }) => [key.slice(prefix.length), value.metadata.uid]));
}

/** Empty for a process that has gone meanwhile. */
function linkOf(path: string): string {
    try {
        return readlinkSync(path);
    } catch (thrown) {
        if (["ENOENT", "ESRCH", "EACCES"].includes((thrown as NodeJS.ErrnoException).code ?? "")) return "";
        throw thrown;
    }
}

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
