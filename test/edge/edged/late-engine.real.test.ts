// SPDX-License-Identifier: Apache-2.0
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { openContainerRuntimes } from "../../../src/edge/edged/runtimes/containers.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { BUSYBOX, dockerParts, startDocker } from "../../support/docker.ts";
import { describeWith } from "../../support/requires.ts";
import { pod, removeTempDirs, startGateway, tempDir, testPorts, until } from "./harness.ts";

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await removeTempDirs();
});

describeWith(dockerParts, "a gateway that starts before its engine", () => {
    it("takes the engine when it comes, and runs what waited for it", async () => {
        const socket = join(await tempDir(), "docker.sock");
        const store = new MemoryStore();
        const { runtimes, onFound, close } = await openContainerRuntimes({ engine: "auto", store }, testPorts, {
            docker: [socket],
            cri: [],
        });
        ends.push(close);
        expect(runtimes).toEqual([]);
        const gateway = await startGateway({ runtimes: () => runtimes, onRuntime: onFound, store });
        ends.push(() => gateway.stop());
        const command = ["sh", "-c", "while :; do sleep 1; done"];
        const waiting = pod("waiting", {
            containers: [{ name: "main", image: BUSYBOX, imagePullPolicy: "IfNotPresent", command }],
        });
        gateway.cloud.apply("default/pod/waiting", waiting);
        const event = await until(
            () => gateway.cloud.events.find(({ reason }) => reason === "FailedCreatePodSandBox"),
            "an event that says what is missing",
        );
        expect(event["message"]).toMatch(/no container engine/);

        const engine = await startDocker();
        ends.push(() => engine.stop());
        symlinkSync(engine.socket, socket);
        await until(() => gateway.cloud.status("default/pod/waiting")?.phase === "Running" || undefined, "Running");
        expect(gateway.edged.node.status?.nodeInfo?.containerRuntimeVersion).toMatch(/^docker:/);

        gateway.cloud.deletePod("default/pod/waiting", 0);
        await until(() => gateway.edged.pods.workers.length === 0 || undefined, "the pod's end");
    });
});
