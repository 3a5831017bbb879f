// SPDX-License-Identifier: Apache-2.0
import { DockerRuntime } from "../../../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import { BUSYBOX, dockerParts, startDocker } from "../../../support/docker.ts";
import { describeWith } from "../../../support/requires.ts";
import { testPorts } from "../harness.ts";
import { runtimeContract } from "./contract.ts";
import { crash, printing } from "./shell-container.ts";

describeWith(dockerParts, "runtime contract: docker", () => {
    runtimeContract(async () => {
        const engine = await startDocker();
        return {
            open: async () => new DockerRuntime({ ...testPorts, socket: engine.socket, owner: "contract" }),
            image: BUSYBOX,
            handler: "",
            printing,
            crash,
            hasProcesses: true,
            close: () => engine.stop(),
        };
    });
});
