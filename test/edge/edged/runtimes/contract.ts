// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { sandboxSpec } from "../../../../src/edge/edged/pods/sandbox.ts";
import type {
    ContainerRecord,
    ContainerSpec,
    LogQuery,
    PodRuntime,
} from "../../../../src/edge/edged/runtimes/runtime.ts";
import { pod, removeTempDirs, tempDir, until } from "../harness.ts";

/** What a runtime under the contract is given and gives. */
export interface Subject {
    /** A runtime on the engine; a second one is what comes after a restart of the gateway. */
    open(dir: string): Promise<PodRuntime>;
    readonly image: string;
    readonly handler: string;
    /** Makes the container print these lines, then go on. */
    printing(lines: readonly string[]): Pick<ContainerSpec, "command" | "args">;
    /** Called after a start: for runtimes whose containers cannot be told by a command. */
    afterStart?(record: ContainerRecord, lines: readonly string[]): void;
    /** Ends the container from inside with that exit code. */
    crash(runtime: PodRuntime, record: ContainerRecord, exitCode: number): Promise<void>;
    /** Commands can be executed in containers. */
    readonly hasProcesses: boolean;
    close(): Promise<void>;
}

const LINES = ["one", "two", "three"];

/** The rules that every runtime keeps. To be called inside a `describe`. */
export function runtimeContract(make: () => Promise<Subject>): void {
    let subject: Subject;
    let runtime: PodRuntime;
    let dir: string;
    const opened: PodRuntime[] = [];

    beforeAll(async () => {
        subject = await make();
    });
    afterAll(async () => subject?.close(), 60_000);
    beforeEach(async () => {
        dir = await tempDir();
        runtime = await open();
    });
    afterEach(async () => {
        for (const { pod: ref } of await runtime.list()) await runtime.removePod(ref.uid);
        for (const one of opened.splice(0)) await one.stop();
        await removeTempDirs();
    });

    async function open(): Promise<PodRuntime> {
        const one = await subject.open(dir);
        opened.push(one);
        await one.start();
        return one;
    }

    /** A spec of a container that prints LINES; the flow file is there for those who want one. */
    function specOf(name: string, attempt = 0): ContainerSpec {
        const flowDir = join(dir, "flow");
        mkdirSync(flowDir, { recursive: true });
        writeFileSync(join(flowDir, "a.json"), JSON.stringify([{ id: "t", type: "tab" }]));
        const container = { name: "main", image: subject.image };
        const made = pod(name, { containers: [container] }, { uid: `uid-${name}` });
        return {
            pod: made,
            container,
            kind: "container",
            handler: subject.handler,
            attempt,
            hash: "h",
            image: subject.image,
            imageId: subject.image,
            env: [["GREETING", "hello"]],
            mounts: [{ hostPath: flowDir, containerPath: "/flow", readOnly: true }],
            oomScoreAdj: 1000,
            ...subject.printing(LINES),
        };
    }

    async function begin(name: string, attempt = 0): Promise<ContainerRecord> {
        const spec = specOf(name, attempt);
        await runtime.ensureSandbox(sandboxSpec(spec.pod, subject.handler));
        const record = await runtime.startContainer(spec);
        subject.afterStart?.(record, LINES);
        return record;
    }

    async function log(id: string, query: LogQuery = {}): Promise<string> {
        const chunks: Buffer[] = [];
        for await (const { data } of runtime.logs(id, query)) chunks.push(data);
        return Buffer.concat(chunks).toString("utf8");
    }
    const printed = (id: string): Promise<true> =>
        until(async () => (await log(id)) === "one\ntwo\nthree\n" || undefined, "log");

    async function exec(id: string, command: readonly string[]): Promise<{ code: number; out: string }> {
        const session = await runtime.exec({ containerId: id, command, stdin: false, tty: false });
        let out = "";
        session.stdout.on("data", (data: Buffer) => {
            out += data;
        });
        return { code: await session.exit, out };
    }

    it("is ready and serves its handler, no other", async () => {
        expect(await runtime.info()).toMatchObject({ ready: true });
        expect(runtime.serves(subject.handler)).toBe(true);
        expect(runtime.serves("no-such-handler")).toBe(false);
    });

    it("makes a sandbox once", async () => {
        const spec = sandboxSpec(specOf("a").pod, subject.handler);
        const first = await runtime.ensureSandbox(spec);
        const second = await runtime.ensureSandbox(spec);
        expect(first.ready).toBe(true);
        expect(first.ips.length).toBeGreaterThan(0);
        expect(second.id).toBe(first.id);
    });

    it("starts a container and knows it by pod, name, attempt and hash", async () => {
        const record = await begin("a");
        expect(record).toMatchObject({ name: "main", kind: "container", attempt: 0, hash: "h", image: subject.image });
        expect(record.state.phase).toBe("running");
        const found = await runtime.get("uid-a");
        expect(found?.pod).toEqual({ uid: "uid-a", name: "a", namespace: "default" });
        expect(found?.containers.map(({ id }) => id)).toEqual([record.id]);
    });

    it("keeps the log and gives it by tail, limit and with time stamps", async () => {
        const { id } = await begin("a");
        await printed(id);
        expect(await log(id, { tailLines: 2 })).toBe("two\nthree\n");
        expect(await log(id, { limitBytes: 5 })).toBe("one\nt");
        expect(await log(id, { sinceMs: Date.now() + 60_000 })).toBe("");
        expect(await log(id, { tailLines: 1, timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT\S+Z three\n$/);
    });

    it("follows a log until the container ends", async () => {
        const { id } = await begin("a");
        const whole = log(id, { follow: true });
        await printed(id);
        await runtime.stopContainer(id, 0);
        expect(await whole).toBe("one\ntwo\nthree\n");
    });

    it("stops a container, twice as well as once, and remembers how it ended", async () => {
        const { id } = await begin("a");
        await runtime.stopContainer(id, 1);
        await runtime.stopContainer(id, 1);
        const state = (await runtime.get("uid-a"))?.containers[0]?.state;
        expect(state?.phase).toBe("exited");
    });

    it("tells when a container ends by itself, and with which exit code", async () => {
        const record = await begin("a");
        const told: (string | undefined)[] = [];
        runtime.onChange((uid) => told.push(uid));
        await subject.crash(runtime, record, 3);
        await until(() => told.includes("uid-a") || undefined, "told");
        const state = await until(async () => {
            const now = (await runtime.get("uid-a"))?.containers[0]?.state;
            return now?.phase === "exited" ? now : undefined;
        }, "exited");
        expect(state).toMatchObject({ exitCode: 3, reason: "Error" });
        expect(state.finishedMs).toBeGreaterThanOrEqual(state.startedMs);
    });

    it("tells of ends also after a stop and another start, as when Edged alone is deployed anew", async () => {
        await runtime.stop();
        await runtime.start();
        const record = await begin("again");
        const told = new Promise<void>((resolve) => {
            runtime.onChange((uid) => {
                if (uid === "uid-again") resolve();
            });
        });
        await subject.crash(runtime, record, 3);
        await told;
        const ended = await until(async () => {
            const found = (await runtime.get("uid-again"))?.containers[0]?.state;
            return found?.phase === "exited" ? found : undefined;
        }, "exited");
        expect(ended.exitCode).toBe(3);
    });

    it("keeps the start before beside the newest, and no more", async () => {
        for (const attempt of [0, 1, 2]) {
            const record = await begin("a", attempt);
            await printed(record.id);
            await runtime.stopContainer(record.id, 0);
        }
        const attempts = (await runtime.get("uid-a"))?.containers.map(({ attempt }) => attempt) ?? [];
        expect([...attempts].sort()).toEqual([1, 2]);
        const previous = (await runtime.get("uid-a"))?.containers.find(({ attempt }) => attempt === 1);
        expect(await log(previous?.id ?? "")).toBe("one\ntwo\nthree\n");
    });

    it("finds everything again after a restart of the gateway, under the same ids", async () => {
        const before = await begin("a");
        await runtime.stop();
        opened.length = 0;
        runtime = await open();
        const [found] = await runtime.list();
        expect(found?.pod.uid).toBe("uid-a");
        const [record] = found?.containers ?? [];
        expect(record).toMatchObject({ id: before.id, attempt: 0, hash: "h" });
        expect(record?.state).toMatchObject({ startedMs: (before.state as { startedMs: number }).startedMs });
        if (record?.state.phase === "created") {
            const again = await runtime.startContainer(specOf("a"));
            expect(again).toMatchObject({ id: before.id, attempt: 0, state: before.state });
        }
    });

    it("removes a pod with everything of it, twice as well as once, and only that pod", async () => {
        await begin("a");
        await begin("b");
        await runtime.removePod("uid-a");
        await runtime.removePod("uid-a");
        expect((await runtime.list()).map(({ pod: ref }) => ref.name)).toEqual(["b"]);
        expect(await runtime.get("uid-a")).toBeUndefined();
    });

    it("executes commands with output and exit code, or says that it cannot", async () => {
        const { id } = await begin("a");
        if (!subject.hasProcesses) {
            await expect(exec(id, ["true"])).rejects.toMatchObject({ code: "REDGE_RUNTIME_NOT_OFFERED" });
            return;
        }
        expect(await exec(id, ["sh", "-c", "echo $GREETING; exit 5"])).toEqual({ code: 5, out: "hello\n" });
        expect(await exec(id, ["true"])).toEqual({ code: 0, out: "" });
    });

    it("gives a command its input", async () => {
        const { id } = await begin("a");
        if (!subject.hasProcesses) return;
        const session = await runtime.exec({ containerId: id, command: ["head", "-c", "5"], stdin: true, tty: false });
        let out = "";
        session.stdout.on("data", (data: Buffer) => {
            out += data;
        });
        session.stdin?.write("hello");
        expect(await session.exit).toBe(0);
        expect(out).toBe("hello");
    });

    it("attaches to what runs alone: nobody waits for one that has ended", async () => {
        const { id } = await begin("a");
        await runtime.stopContainer(id, 0);
        await expect(runtime.attach(id, { stdin: true, tty: false })).rejects.toMatchObject({
            code: subject.hasProcesses ? "REDGE_RUNTIME_FAILED" : "REDGE_RUNTIME_NOT_OFFERED",
        });
    });

    it("tells what containers use", async () => {
        const { id } = await begin("a");
        if (!subject.hasProcesses) return;
        const usage = await until(
            async () => (await runtime.stats("uid-a")).find(({ containerId }) => containerId === id),
            "usage",
        );
        expect(usage.memoryBytes).toBeGreaterThan(0);
        expect(usage.cpuNanoseconds).toBeGreaterThan(0);
    });
}
