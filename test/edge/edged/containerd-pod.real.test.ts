// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { CriRuntime } from "../../../src/edge/edged/runtimes/cri/cri-runtime.ts";
import { containerdParts, startContainerd } from "../../support/containerd.ts";
import { crunPart } from "../../support/docker.ts";
import { describeWith } from "../../support/requires.ts";
import { containerPods } from "./container-pods.ts";
import { pod, removeTempDirs, startGateway, tempDir, testPorts, until } from "./harness.ts";

describeWith([...containerdParts, crunPart], "pods on a real containerd", () => {
    containerPods(async () => {
        const engine = await startContainerd();
        return {
            ...engine,
            runtime: (rootDir) =>
                new CriRuntime({ ...testPorts, socket: engine.socket, owner: "test", logDir: join(rootDir, "logs") }),
            containers: async () => {
                const args = ["-a", engine.socket, "-n", "k8s.io", "containers", "ls", "-q"];
                return spawnSync("ctr", args, { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
            },
            runtimeOf: async (id) => {
                const args = ["-a", engine.socket, "-n", "k8s.io", "containers", "info", id];
                const told = JSON.parse(spawnSync("ctr", args, { encoding: "utf8" }).stdout) as {
                    Runtime: { Options: { value: string } };
                };
                // A protobuf message whose only text is the path of the runtime's program.
                return Buffer.from(told.Runtime.Options.value, "base64").toString("latin1");
            },
        };
    });
});

describeWith(containerdParts, "logs on a real containerd", () => {
    let engine: Awaited<ReturnType<typeof startContainerd>>;
    beforeAll(async () => {
        engine = await startContainerd();
    });
    afterAll(() => engine?.stop());
    afterEach(removeTempDirs);

    it("are rotated while the container writes on, and read as one", async () => {
        const logDir = join(await tempDir(), "logs");
        const ports = { ...testPorts, socket: engine.socket, owner: "test", logDir, logMaxBytes: 16 * 1024 };
        const runtime = new CriRuntime(ports);
        const { cloud, edged, stop } = await startGateway({ runtimes: () => [runtime] });
        const loop = "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; sleep 3600";
        const containers = [{ name: "web", image: engine.image, command: ["sh", "-c", loop] }];
        cloud.apply("default/pod/web", pod("web", { containers }));
        const record = await until(() => edged.pods.find("default", "web")?.record?.containers[0], "started");
        const lines = async (): Promise<string[]> => {
            const chunks: Buffer[] = [];
            for await (const { data } of runtime.logs(record.id, {})) chunks.push(data);
            return Buffer.concat(chunks).toString("utf8").split("\n").filter(Boolean);
        };
        const path = join(logDir, record.pod.uid, "web.0.log");
        await until(async () => (await lines()).length === 1000 || undefined, "a thousand lines");
        await runtime.rotateLogs();
        expect(existsSync(`${path}.1`)).toBe(true);
        const command = ["sh", "-c", "echo after > /proc/1/fd/1"];
        const session = await runtime.exec({ containerId: record.id, command, stdin: false, tty: false });
        expect(await session.exit).toBe(0);
        const all = await until(async () => {
            const read = await lines();
            return read.length === 1001 ? read : undefined;
        }, "the line after the rotation");
        expect(all).toEqual([...Array.from({ length: 1000 }, (_, index) => `line ${index}`), "after"]);
        expect(readFileSync(path, "utf8")).toMatch(/^\S+ stdout F after\n$/);
        cloud.deletePod("default/pod/web", 1);
        await until(() => !cloud.objects.has("default/pod/web") || undefined, "deleted");
        expect(existsSync(path)).toBe(false);
        await stop();
    });
});
