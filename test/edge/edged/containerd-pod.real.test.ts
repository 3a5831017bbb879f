// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { CriRuntime } from "../../../src/edge/edged/runtimes/cri/cri-runtime.ts";
import { containerdParts, startContainerd } from "../../support/containerd.ts";
import { crunPart } from "../../support/docker.ts";
import { describeWith } from "../../support/requires.ts";
import { containerPods } from "./container-pods.ts";
import { testPorts } from "./harness.ts";

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
