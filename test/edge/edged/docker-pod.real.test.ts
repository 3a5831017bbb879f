// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, it } from "vitest";
import { DockerRuntime } from "../../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import {
    BUSYBOX,
    call,
    containers,
    crunPart,
    type DockerEngine,
    dockerParts,
    startDocker,
} from "../../support/docker.ts";
import { pushImage, type Registry, registryParts, startRegistry } from "../../support/registry.ts";
import { describeWith } from "../../support/requires.ts";
import { containerPods } from "./container-pods.ts";
import {
    type FakeCloud,
    type Gateway,
    pod,
    removeTempDirs,
    secret,
    startGateway,
    testPorts,
    until,
} from "./harness.ts";

const POD = "default/pod/web";
const LOGIN = { username: "tester", password: "t3st" };

describeWith([...dockerParts, crunPart], "pods on a real Docker engine", () => {
    containerPods(async () => {
        const engine = await startDocker();
        return {
            ...engine,
            image: BUSYBOX,
            runtime: () => new DockerRuntime({ ...testPorts, socket: engine.socket, owner: "test" }),
            containers: () => containers(engine.socket),
            runtimeOf: async (id) => {
                const told = await call(engine.socket, "GET", `/containers/${id}/json`);
                return (JSON.parse(told) as { HostConfig: { Runtime: string } }).HostConfig.Runtime;
            },
        };
    });
});

describeWith([...dockerParts, ...registryParts], "images from a real registry", () => {
    let engine: DockerEngine;
    let registry: Registry;
    const running: Gateway[] = [];

    beforeAll(async () => {
        engine = await startDocker();
        registry = await startRegistry(LOGIN);
    });
    afterAll(async () => {
        await registry?.stop();
        await engine?.stop();
    });
    afterEach(async () => {
        for (const each of running.splice(0)) await each.stop();
        await removeTempDirs();
    });

    async function gateway(): Promise<Gateway> {
        const runtimes = (): DockerRuntime[] => [
            new DockerRuntime({ ...testPorts, socket: engine.socket, owner: "test" }),
        ];
        const started = await startGateway({ runtimes });
        running.push(started);
        return started;
    }
    function phaseIs(cloud: FakeCloud, phase: string): Promise<unknown> {
        return until(() => cloud.status(POD)?.phase === phase || undefined, `${POD} ${phase}`);
    }
    async function end(cloud: FakeCloud): Promise<void> {
        cloud.deletePod(POD, 1);
        await until(() => !cloud.objects.has(POD) || undefined, "pod deleted");
    }

    it("pulls from a registry with the pod's pull secret, and says what is wrong without", async () => {
        const image = await pushImage(engine.socket, BUSYBOX, registry.address, "priv/busybox", LOGIN);
        const { cloud } = await gateway();
        const command = ["sleep", "3600"];
        cloud.apply(POD, pod("web", { containers: [{ name: "web", image, command }] }));
        await until(
            () => cloud.status(POD)?.containerStatuses?.[0]?.state.waiting?.reason === "ImagePullBackOff" || undefined,
            "pull refused",
        );
        await end(cloud);
        const auths = {
            [registry.address]: {
                ...LOGIN,
                auth: Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64"),
            },
        };
        cloud.put("default/secret/pull", secret("pull", { ".dockerconfigjson": JSON.stringify({ auths }) }));
        const tagged = await pushImage(engine.socket, BUSYBOX, registry.address, "priv/other", LOGIN);
        cloud.apply(
            POD,
            pod("web", { imagePullSecrets: [{ name: "pull" }], containers: [{ name: "web", image: tagged, command }] }),
        );
        await phaseIs(cloud, "Running");
        await end(cloud);
    });
});
