// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayFlowHost } from "../../nodes/edge/edged/flow-host.ts";
import type { NodeRedEvents, NodeRedRuntime } from "../../nodes/edge/edged/flow-host-red.ts";
import { headlessSettings } from "../../nodes/edge/edged/headless-settings.ts";
import { podFlowStorage } from "../../nodes/edge/edged/pod-flow-storage.ts";
import { FlowRuntime } from "../../src/edge/edged/index.ts";
import type { Pod } from "../../src/edge/edged/podspec/types.ts";
import { CriRuntime } from "../../src/edge/edged/runtimes/cri/cri-runtime.ts";
import { DockerRuntime } from "../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import type { PodRuntime } from "../../src/edge/edged/runtimes/runtime.ts";
import type { DocumentStore } from "../../src/store/store.ts";
import { flowPod, pod, testPorts } from "../../test/edge/edged/harness.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { BUSYBOX, startDocker } from "../../test/support/docker.ts";

/** One way to run pods, with a real engine or a real Node-RED behind it. */
export interface Kind {
    readonly name: string;
    runtime(dir: string, store: DocumentStore): PodRuntime;
    pod(name: string): Pod;
    /** What its containers run, where an engine runs them. */
    readonly image?: string;
    close(): Promise<void>;
}

export async function flowKind(): Promise<Kind> {
    type Red = NodeRedEvents & {
        init(server: unknown, settings: object): void;
        start(): Promise<void>;
        stop(): Promise<void>;
        runtime: NodeRedRuntime;
    };
    const from = join(process.cwd(), "package.json");
    const userDir = await mkdtemp(join(tmpdir(), "redge-bench-node-red-"));
    const RED = createRequire(from)("node-red") as Red;
    RED.init(createServer(), headlessSettings(userDir, podFlowStorage(from)));
    const started = new Promise((resolve) => RED.events.once("flows:started", resolve));
    await RED.start();
    await started;
    return {
        name: "flow",
        runtime: (logDir, store) =>
            new FlowRuntime({ ...testPorts, store, host: new GatewayFlowHost(RED, RED.runtime, testPorts), logDir }),
        pod: (name) => flowPod(name),
        close: async () => {
            await RED.stop();
            await rm(userDir, { recursive: true, force: true });
        },
    };
}

export const COMMAND = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"];

function containerPod(image: string): (name: string) => Pod {
    return (name) =>
        pod(name, { containers: [{ name: "main", image, imagePullPolicy: "IfNotPresent", command: COMMAND }] });
}

export async function dockerKind(): Promise<Kind> {
    const engine = await startDocker();
    return {
        name: "docker",
        runtime: () => new DockerRuntime({ ...testPorts, socket: engine.socket, owner: "bench" }),
        pod: containerPod(BUSYBOX),
        image: BUSYBOX,
        close: () => engine.stop(),
    };
}

/**
 * @param ociRuntime what its pods run on
 * @param bridgeOnly a network without firewall and host ports
 */
export async function containerdKind(name: string, ociRuntime: "runc" | "crun", bridgeOnly = false): Promise<Kind> {
    const engine = await startContainerd({ ociRuntime, bridgeOnly });
    return {
        name,
        runtime: (logDir) => new CriRuntime({ ...testPorts, socket: engine.socket, owner: "bench", logDir }),
        pod: containerPod(engine.image),
        image: engine.image,
        close: () => engine.stop(),
    };
}
