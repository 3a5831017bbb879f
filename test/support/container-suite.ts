// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSYBOX, containers, type DockerEngine, startDocker } from "./docker.ts";
import { eventually } from "./eventually.ts";
import { pushImage, type Registry, startRegistry } from "./registry.ts";
import type { TestSite } from "./site.ts";

const COMMAND =
    "echo config says $(cat /config/greeting); echo secret says $PASSWORD; while true; do sleep 1; cat /config/greeting > /tmp/seen; done";

function objects(image: string): string {
    return JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: [
            {
                apiVersion: "v1",
                kind: "ConfigMap",
                metadata: { name: "greeting", namespace: "default" },
                data: { greeting: "hello" },
            },
            {
                apiVersion: "v1",
                kind: "Secret",
                metadata: { name: "login", namespace: "default" },
                stringData: { password: "open-sesame" },
            },
            {
                apiVersion: "v1",
                kind: "Pod",
                metadata: { name: "box", namespace: "default" },
                spec: {
                    terminationGracePeriodSeconds: 1,
                    containers: [
                        {
                            name: "main",
                            image,
                            command: ["sh", "-c", COMMAND],
                            env: [
                                { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "login", key: "password" } } },
                            ],
                            volumeMounts: [{ name: "config", mountPath: "/config" }],
                        },
                    ],
                    volumes: [{ name: "config", configMap: { name: "greeting" } }],
                },
            },
        ],
    });
}

/**
 * An ordinary container pod on a real engine, its image from a registry. `create` makes the site with the given
 * environment; called inside a describe that has asked for dockerPart and registryParts.
 */
export function containerSuite(
    create: (env: NodeJS.ProcessEnv) => Promise<TestSite>,
    /** API servers before 1.23 have none. */
    offers: { readonly ephemeralContainers: boolean },
): void {
    let site: TestSite;
    let engine: DockerEngine;
    let registry: Registry;

    beforeAll(async () => {
        engine = await startDocker();
        registry = await startRegistry();
        site = await create({ DOCKER_HOST: engine.host });
        await site.start();
    });

    afterAll(async () => {
        await site?.stop();
        await site?.remove();
        await registry?.stop();
        await engine?.stop();
    });

    test("runs with its ConfigMap mounted and its Secret in the environment, and leaves no container behind", async () => {
        const image = await pushImage(engine.socket, BUSYBOX, registry.address, "busybox");
        await site.kubectlOk(["apply", "-f", "-"], objects(image));
        await site.kubectlOk(["wait", "--for=condition=Ready", "pod/box", "--timeout=120s"]);
        const logs = await eventually(async () => {
            const text = await site.kubectlOk(["logs", "box"]);
            expect(text).toContain("secret says");
            return text;
        });
        expect(logs).toContain("config says hello");
        expect(logs).toContain("secret says open-sesame");
        expect((await containers(engine.socket)).length).toBeGreaterThan(0);

        await site.kubectlOk([
            "patch",
            "configmap",
            "greeting",
            "--type",
            "merge",
            "-p",
            '{"data":{"greeting":"changed"}}',
        ]);
        await eventually(async () =>
            expect(await site.kubectlOk(["exec", "box", "--", "cat", "/tmp/seen"])).toBe("changed"),
        );

        const look = ["--", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"];
        if (offers.ephemeralContainers) {
            await site.kubectlOk(["debug", "box", "-c", "looker", "--image", image, "--target", "main", ...look]);
            await eventually(async () =>
                expect(await site.kubectlOk(["logs", "box", "-c", "looker"])).toContain("echo config says"),
            );
        }

        await site.kubectlOk(["delete", "pod", "box", "--timeout=120s"]);
        await eventually(async () => expect(await containers(engine.socket)).toEqual([]));
    });

    test("a kill of the gateway restarts no container", async () => {
        await site.kubectlOk(["apply", "-f", "-"], objects(`${registry.address}/busybox:1`));
        await site.kubectlOk(["wait", "--for=condition=Ready", "pod/box", "--timeout=120s"]);
        const before = (await containers(engine.socket)).toSorted();
        const { edge } = await site.pids();
        process.kill(edge ?? 0, "SIGKILL");
        await eventually(async () => {
            const pids = await site.pids();
            expect(pids.edge).toBeDefined();
            expect(pids.edge).not.toBe(edge);
            expect(await site.kubectlOk(["logs", "box", "--tail=1"])).toContain("says");
        });
        expect((await containers(engine.socket)).toSorted()).toEqual(before);
        const pod = await site.json<{ status: { containerStatuses: { restartCount: number }[] } }>([
            "get",
            "pod",
            "box",
        ]);
        expect(pod.status.containerStatuses[0]?.restartCount).toBe(0);
    });
}
