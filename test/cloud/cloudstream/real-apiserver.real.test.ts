// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CloudStream, type CloudStreamConfig, cloudStreamConfig } from "../../../src/cloud/cloudstream/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { RemoteCommandServer } from "../../../src/edge/edged/kubelet/remotecommand/index.ts";
import type { ExecSession } from "../../../src/edge/edged/runtimes/runtime.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { eventually } from "../../support/eventually.ts";
import { kubectl, type RealKube, realKube, startRealKube } from "../../support/kube.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { testPorts } from "../../support/link/ends.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";
import { Streams } from "./harness.ts";

/** A shell of this machine in a container's place. */
async function run(command: readonly string[]): Promise<ExecSession> {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    return {
        stdin: child.stdin,
        stdout: child.stdout,
        stderr: child.stderr,
        resize: async () => {},
        exit: new Promise((resolve, reject) => {
            child.on("exit", (code) => resolve(code ?? 137));
            child.on("error", reject);
        }),
        close: () => void child.kill("SIGKILL"),
    };
}

describeWith([realKube, kubectl], "kube-apiserver, CloudStream, EdgeStream", () => {
    const clients = new TestPki();
    const streams = new Streams();
    let kube: RealKube;
    let cloud: CloudStream;
    let asked: Kubectl;

    beforeAll(async () => {
        await streams.start();
        const write = (name: string, text: string): string => {
            const path = join(streams.folder, name);
            writeFileSync(path, text, { mode: 0o600 });
            return path;
        };
        const client = clients.client("kube-apiserver-kubelet-client");
        kube = await startRealKube({
            scheduler: false,
            controllers: false,
            apiServerFlags: [
                `--client-ca-file=${write("clients.crt", clients.caPem)}`,
                `--kubelet-client-certificate=${write("kubelet.crt", client.certPem)}`,
                `--kubelet-client-key=${write("kubelet.key", client.keyPem)}`,
            ],
        });
        asked = new Kubectl(kube.kubeconfig);
        const cluster = createKubeClient(kube.connection, { clock: systemClock, random: Math.random });
        // The API server publishes its client CA a moment after it is up; CloudStream asks for it as it starts.
        const published = {
            type: Kinds.configMap,
            namespace: "kube-system",
            name: "extension-apiserver-authentication",
        };
        await eventually(() => cluster.get(published));
        const config = parseConfig<CloudStreamConfig>(cloudStreamConfig, { tunnelPort: 0, streamPort: 0 });
        cloud = new CloudStream(config, { ...testPorts, identity: streams.pki.cloudIdentity(), cluster });
        await cloud.start();
        await streams.connectEdge("edge-1", `wss://127.0.0.1:${cloud.ports.tunnel}`);

        const commands = new RemoteCommandServer(
            {
                exec: (_ns, _pod, _c, { command }) => run(command),
                attach: () => run(["echo", "attached"]),
                portForward: async () => Promise.reject(new Error("no ports")),
            },
            { clock: systemClock, log: silentLogger },
        );
        streams.kubelet.on("request", (request, response) => response.end(`asked for ${request.url}\n`));
        streams.kubelet.on("upgrade", (request, socket, head) => void commands.upgrade(request, socket, head));

        await asked.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "edge-1" } });
        const address = [{ type: "InternalIP", address: "127.0.0.1" }];
        const status = { addresses: address, daemonEndpoints: { kubeletEndpoint: { Port: cloud.ports.stream } } };
        await cluster.patch({ type: Kinds.node, name: "edge-1" }, { status }, "strategic", { subresource: "status" });
        await asked.apply({
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "hello", namespace: "default" },
            spec: { nodeName: "edge-1", containers: [{ name: "main", image: "none" }] },
        });
        await cluster.close();
    });
    afterAll(async () => {
        await cloud?.stop();
        await kube?.stop();
        await streams.stop();
    });

    test("logs come through, and the API server is known by its certificate", async () => {
        expect(await asked.run("logs", "hello", "--tail=3")).toBe(
            "asked for /containerLogs/default/hello/main?tailLines=3\n",
        );
        // Anybody else is not: the same request without that certificate.
        streams.cloud = cloud;
        expect((await streams.ask("/containerLogs/default/hello/main")).status).toBe(403);
    });

    test("exec: output, input and the exit code", async () => {
        const { code, stdout, stderr } = await asked.try([
            "exec",
            "hello",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 5",
        ]);
        expect({ code, stdout }).toEqual({ code: 5, stdout: "out\n" });
        expect(stderr).toContain("err");
    });
});
