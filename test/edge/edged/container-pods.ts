// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { hostDns } from "../../../src/edge/edged/pods/resolv-conf.ts";
import type { Container, Pod, PodStatus } from "../../../src/edge/edged/podspec/types.ts";
import type { PodRuntime } from "../../../src/edge/edged/runtimes/runtime.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { freePorts } from "../../support/free-ports.ts";
import { FakeMachine } from "./fake-machine.ts";
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
    /** The OCI runtime that a container was started by. */
    runtimeOf(id: string): Promise<string>;
    /** Loads another image under that name. */
    addImage(name: string): Promise<void>;
}

/** The system's time, moved on by the test. */
class MovedClock implements Clock {
    #movedMs = 0;
    readonly after = systemClock.after;

    move(ms: number): void {
        this.#movedMs += ms;
    }

    nowMs(): number {
        return systemClock.nowMs() + this.#movedMs;
    }

    monotonicMs(): number {
        return systemClock.monotonicMs() + this.#movedMs;
    }
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

    it("has its own sysctls, resolver, group and token, and follows the token's renewal", async () => {
        const clock = new MovedClock();
        const one = await gateway({ clock });
        const { cloud } = one;
        const script = [
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced",
            "id -u; id -G",
            "stat -c '%a %g' /data; touch /data/mine && stat -c '%u %g' /data/mine",
            "stat -L -c '%a %u %g' /var/run/token/token; cat /var/run/token/token; echo",
            "cat /etc/resolv.conf; echo end; sleep 3600",
        ].join("; ");
        const web = pod("web", {
            serviceAccountName: "reader",
            dnsConfig: {
                nameservers: ["192.0.2.53"],
                searches: ["plant.example"],
                options: [{ name: "ndots", value: "3" }],
            },
            securityContext: {
                runAsUser: 1234,
                fsGroup: 2345,
                sysctls: [
                    { name: "net.ipv4.ip_unprivileged_port_start", value: "99" },
                    { name: "kernel.shm_rmid_forced", value: "1" },
                ],
            },
            containers: [
                {
                    name: "web",
                    image: engine.image,
                    command: ["sh", "-c", script],
                    volumeMounts: [
                        { name: "data", mountPath: "/data" },
                        { name: "token", mountPath: "/var/run/token" },
                    ],
                },
            ],
            volumes: [
                { name: "data", emptyDir: {} },
                {
                    name: "token",
                    projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3600 } }] },
                },
            ],
        });
        cloud.apply(POD, web);
        await phaseIs(cloud, "Running");
        const text = await until(async () => {
            const log = await logOf(one);
            return log.endsWith("end\n") ? log : undefined;
        }, "log");
        const [port, shared, uid, groups, folder, file, access, token = "", ...resolver] = text.split("\n");
        expect({ port, shared, uid }).toEqual({ port: "99", shared: "1", uid: "1234" });
        expect(groups?.split(" ")).toContain("2345");
        expect({ folder, file, access }).toEqual({ folder: "2777 2345", file: "1234 2345", access: "640 1234 2345" });
        expect(token).toMatch(/^token-\d+$/);
        expect(resolver.join("\n")).toMatch(/^nameserver 192\.0\.2\.53$/m);
        expect(resolver.join("\n")).toMatch(/^search .*\bplant\.example\b/m);
        expect(resolver.join("\n")).toMatch(/^options .*\bndots:3\b/m);
        // The machine's own servers come first, as long as the pod does not want them away.
        const own = hostDns().servers;
        const seen = resolver.filter((line) => line.startsWith("nameserver ")).map((line) => line.split(" ")[1]);
        expect(seen).toEqual([...new Set([...own, "192.0.2.53"])].slice(0, seen.length));

        // Four fifths of its life are over: the next look renews it, in the running container.
        clock.move(49 * 60_000);
        const labels = { looked: "again" };
        cloud.apply(POD, { ...cloud.objects.get(POD), ...web, metadata: { ...web.metadata, labels } });
        const worker = one.edged.pods.find("default", "web");
        const id = worker?.record?.containers[0]?.id ?? "";
        await until(
            async () => {
                const command = ["cat", "/var/run/token/token"];
                const session = await worker?.runtime?.exec({ containerId: id, command, stdin: false, tty: false });
                let out = "";
                session?.stdout.on("data", (data: Buffer) => {
                    out += data;
                });
                expect(await session?.exit).toBe(0);
                return (/^token-\d+$/.test(out) && out !== token) || undefined;
            },
            "another token",
            20_000,
        );
        expect(worker?.record?.containers).toHaveLength(1);
        await end(cloud);
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

    it("tells in the kubelet's words what it does and what it waits for", async () => {
        const { cloud } = await gateway();
        const waitsFor = (reason: string): Promise<PodStatus> =>
            until(
                () => {
                    const status = cloud.status(POD);
                    const [told] = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
                    return told?.state.waiting?.reason === reason ? status : undefined;
                },
                () => `${reason}: ${JSON.stringify(cloud.status(POD))}`,
                30_000,
            );
        const told = (): unknown[] =>
            cloud.events
                .filter(({ involvedObject }) => (involvedObject as { kind: string }).kind === "Pod")
                .map(({ type, reason, message }) => [type, reason, message]);
        const one = (more: Partial<Container>): Partial<Pod["spec"]> => ({
            containers: [{ name: "web", image: engine.image, command: ["sleep", "3600"], ...more }],
        });

        cloud.apply(POD, pod("web", one({})));
        await phaseIs(cloud, "Running");
        expect(told()).toEqual([
            ["Normal", "Pulled", `Container image "${engine.image}" already present on machine`],
            ["Normal", "Created", "Created container: web"],
            ["Normal", "Started", "Started container web"],
        ]);
        await end(cloud);

        cloud.apply(POD, pod("web", one({ image: "Not/An:::Image" })));
        expect((await waitsFor("InvalidImageName")).startTime).toBeDefined();
        await end(cloud);

        const image = `127.0.0.1:${(await freePorts(1))[0]}/none:1`;
        cloud.events.length = 0;
        cloud.apply(POD, pod("web", one({ image })));
        const pulling = await waitsFor("ErrImagePull");
        expect(told()).toEqual([
            ["Normal", "Pulling", `Pulling image "${image}"`],
            ["Warning", "Failed", expect.stringMatching(`^Failed to pull image "${image}": .*connection refused`)],
            ["Warning", "Failed", "Error: ErrImagePull"],
        ]);
        await waitsFor("ImagePullBackOff");
        expect(told().slice(3)).toEqual([
            ["Normal", "BackOff", `Back-off pulling image "${image}"`],
            ["Warning", "Failed", "Error: ImagePullBackOff"],
        ]);
        expect(pulling.phase).toBe("Pending");
        await end(cloud);

        cloud.apply(POD, pod("web", one({ command: ["/no/such/command"] })));
        const refused = (await waitsFor("RunContainerError")).containerStatuses?.[0];
        expect(refused?.state.waiting?.message).toMatch(/could not start container web: .*no such/);
        await end(cloud);

        cloud.apply(
            POD,
            pod("web", {
                ...one({}),
                initContainers: [{ name: "prepare", image: engine.image, command: ["sleep", "3600"] }],
            }),
        );
        const condition = (type: string): unknown => cloud.status(POD)?.conditions?.find((each) => each.type === type);
        await until(() => cloud.status(POD)?.initContainerStatuses?.[0]?.state.running, "init container runs");
        expect(condition("Initialized")).toMatchObject({
            status: "False",
            message: "containers with incomplete status: [prepare]",
        });
        await end(cloud);

        cloud.apply(
            POD,
            pod("web", {
                ...one({}),
                initContainers: [{ name: "prepare", image: engine.image, command: ["sh", "-c", "sleep 1"] }],
            }),
        );
        await phaseIs(cloud, "Running");
        expect(condition("Initialized")).not.toHaveProperty("message");
        expect(condition("Ready")).not.toHaveProperty("reason");
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

    it("lets an ephemeral container look into another's processes, once, and harms nobody by it", async () => {
        const one = await gateway();
        const { cloud, edged } = one;
        const made = pod("web", { containers: [{ name: "web", image: engine.image, command: ["sleep", "3600"] }] });
        cloud.apply(POD, made);
        await phaseIs(cloud, "Running");
        const debug = (name: string, more: object = {}) => ({
            name,
            image: engine.image,
            command: ["sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; exit 4"],
            ...more,
        });
        const ephemeralContainers = [
            debug("into", { targetContainerName: "web" }),
            debug("alone"),
            debug("nowhere", { targetContainerName: "gone" }),
            debug("strange", { volumeDevices: [{ name: "disk", devicePath: "/dev/x" }] }),
        ];
        cloud.apply(POD, { ...made, status: cloud.status(POD), spec: { ...made.spec, ephemeralContainers } });
        const statuses = await until(
            () => {
                const told = cloud.status(POD)?.ephemeralContainerStatuses;
                const ended = told?.filter(({ state }) => state.terminated !== undefined);
                const waiting = told?.filter(({ state }) => state.waiting?.message !== undefined);
                return ended?.length === 2 && waiting?.length === 2 ? told : undefined;
            },
            () => `two ended, two waiting: ${JSON.stringify(cloud.status(POD)?.ephemeralContainerStatuses)}`,
            30_000,
        );
        expect(await logOf(one, "into")).toBe("sleep 3600 ");
        expect(await logOf(one, "alone")).toContain("/proc/1/cmdline");
        expect(statuses[0]?.state.terminated).toMatchObject({ exitCode: 4 });
        expect(statuses[2]?.state.waiting?.message).toContain("target container gone does not run");
        expect(statuses[3]?.state.waiting?.message).toContain("volumeDevices");
        edged.pods.find("default", "web")?.wake();
        await until(() => edged.pods.find("default", "web")?.idle || undefined, "looked again");
        expect(cloud.status(POD)?.ephemeralContainerStatuses?.[0]?.restartCount).toBe(0);
        expect(cloud.status(POD)?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
        await end(cloud);
    });

    it("keeps one dead container of each beside the newest", async () => {
        const clock = new MovedClock();
        const { cloud, edged } = await gateway({ clock });
        cloud.apply(
            POD,
            pod("web", { containers: [{ name: "web", image: engine.image, command: ["sh", "-c", "exit 1"] }] }),
        );
        const worker = await until(() => edged.pods.find("default", "web"), "known");
        await until(
            () => {
                const [told] = cloud.status(POD)?.containerStatuses ?? [];
                if ((told?.restartCount ?? 0) >= 3) return true;
                if (told?.state.waiting?.reason !== "CrashLoopBackOff") return undefined;
                clock.move(300_000);
                worker.wake();
                return undefined;
            },
            "three restarts",
            60_000,
        );
        // Two starts and the sandbox.
        await until(async () => (await engine.containers()).length === 3 || undefined, "two starts and the sandbox");
        await end(cloud);
    });

    it("removes images that pods left behind when their disk is full, and none in use or of somebody else", async () => {
        const clock = new MovedClock();
        const machine = new FakeMachine();
        const mine = engine.image.replace(/[^/]+$/, "mine:1");
        const theirs = engine.image.replace(/[^/]+$/, "theirs:1");
        await engine.addImage(mine);
        await engine.addImage(theirs);
        const { cloud, edged } = await gateway({ clock, machine });
        cloud.apply(POD, pod("web", { containers: [{ name: "web", image: mine, command: ["sleep", "3600"] }] }));
        await phaseIs(cloud, "Running");
        const runtime = edged.pods.find("default", "web")?.runtime;
        const has = async (image: string): Promise<boolean> => (await runtime?.imageId(image)) !== undefined;
        expect(await runtime?.imageDir()).toMatch(/^\//);
        machine.imagesFreeBytes = 2 ** 30;
        clock.move(3_600_000);
        await edged.images.collect();
        expect(await has(mine)).toBe(true);
        await end(cloud);
        await until(async () => (await engine.containers()).length === 0 || undefined, "nothing left");
        await edged.images.collect();
        // Unused for less than the age at which images may go.
        expect(await has(mine)).toBe(true);
        clock.move(121_000);
        await edged.images.collect();
        expect(await has(mine)).toBe(false);
        expect(await has(theirs)).toBe(true);
        expect(await has(engine.image)).toBe(true);
        await until(
            () => cloud.events.find(({ reason }) => reason === "FreeDiskSpaceFailed"),
            "told that it is too little",
        );
    });

    it("starts a pod by the OCI runtime that its RuntimeClass names, and says so when there is none", async () => {
        const { cloud, edged } = await gateway();
        const runtimeClass = (name: string, handler: string): void => {
            const made = { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name }, handler };
            cloud.put(`null/runtimeclass/${name}`, made);
        };
        runtimeClass("lighter", "crun");
        runtimeClass("heavy", "kata");
        const containers = [{ name: "web", image: engine.image, command: ["sleep", "3600"] }];
        cloud.apply(POD, pod("web", { runtimeClassName: "lighter", containers }));
        await phaseIs(cloud, "Running");
        const id = edged.pods.find("default", "web")?.record?.containers[0]?.id ?? "";
        expect(await engine.runtimeOf(id)).toContain("crun");
        await end(cloud);
        for (const [name, says] of [
            ["heavy", 'No runtime of this node serves the handler "kata"'],
            ["missing", 'RuntimeClass.node.k8s.io "missing" not found'],
        ]) {
            cloud.apply(POD, pod("web", { runtimeClassName: name ?? "", containers }));
            const told = await until(
                () => cloud.events.find(({ message }) => String(message).includes(says ?? "")),
                `event of ${name}`,
            );
            expect(told).toMatchObject({ type: "Warning", reason: "FailedCreatePodSandBox" });
            expect(cloud.status(POD)?.phase).toBe("Pending");
            await end(cloud);
        }
    });
}
