// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ControlPlane } from "../../../../src/cloud/controlplane/index.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { createKubeClient } from "../../../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../../../src/kube/client/kubeconfig.ts";
import { Kinds } from "../../../../src/kube/types.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeWith, program } from "../../../support/requires.ts";

/** Every kubectl to be tried: REDGE_TEST_KUBECTL (paths, colon between) adds to the one on the PATH. */
const KUBECTLS = ["kubectl", ...(process.env["REDGE_TEST_KUBECTL"] ?? "").split(":")].filter(
    (path) => path === "kubectl" || existsSync(path),
);

const folder = mkdtempSync(join(tmpdir(), "redge-kubectl-"));
let plane: ControlPlane;
let kubelet: Server;

interface RunOptions {
    readonly input?: string;
    readonly fails?: boolean;
}

/** What kubectl prints; a failure is an error with its words, unless `fails`: then its words are the answer. */
function run(kubectl: string, args: readonly string[], { input, fails = false }: RunOptions = {}): Promise<string> {
    const env = { ...process.env, KUBECONFIG: plane.kubeconfigPath, KUBE_EDITOR: "sed -i s/before/after/" };
    return new Promise((resolve, reject) => {
        const child = spawn(kubectl, args, { env, timeout: 100_000 });
        const text = { out: "", error: "" };
        child.stdout.on("data", (chunk: Buffer) => {
            text.out += chunk.toString();
        });
        child.stderr.on("data", (chunk: Buffer) => {
            text.error += chunk.toString();
        });
        child.on("error", reject);
        child.on("close", (code) => {
            if ((code !== 0) !== fails)
                reject(new Error(`${kubectl} ${args.join(" ")} (${code})\n${text.out}\n${text.error}`));
            else resolve(fails ? text.error : text.out);
        });
        // kubectl takes text that begins with a brace for JSON.
        child.stdin.end(input === undefined ? "" : `# YAML\n${input}`);
    });
}

const deployment = (replicas: number, variables: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - name: c
        image: busybox:1.36
        env: [${variables}]
        ports: [{ containerPort: 80 }]
`;

const WIDGETS = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.example.com }
spec:
  group: example.com
  scope: Namespaced
  names: { kind: Widget, plural: widgets, shortNames: [wd], categories: [all] }
  versions:
  - name: v1
    served: true
    storage: true
    subresources: { status: {}, scale: { specReplicasPath: .spec.size, statusReplicasPath: .status.size } }
    additionalPrinterColumns:
    - { name: Size, type: integer, jsonPath: .spec.size }
    - { name: Colour, type: string, jsonPath: .spec.colour }
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: { type: integer, minimum: 0 }
              colour: { type: string, enum: [red, green], default: red }
          status: { type: object, x-kubernetes-preserve-unknown-fields: true }
`;

/** As a kubelet tells it: half a core and 64 MiB of the node that was asked for. */
function usage(forwarded: string): unknown {
    const nodeName = forwarded.split("/")[4];
    return {
        node: { nodeName, cpu: { usageNanoCores: 500_000_000 }, memory: { workingSetBytes: 67_108_864 } },
        pods: [],
    };
}

function nodeStatus(port: number): Record<string, unknown> {
    const now = new Date().toISOString();
    return {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
        conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: now, lastTransitionTime: now }],
        capacity: { cpu: "2", memory: "1Gi", pods: "20" },
        allocatable: { cpu: "2", memory: "1Gi", pods: "20" },
    };
}

describeWith([program("kubectl")], "stock kubectl against the embedded control plane", () => {
    beforeAll(async () => {
        const ports = {
            clock: systemClock,
            log: silentLogger,
            metrics: noMetrics,
            random: Math.random,
            store: new MemoryStore(),
        };
        plane = new ControlPlane({ host: "127.0.0.1", port: 0, dataDir: folder, sans: [] }, ports);
        await plane.start();
        const { readFileSync } = await import("node:fs");
        const pair = {
            cert: readFileSync(join(folder, "pki/apiserver.crt")),
            key: readFileSync(join(folder, "pki/apiserver.key")),
        };
        kubelet = createServer({ ...pair, requestCert: true, rejectUnauthorized: false }, (request, response) => {
            if (request.url === "/stats/summary")
                response.end(JSON.stringify(usage(String(request.headers["x-forwarded-uri"]))));
            else response.end(`you asked for ${request.url}\n`);
        });
        await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
    });
    afterAll(async () => {
        kubelet?.close();
        await plane?.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    it("writes a kubeconfig that only its owner can read", () => {
        expect(statSync(plane.kubeconfigPath).mode & 0o777).toBe(0o600);
    });

    describe.each(KUBECTLS.map((kubectl, at) => ({ kubectl, namespace: `ns-${at}` })))(
        "$kubectl",
        ({ kubectl, namespace }) => {
            const k = (...args: string[]): Promise<string> => run(kubectl, ["-n", namespace, ...args]);
            const apply = (input: string, ...args: string[]): Promise<string> =>
                run(kubectl, ["-n", namespace, "apply", ...args, "-f", "-"], { input });
            const refused = (input: string, ...args: string[]): Promise<string> =>
                run(kubectl, ["-n", namespace, ...args, "-f", "-"], { input, fails: true });

            it("tells versions, resources and rights", async () => {
                await run(kubectl, ["create", "-f", "-"], {
                    input: JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }),
                });
                expect(await k("version")).toContain("Server Version");
                const resources = await k("api-resources");
                expect(resources).toMatch(/deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/);
                expect(resources).toMatch(/devices\s+dev\S*\s+devices.kubeedge.io\/v1beta1\s+true\s+Device/);
                expect((await k("api-versions")).split("\n")).toEqual(
                    expect.arrayContaining(["v1", "apps/v1", "devices.kubeedge.io/v1beta1"]),
                );
                expect((await k("auth", "can-i", "delete", "pods")).trim()).toBe("yes");
                expect(await k("auth", "can-i", "--list")).toContain("*.*");
                expect(await k("explain", "pod.spec.containers.image")).toContain("<string>");
            });

            it("applies, applies again, and takes a removed field away", async () => {
                expect(await apply(deployment(2, '{name: A, value: "1"}, {name: B, value: "2"}'))).toContain(
                    "deployment.apps/web created",
                );
                expect(await apply(deployment(2, '{name: A, value: "1"}, {name: B, value: "2"}'))).toContain(
                    "unchanged",
                );
                expect(await apply(deployment(2, '{name: B, value: "3"}'))).toContain("configured");
                const env = await k("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env}");
                expect(JSON.parse(env)).toEqual([{ name: "B", value: "3" }]);
                expect(await k("diff", "-f", "/dev/null", "--help")).toContain("diff");
            });

            it("gets as table, wide, yaml, json, by label and by field", async () => {
                expect((await k("get", "deploy")).split("\n")[0]).toMatch(
                    /^NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE$/,
                );
                expect(await k("get", "deploy", "-o", "wide")).toMatch(
                    /CONTAINERS\s+IMAGES\s+SELECTOR\s+web .*busybox:1.36\s+app=web/s,
                );
                expect(await k("get", "deploy", "web", "-o", "yaml")).toMatch(/^kind: Deployment$/m);
                // Controllers follow in their own time.
                await eventually(async () => {
                    const { items } = JSON.parse(await k("get", "pods", "-l", "app=web", "-o", "json"));
                    expect(items.length).toBeGreaterThan(0);
                });
                expect(JSON.parse(await k("get", "pods", "-l", "app notin (web)", "-o", "json")).items).toEqual([]);
                expect(await k("get", "pods", "--field-selector", "status.phase=Pending", "-o", "name")).toContain(
                    "pod/web-",
                );
                expect(await k("get", "pods", "--field-selector", "status.phase!=Pending", "-o", "name")).toBe("");
                expect(await k("get", "all")).toContain("replicaset.apps/web-");
                expect(
                    (await k("get", "pods", "--sort-by=.metadata.name", "--chunk-size=1", "-o", "name")).split("\n")
                        .length,
                ).toBeGreaterThan(1);
                expect(await run(kubectl, ["get", "deploy", "-A", "--no-headers"])).toContain(namespace);
            });

            it("describes with events", async () => {
                await eventually(async () =>
                    expect(await k("describe", "deploy", "web")).toContain("ScalingReplicaSet"),
                );
                await eventually(async () => expect(await k("describe", "pods")).toContain("FailedScheduling"));
                expect(await k("describe", "ns", namespace)).toContain("Active");
            });

            it("patches in three ways, labels, annotates, edits and scales", async () => {
                await k(
                    "patch",
                    "deploy",
                    "web",
                    "-p",
                    '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"busybox:2"}]}}}}',
                );
                expect(
                    await k("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}"),
                ).toBe("busybox:2");
                await k(
                    "patch",
                    "deploy",
                    "web",
                    "--type=merge",
                    "-p",
                    '{"metadata":{"annotations":{"note":"before"}}}',
                );
                await k(
                    "patch",
                    "deploy",
                    "web",
                    "--type=json",
                    "-p",
                    '[{"op":"add","path":"/metadata/labels/tier","value":"front"}]',
                );
                expect(await k("get", "deploy", "web", "--show-labels")).toContain("tier=front");
                await k("label", "deploy", "web", "tier-");
                await k("label", "deploy", "web", "app=other", "--overwrite");
                await k("annotate", "deploy", "web", "by=test");
                expect(await k("edit", "deploy", "web")).toContain("edited");
                expect(await k("get", "deploy", "web", "-o", "jsonpath={.metadata.annotations.note}")).toBe("after");
                expect(await k("scale", "deploy", "web", "--replicas=3")).toContain("scaled");
                expect(await k("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).toBe("3");
            });

            it("rolls out: history, undo, restart", async () => {
                // There is something to go back to once the controller has numbered two.
                await eventually(async () =>
                    expect(await k("rollout", "history", "deploy/web")).toMatch(/REVISION(.*\n\d+ ){2}/),
                );
                expect(await k("rollout", "undo", "deploy/web")).toContain("rolled back");
                expect(await k("rollout", "restart", "deploy/web")).toContain("restarted");
                expect(await k("rollout", "status", "deploy/web", "--watch=false")).toContain("Waiting for deployment");
            });

            it("refuses what is wrong, and says where", async () => {
                expect(await refused(deployment(1, "").replace("replicas:", "replcas:"), "apply")).toMatch(
                    /unknown field "(spec\.)?replcas"/,
                );
                const unnamed = deployment(1, "")
                    .replace("name: c", "name: Not_A_Label")
                    .replace("name: web", "name: bad");
                expect(await refused(unnamed, "apply")).toContain(
                    "spec.template.spec.containers[0].name: Invalid value",
                );
                expect(await refused(deployment(1, ""), "create")).toContain('deployments.apps "web" already exists');
                expect(await run(kubectl, ["-n", namespace, "get", "pod", "nobody"], { fails: true })).toContain(
                    'pods "nobody" not found',
                );
            });

            it("serves what a custom resource definition defines", async () => {
                await apply(WIDGETS);
                await k("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s");
                const widget = (spec: string): string =>
                    `{apiVersion: example.com/v1, kind: Widget, metadata: {name: one}, spec: ${spec}}`;
                expect(await refused(widget("{size: -1}"), "apply")).toContain(
                    "spec.size in body should be greater than or equal to 0",
                );
                expect(await refused(widget("{size: 1, colour: blue}"), "apply")).toContain(
                    'supported values: "red", "green"',
                );
                expect(await refused(widget("{size: 1, weight: 3}"), "create")).toContain("weight");
                await apply(widget("{size: 2}"));
                expect(await k("get", "wd")).toMatch(/NAME\s+SIZE\s+COLOUR\s+one\s+2\s+red/);
                expect(await k("scale", "widget/one", "--replicas=5")).toContain("scaled");
                expect(await k("get", "widget", "one", "-o", "jsonpath={.spec.size}")).toBe("5");
                expect(await k("explain", "widget.spec.colour")).toContain("<string>");
                await k("delete", "crd", "widgets.example.com");
                expect(await run(kubectl, ["-n", namespace, "get", "wd"], { fails: true })).toMatch(
                    /the server doesn't have a resource type|could not find/,
                );
            });

            it("deletes in the foreground, in the background, and leaves orphans when told", async () => {
                await k("delete", "deploy", "web", "--cascade=orphan");
                expect(await k("get", "rs", "-o", "name")).toContain("replicaset.apps/web-");
                const [set = ""] = (await k("get", "rs", "-o", "name")).split("\n");
                await k("delete", set, "--cascade=foreground", "--timeout=60s");
                await k("delete", "rs", "--all");
                await k("delete", "pods", "--all", "--timeout=60s");
                await eventually(async () => expect(await k("get", "pods", "-o", "name")).toBe(""));
            });

            it("watches", async () => {
                const env = { ...process.env, KUBECONFIG: plane.kubeconfigPath };
                const watching: ChildProcess = spawn(
                    kubectl,
                    ["-n", namespace, "get", "cm", "-w", "--output-watch-events"],
                    { env },
                );
                let seen = "";
                const until = (text: string): Promise<void> =>
                    new Promise((resolve) => {
                        const check = (): void =>
                            seen.includes(text) ? resolve() : void watching.stdout?.once("data", check);
                        check();
                    });
                watching.stdout?.on("data", (chunk: Buffer) => {
                    seen += chunk.toString();
                });
                await until("kube-root-ca.crt");
                await apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: seen}, data: {a: b}}");
                await until("ADDED      seen");
                await k("delete", "cm", "seen");
                await until("DELETED    seen");
                watching.kill();
            });

            it("cordons, taints and reads a node; reads logs through its kubelet endpoint", async () => {
                const { port } = kubelet.address() as AddressInfo;
                await run(kubectl, ["delete", "node", "edge-1", "--ignore-not-found"]);
                await run(kubectl, ["create", "-f", "-"], {
                    input: '{apiVersion: v1, kind: Node, metadata: {name: edge-1, labels: {node-role.kubernetes.io/edge: ""}}}',
                });
                const connection = await connectionFromKubeconfig(plane.kubeconfigPath);
                const client = createKubeClient(connection, { clock: systemClock, random: Math.random });
                const status = nodeStatus(port);
                await client.patch({ type: Kinds.node, name: "edge-1" }, { status }, "merge", {
                    subresource: "status",
                });
                expect(await run(kubectl, ["get", "nodes"])).toMatch(/edge-1\s+Ready\s+edge/);
                await run(kubectl, ["cordon", "edge-1"]);
                expect(await run(kubectl, ["get", "nodes"])).toContain("SchedulingDisabled");
                await run(kubectl, ["uncordon", "edge-1"]);
                await run(kubectl, ["taint", "node", "edge-1", "role=edge:NoSchedule"]);
                expect(await run(kubectl, ["describe", "node", "edge-1"])).toContain("role=edge:NoSchedule");
                await run(kubectl, ["taint", "node", "edge-1", "role-"]);
                await apply(
                    '{apiVersion: v1, kind: Pod, metadata: {name: talker}, spec: {nodeName: edge-1, containers: [{name: c, image: "busybox:1"}]}}',
                );
                const line = await k("logs", "talker", "--tail=5");
                expect(line).toContain(`/containerLogs/${namespace}/talker/c?`);
                expect(line).toContain("tailLines=5");
                expect(await run(kubectl, ["top", "nodes"])).toMatch(/edge-1\s+500m\s+25%\s+64Mi\s+6%/);
                await k("delete", "pod", "talker", "--wait=false");
                expect(await k("get", "pod", "talker")).toContain("Terminating");
                await k("delete", "pod", "talker", "--force", "--grace-period=0");
                await run(kubectl, ["delete", "node", "edge-1"]);
                await client.close();
            });

            it("applies on the server, finds conflicts and migrates", async () => {
                expect(await apply(deployment(1, '{name: A, value: "1"}'), "--server-side")).toContain(
                    "serverside-applied",
                );
                await k("scale", "deploy", "web", "--replicas=2");
                expect(
                    await refused(deployment(1, ""), "apply", "--server-side", "--field-manager=somebody"),
                ).toContain("conflict");
                expect(await apply(deployment(1, ""), "--server-side", "--force-conflicts")).toContain(
                    "serverside-applied",
                );
                expect(
                    (
                        await k(
                            "get",
                            "deploy",
                            "web",
                            "-o",
                            "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env}",
                        )
                    ).trim(),
                ).toBe("1");
            });

            it("goes over from client-side to server-side apply and takes away its own fields alone", async () => {
                const env = (...names: string[]): string =>
                    names.map((name) => `{name: ${name}, value: "1"}`).join(", ");
                const own = (made: string): string => made.replaceAll("web", "moved");
                await apply(own(deployment(1, env("A", "B"))));
                await k("annotate", "deploy", "moved", "somebody=else");
                expect(await apply(own(deployment(2, env("A"))), "--server-side")).toContain("serverside-applied");
                const moved = JSON.parse(await k("get", "deploy", "moved", "-o", "json")) as {
                    metadata: { annotations: Record<string, string> };
                    spec: { replicas: number; template: { spec: { containers: { env: unknown[] }[] } } };
                };
                expect(moved.spec.replicas).toBe(2);
                expect(moved.spec.template.spec.containers[0]?.env).toEqual([{ name: "A", value: "1" }]);
                expect(moved.metadata.annotations["somebody"]).toBe("else");
                await k("delete", "deploy", "moved");

                // A Job's selector is the server's: it stays when kubectl takes its own fields over.
                const job = `{apiVersion: batch/v1, kind: Job, metadata: {name: moved}, spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "busybox:1"}]}}}}`;
                await apply(job);
                await apply(job, "--server-side");
                expect(await apply(job, "--server-side")).toContain("serverside-applied");
                await k("delete", "job", "moved");
            });

            it("creates from its own generators", async () => {
                await k("create", "configmap", "made", "--from-literal=a=b");
                await k("create", "secret", "generic", "hidden", "--from-literal=a=b");
                await k("create", "serviceaccount", "robot");
                await k("create", "deployment", "gen", "--image=busybox");
                await k("expose", "deployment", "gen", "--port=80");
                expect(await k("get", "svc", "gen")).toMatch(/gen\s+ClusterIP\s+10\.96\./);
                expect(await k("get", "cm", "made", "-o", "jsonpath={.data.a}")).toBe("b");
            });

            it("deletes the namespace with all that is in it", async () => {
                await run(kubectl, ["delete", "ns", namespace, "--timeout=90s"]);
                expect(await run(kubectl, ["get", "ns", namespace], { fails: true })).toContain("not found");
            });
        },
    );
});
