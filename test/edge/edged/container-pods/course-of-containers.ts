// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { Container, Pod, PodStatus } from "../../../../src/edge/edged/podspec/types.ts";
import { freePorts } from "../../../support/free-ports.ts";
import { pod, until } from "../harness.ts";
import { type EngineSuite, POD } from "./suite.ts";

/** How containers go: in which order they start, how they end, and what is told of it. */
export function courseOfContainers(suite: EngineSuite): void {
    const { end, gateway, logOf, phaseIs } = suite;

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
                        image: suite.engine.image,
                        command: ["sh", "-c", "echo ready > /work/state"],
                        volumeMounts: [{ name: "work", mountPath: "/work" }],
                    },
                    { name: "side", image: suite.engine.image, restartPolicy: "Always", command: ["sleep", "3600"] },
                ],
                containers: [
                    {
                        name: "web",
                        image: suite.engine.image,
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
            );
        // What is told again, in a count of its own, is the same event: how often a pod is looked at is not said.
        const told = (): unknown[] =>
            [...new Map(cloud.events.map((event) => [event.metadata.name, event])).values()]
                .filter(({ involvedObject }) => (involvedObject as { kind: string }).kind === "Pod")
                .map(({ type, reason, message }) => [type, reason, message]);
        const one = (more: Partial<Container>): Partial<Pod["spec"]> => ({
            containers: [{ name: "web", image: suite.engine.image, command: ["sleep", "3600"], ...more }],
        });

        cloud.apply(POD, pod("web", one({})));
        await phaseIs(cloud, "Running");
        await until(() => told().length >= 3 || undefined, "three events");
        expect(told()).toEqual([
            ["Normal", "Pulled", `Container image "${suite.engine.image}" already present on machine`],
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
        // ErrImagePull lasts until the pod is looked at again, which may be before its status is on its way.
        const backingOff = await waitsFor("ImagePullBackOff");
        await until(() => told().length >= 5 || undefined, "five events");
        expect(told()).toEqual([
            ["Normal", "Pulling", `Pulling image "${image}"`],
            ["Warning", "Failed", expect.stringMatching(`^Failed to pull image "${image}": .*connection refused`)],
            ["Warning", "Failed", "Error: ErrImagePull"],
            ["Normal", "BackOff", `Back-off pulling image "${image}"`],
            ["Warning", "Failed", "Error: ImagePullBackOff"],
        ]);
        const [refusedPull] = backingOff.containerStatuses ?? [];
        expect(refusedPull?.state.waiting?.message).toMatch(/^Back-off pulling image .*: ErrImagePull: .*refused/);
        expect(backingOff.phase).toBe("Pending");
        await end(cloud);

        cloud.apply(POD, pod("web", one({ command: ["/no/such/command"] })));
        const refused = (await waitsFor("RunContainerError")).containerStatuses?.[0];
        expect(refused?.state.waiting?.message).toMatch(/could not start container web: .*no such/);
        await end(cloud);

        cloud.apply(
            POD,
            pod("web", {
                ...one({}),
                initContainers: [{ name: "prepare", image: suite.engine.image, command: ["sleep", "3600"] }],
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
                initContainers: [{ name: "prepare", image: suite.engine.image, command: ["sh", "-c", "sleep 1"] }],
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
                        image: suite.engine.image,
                        command: ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"],
                        resources: { limits: { memory: "32Mi", cpu: "500m" } },
                    },
                ],
            }),
        );
        // An engine hears of the end and of its reason apart from each other: a look in between knows the one without the other.
        const status = await until(
            () => {
                const [told] = cloud.status(POD)?.containerStatuses ?? [];
                const why = told?.lastState.terminated?.reason;
                return told?.state.waiting?.reason === "CrashLoopBackOff" && why === "OOMKilled" ? told : undefined;
            },
            () => `crash loop of what was OOMKilled: ${JSON.stringify(cloud.status(POD)?.containerStatuses)}`,
        );
        expect(status.restartCount).toBeGreaterThanOrEqual(1);
        expect(status.lastState.terminated?.exitCode).toBe(137);
        expect(cloud.status(POD)?.qosClass).toBe("Guaranteed");
        await end(cloud);
    });

    it("restarts on a failing liveness probe and is ready by its readiness probe", async () => {
        const { cloud, edged } = await gateway();
        cloud.apply(
            POD,
            pod("web", {
                containers: [
                    {
                        name: "web",
                        image: suite.engine.image,
                        command: ["sh", "-c", "mkdir -p /www; echo ok > /www/health; httpd -f -p 8080 -h /www"],
                        ports: [{ containerPort: 8080, name: "http" }],
                        readinessProbe: {
                            httpGet: { path: "/health", port: "http" },
                            periodSeconds: 1,
                            timeoutSeconds: 30,
                        },
                        livenessProbe: {
                            exec: { command: ["test", "-f", "/www/health"] },
                            periodSeconds: 1,
                            timeoutSeconds: 30,
                            failureThreshold: 2,
                        },
                    },
                ],
            }),
        );
        const told = (): { ready: boolean; restartCount: number } | undefined =>
            cloud.status(POD)?.containerStatuses?.[0];
        await until(() => told()?.ready || undefined, "ready");
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
            () => ((told()?.restartCount ?? 0) >= 1 && told()?.ready) || undefined,
            "restarted and ready again",
        );
        await end(cloud);
    });
}
