// SPDX-License-Identifier: Apache-2.0
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FlowRuntime } from "../../../src/edge/edged/index.ts";
import { StaticPods } from "../../../src/edge/edged/pods/static-pods.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";
import { NODE, removeTempDirs, startGateway, tempDir, testPorts, until } from "./harness.ts";

/** A flow pod whose flow lies in a folder of the machine. */
function manifest(flowDir: string): string {
    return `apiVersion: v1
kind: Pod
metadata: {name: local}
spec:
  runtimeClassName: node-red
  containers:
  - {name: flow, image: node-red/flow, volumeMounts: [{name: flow, mountPath: /flow}]}
  volumes: [{name: flow, hostPath: {path: ${flowDir}}}]
`;
}

let dir: string;
let pods: string;
beforeEach(async () => {
    dir = await tempDir();
    pods = join(dir, "manifests");
    await mkdir(pods);
    await mkdir(join(dir, "flow"));
    await writeFile(join(dir, "flow/a.json"), JSON.stringify([{ id: "t", type: "tab" }]));
});
afterEach(removeTempDirs);

it("runs pods from a folder and shows them in the API", async () => {
    await writeFile(join(pods, "local.yaml"), manifest(join(dir, "flow")));
    const host = new FakeFlowHost();
    const gateway = await startGateway({
        runtimes: (rootDir, store) => [new FlowRuntime({ ...testPorts, store, host, logDir: join(rootDir, "logs") })],
        config: { staticPodPath: pods },
    });
    const resource = `default/pod/local-${NODE}`;
    await until(() => gateway.cloud.status(resource)?.phase === "Running" || undefined, "image in the API");
    const mirror = gateway.cloud.objects.get(resource);
    expect(mirror?.metadata.annotations?.["kubernetes.io/config.source"]).toBe("file");
    expect(mirror?.metadata.annotations?.["kubernetes.io/config.mirror"]).toBe(gateway.edged.pods.workers[0]?.uid);
    if (mirror !== undefined) gateway.cloud.apply(resource, mirror);
    expect(host.units.size).toBe(1);
    expect(gateway.edged.pods.workers).toHaveLength(1);
    await gateway.stop();
});

it("follows changes of the folder: new, changed, broken and removed manifests", async () => {
    const seen: string[] = [];
    const tell =
        (what: string) =>
        (pod: KubeObject): void =>
            void seen.push(`${what} ${pod.metadata.name}`);
    const source = new StaticPods(pods, NODE, { ...testPorts, apply: tell("apply"), remove: tell("remove") });
    await source.scan();
    const path = join(pods, "local.yaml");
    await writeFile(path, manifest("/a"));
    await source.scan();
    await source.scan();
    expect(seen).toEqual([`apply local-${NODE}`]);
    await writeFile(path, manifest("/b"));
    await source.scan();
    expect(seen.slice(1)).toEqual([`remove local-${NODE}`, `apply local-${NODE}`]);
    await writeFile(path, "kind: [");
    await source.scan();
    expect(seen).toHaveLength(3);
    await rm(path);
    await source.scan();
    expect(seen.at(-1)).toBe(`remove local-${NODE}`);
});
