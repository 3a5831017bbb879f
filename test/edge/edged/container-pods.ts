// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { PodRuntime } from "../../../src/edge/edged/runtimes/runtime.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import {
    configMap,
    type FakeCloud,
    type Gateway,
    pod,
    removeTempDirs,
    secret,
    startGateway,
    tempDir,
    until,
} from "./harness.ts";

const POD = "default/pod/web";

/** A real engine, and how Edged is to speak to it. */
export interface EngineUnderTest {
    readonly image: string;
    runtime(rootDir: string): PodRuntime;
    /** Ids of everything in the engine, sandboxes too. */
    containers(): Promise<readonly string[]>;
    kill(): Promise<void>;
    start(): Promise<void>;
    stop(): Promise<void>;
}

/** What pods do on a real engine, whichever. To be called inside a `describe`. */
export function containerPods(make: () => Promise<EngineUnderTest>): void {
    let engine: EngineUnderTest;
    const running: Gateway[] = [];

    beforeAll(async () => {
        engine = await make();
    }, 120_000);
    afterAll(() => engine?.stop(), 60_000);
    afterEach(async () => {
        for (const each of running.splice(0)) await each.stop();
        await removeTempDirs();
    });

    async function gateway(more: Partial<Parameters<typeof startGateway>[0]> = {}): Promise<Gateway> {
        const started = await startGateway({ runtimes: (rootDir) => [engine.runtime(rootDir)], ...more });
        running.push(started);
        return started;
    }
    function phaseIs(cloud: FakeCloud, phase: string): Promise<unknown> {
        return until(() => cloud.status(POD)?.phase === phase || undefined, `${POD} ${phase}`, 30_000);
    }
    async function logOf({ edged }: Gateway, container = "web"): Promise<string> {
        const worker = edged.pods.find("default", "web");
        const record = worker?.record?.containers.filter(({ name }) => name === container).at(-1);
        if (worker?.runtime === undefined || record === undefined) return "";
        const chunks: Buffer[] = [];
        for await (const { data } of worker.runtime.logs(record.id, {})) chunks.push(data);
        return Buffer.concat(chunks).toString("utf8");
    }
    async function end(cloud: FakeCloud): Promise<void> {
        cloud.deletePod(POD, 1);
        await until(() => !cloud.objects.has(POD) || undefined, "pod deleted", 20_000);
    }

    it("runs a container with ConfigMap files and Secret environment, and removes it with the pod", async () => {
        const one = await gateway();
        const { cloud } = one;
        cloud.apply("default/configmap/web", configMap("web", { "greeting.txt": "hello" }));
        cloud.put("default/secret/keys", secret("keys", { token: "s3cret" }));
        cloud.apply(
            POD,
            pod("web", {
                containers: [
                    {
                        name: "web",
                        image: engine.image,
                        command: [
                            "sh",
                            "-c",
                            "cat /etc/web/greeting.txt; echo; echo token=$TOKEN; echo $(POD_IP); sleep 3600",
                        ],
                        env: [
                            { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
                            { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
                        ],
                        volumeMounts: [{ name: "web", mountPath: "/etc/web" }],
                    },
                ],
                volumes: [{ name: "web", configMap: { name: "web" } }],
            }),
        );
        await phaseIs(cloud, "Running");
        const text = await until(async () => {
            const log = await logOf(one);
            return log.split("\n").length > 3 ? log : undefined;
        }, "log");
        const ip = cloud.status(POD)?.podIP;
        expect(text).toBe(`hello\ntoken=s3cret\n${ip}\n`);
        expect(ip).toMatch(/^10\./);
        const worker = one.edged.pods.find("default", "web");
        const id = worker?.record?.containers[0]?.id ?? "";
        cloud.apply("default/configmap/web", configMap("web", { "greeting.txt": "changed" }));
        await until(async () => {
            const session = await worker?.runtime?.exec({
                containerId: id,
                command: ["cat", "/etc/web/greeting.txt"],
                stdin: false,
                tty: false,
            });
            let out = "";
            session?.stdout.on("data", (data: Buffer) => {
                out += data;
            });
            expect(await session?.exit).toBe(0);
            return out === "changed" || undefined;
        }, "changed file in the container");
        expect(worker?.pod.status?.containerStatuses?.[0]?.restartCount).toBe(0);
        await end(cloud);
        expect(await engine.containers()).toEqual([]);
        expect(readdirSync(`${one.rootDir}/pods`)).toEqual([]);
    });

    it("goes through init containers, a sidecar, exit codes and restarts", async () => {
        const one = await gateway();
        const { cloud } = one;
        cloud.apply(
            POD,
            pod("web", {
                restartPolicy: "Never",
                initContainers: [
                    {
                        name: "prepare",
                        image: engine.image,
                        command: ["sh", "-c", "echo ready > /work/state"],
                        volumeMounts: [{ name: "work", mountPath: "/work" }],
                    },
                    { name: "side", image: engine.image, restartPolicy: "Always", command: ["sleep", "3600"] },
                ],
                containers: [
                    {
                        name: "web",
                        image: engine.image,
                        command: ["sh", "-c", "cat /work/state; echo over > /dev/termination-log; exit 3"],
                        volumeMounts: [{ name: "work", mountPath: "/work" }],
                    },
                ],
                volumes: [{ name: "work", emptyDir: {} }],
            }),
        );
        await phaseIs(cloud, "Failed");
        const status = await until(() => {
            const told = cloud.status(POD);
            return told?.initContainerStatuses?.[1]?.state.terminated === undefined ? undefined : told;
        }, "sidecar stopped");
        expect(status.containerStatuses?.[0]?.state.terminated).toMatchObject({
            exitCode: 3,
            reason: "Error",
            message: "over\n",
        });
        expect(status.initContainerStatuses?.[0]).toMatchObject({
            ready: true,
            state: { terminated: { exitCode: 0 } },
        });
        expect(await logOf(one)).toBe("ready\n");
        await end(cloud);
    });

    it("says OOMKilled, keeps limits and restarts with back-off", async () => {
        const { cloud } = await gateway();
        cloud.apply(
            POD,
            pod("web", {
                containers: [
                    {
                        name: "web",
                        image: engine.image,
                        command: ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"],
                        resources: { limits: { memory: "32Mi", cpu: "500m" } },
                    },
                ],
            }),
        );
        const status = await until(
            () => {
                const [told] = cloud.status(POD)?.containerStatuses ?? [];
                return told?.state.waiting?.reason === "CrashLoopBackOff" ? told : undefined;
            },
            "crash loop",
            30_000,
        );
        expect(status.restartCount).toBe(1);
        expect(status.lastState.terminated?.exitCode).toBe(137);
        expect(status.lastState.terminated?.reason).toBe("OOMKilled");
        expect(cloud.status(POD)?.qosClass).toBe("Guaranteed");
        await end(cloud);
    });

    it("restarts on a failing liveness probe and is ready by its readiness probe", async () => {
        const { cloud } = await gateway();
        cloud.apply(
            POD,
            pod("web", {
                containers: [
                    {
                        name: "web",
                        image: engine.image,
                        command: ["sh", "-c", "mkdir -p /www; echo ok > /www/health; httpd -f -p 8080 -h /www"],
                        ports: [{ containerPort: 8080, name: "http" }],
                        readinessProbe: { httpGet: { path: "/health", port: "http" }, periodSeconds: 1 },
                        livenessProbe: {
                            exec: { command: ["test", "-f", "/www/health"] },
                            periodSeconds: 1,
                            failureThreshold: 2,
                        },
                    },
                ],
            }),
        );
        const told = (): { ready: boolean; restartCount: number } | undefined =>
            cloud.status(POD)?.containerStatuses?.[0];
        await until(() => told()?.ready || undefined, "ready", 20_000);
        const { edged } = running[0] as Gateway;
        const worker = edged.pods.find("default", "web");
        const id = worker?.record?.containers[0]?.id ?? "";
        const session = await worker?.runtime?.exec({
            containerId: id,
            command: ["rm", "/www/health"],
            stdin: false,
            tty: false,
        });
        await session?.exit;
        await until(
            () => (told()?.restartCount === 1 && told()?.ready) || undefined,
            "restarted and ready again",
            30_000,
        );
        await end(cloud);
    });

    it("adopts what runs after a restart of the gateway and of the engine", async () => {
        const store = new MemoryStore();
        const rootDir = await tempDir();
        const first = await gateway({ store, rootDir });
        first.cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: engine.image, command: ["sleep", "3600"] }] }),
        );
        await phaseIs(first.cloud, "Running");
        const before = await engine.containers();
        await first.stop();
        await engine.kill();
        const second = await gateway({ store, rootDir, cloud: first.cloud });
        await engine.start();
        const status = await until(
            () => {
                const worker = second.edged.pods.find("default", "web");
                return worker?.record?.containers[0]?.state.phase === "running"
                    ? worker.pod.status?.containerStatuses?.[0]
                    : undefined;
            },
            "adopted",
            20_000,
        );
        expect(status?.restartCount).toBe(0);
        expect(await engine.containers()).toEqual(before);
        await end(second.cloud);
    });

    it("removes containers that no pod owns", async () => {
        const store = new MemoryStore();
        const first = await gateway({ store });
        first.cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: engine.image, command: ["sleep", "3600"] }] }),
        );
        await phaseIs(first.cloud, "Running");
        await first.stop();
        await store.write([{ op: "delete", key: `metamanager/objects/${POD}` }]);
        await gateway({ store, rootDir: first.rootDir });
        await until(async () => (await engine.containers()).length === 0 || undefined, "orphans gone", 20_000);
    });
}
