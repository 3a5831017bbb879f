// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { CriRuntime } from "../../../../src/edge/edged/runtimes/cri/cri-runtime.ts";
import { containerdParts, startContainerd } from "../../../support/containerd.ts";
import { describeWith } from "../../../support/requires.ts";
import { testPorts } from "../harness.ts";
import { runtimeContract } from "./contract.ts";
import { crash, printing } from "./shell-container.ts";

describeWith(containerdParts, "runtime contract: containerd", () => {
    runtimeContract(async () => {
        const engine = await startContainerd();
        return {
            open: async (dir) =>
                new CriRuntime({ ...testPorts, socket: engine.socket, owner: "contract", logDir: join(dir, "logs") }),
            image: engine.image,
            handler: "",
            printing,
            crash,
            hasProcesses: true,
            close: () => engine.stop(),
        };
    });
});
