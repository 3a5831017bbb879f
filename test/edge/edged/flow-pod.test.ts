// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import { FlowRuntime, type PodRuntime } from "../../../src/edge/edged/index.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";
import {
    configMap,
    type FakeCloud,
    flowPod,
    type Gateway,
    NODE,
    pod,
    removeTempDirs,
    secret,
    startGateway,
    tempDir,
    testPorts,
    until,
} from "./harness.ts";

const FLOW = JSON.stringify([
    { id: "t", type: "tab" },
    { id: "n", type: "debug", z: "t" },
]);
const POD = "default/pod/hello";
const running: Gateway[] = [];

function runtimeOn(host: FakeFlowHost): (rootDir: string, store: DocumentStore) => PodRuntime[] {
    return (rootDir, store) => [new FlowRuntime({ ...testPorts, store, host, logDir: join(rootDir, "logs") })];
}

async function gateway(host: FakeFlowHost, more: Partial<Parameters<typeof startGateway>[0]> = {}): Promise<Gateway> {
    const started = await startGateway({ runtimes: runtimeOn(host), ...more });
    running.push(started);
    return started;
}

function phaseIs(cloud: FakeCloud, phase: string, resource = POD): Promise<unknown> {
    return until(() => cloud.status(resource)?.phase === phase || undefined, `${resource} ${phase}`);
}

afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
    await removeTempDirs();
});

describe("a node without a container engine", () => {
    it("registers, becomes Ready and keeps its lease", async () => {
        const { cloud } = await gateway(new FakeFlowHost());
        const node = await until(() => cloud.objects.get(`null/node/${NODE}`), "node registered");
        expect(node.metadata.labels).toMatchObject({
            "node-role.kubernetes.io/edge": "",
            "kubernetes.io/hostname": NODE,
        });
        const status = node["status"] as { conditions: { type: string; status: string }[]; capacity: { pods: string } };
        expect(status.conditions.find(({ type }) => type === "Ready")?.status).toBe("True");
        expect(status.capacity.pods).toBe("110");
        const lease = await until(() => cloud.objects.get(`kube-node-lease/lease/${NODE}`), "lease");
        expect(lease["spec"]).toMatchObject({ holderIdentity: NODE, leaseDurationSeconds: 40 });
        expect(lease.metadata.ownerReferences?.[0]?.uid).toBe(node.metadata.uid);
    });

    it("tells as events of the Node that it started and how it is, once, also when the link was away", async () => {
        const ofNode = (cloud: FakeCloud): unknown[] =>
            cloud.events
                .filter(({ involvedObject }) => (involvedObject as { kind: string }).kind === "Node")
                .map(({ reason }) => reason);
        const store = new MemoryStore();
        const first = await gateway(new FakeFlowHost(), { store });
        const { cloud } = first;
        await until(() => ofNode(cloud).includes("NodeReady") || undefined, "events of the node");
        const whole = [
            "Starting",
            "NodeHasSufficientMemory",
            "NodeHasNoDiskPressure",
            "NodeHasSufficientPID",
            "NodeReady",
        ];
        expect(ofNode(cloud)).toEqual(whole);
        expect(cloud.events.at(-1)).toMatchObject({
            type: "Normal",
            message: `Node ${NODE} status is now: NodeReady`,
            involvedObject: { name: NODE, uid: NODE },
        });
        await first.setLink(false);
        await first.setLink(true);
        cloud.apply("default/pod/web", pod("web", { containers: [{ name: "web", image: "busybox" }] }));
        await until(() => cloud.events.length > whole.length || undefined, "another event");
        expect(ofNode(cloud)).toEqual(whole);
    });

    it("leaves a container pod Pending with an event that says why", async () => {
        const { cloud } = await gateway(new FakeFlowHost());
        cloud.apply("default/pod/web", pod("web", { containers: [{ name: "web", image: "busybox" }] }));
        const event = await until(
            () => cloud.events.find(({ involvedObject }) => (involvedObject as { name: string }).name === "web"),
            "event",
        );
        expect(event["message"]).toContain("no container engine");
        await phaseIs(cloud, "Pending", "default/pod/web");
    });
});

describe("a flow pod", () => {
    it("says at the node and at the pod that only isolated flows run, where Node-RED is not ours to use", async () => {
        const host = new FakeFlowHost();
        host.down = "this Node-RED was not started by redge";
        const { cloud, states } = await gateway(host);
        await until(() => states.at(-1)?.text === "registeredIsolated" || undefined, "status of the edged node");
        cloud.apply(POD, flowPod("hello"));
        const event = await until(() => cloud.events.find(({ type }) => type === "Warning"), "event");
        expect(event["message"]).toContain(host.down);
        await phaseIs(cloud, "Pending");
        expect(host.deploys).toEqual([]);
    });

    it("fails with an event that names the module that could not be installed", async () => {
        const host = new FakeFlowHost();
        const reason = "it is not there";
        host.deploy = () => Promise.reject(new RedgeError("REDGE_FLOW_MODULE", { module: "foo@1.0.0", reason }));
        const { cloud } = await gateway(host);
        cloud.put("default/configmap/hello-flow", configMap("hello-flow", { "flow.json": FLOW }));
        cloud.apply(POD, flowPod("hello"));
        const event = await until(() => cloud.events.find((one) => one["reason"] === "Failed"), "event");
        expect(event).toMatchObject({ type: "Warning", involvedObject: { fieldPath: "spec.containers{flow}" } });
        expect(event["message"]).toContain("foo@1.0.0 could not be installed: it is not there");
    });

    it("is ready by the status of the nodes that its annotation names", async () => {
        const host = new FakeFlowHost();
        const { cloud } = await gateway(host);
        const flow = [
            { id: "t", type: "tab" },
            { id: "in", type: "mqtt in", z: "t", name: "orders" },
            { id: "out", type: "http request", z: "t" },
        ];
        cloud.put("default/configmap/hello-flow", configMap("hello-flow", { "flow.json": JSON.stringify(flow) }));
        const made = flowPod("hello");
        const annotations = { "edge.redge.io/ready-status": "orders, out=listening" };
        cloud.apply(POD, { ...made, metadata: { ...made.metadata, annotations } });
        await phaseIs(cloud, "Running");
        const ready = (): boolean | undefined => cloud.status(POD)?.containerStatuses?.[0]?.ready;
        const condition = (): string | undefined =>
            cloud.status(POD)?.conditions?.find(({ type }) => type === "Ready")?.status;
        expect(ready()).toBe(false);
        const unitId = [...host.units.keys()][0] ?? "";
        host.listener?.status(unitId, "in", { fill: "green", shape: "dot", text: "connected" });
        host.listener?.status(unitId, "out", { fill: "blue", text: "listening" });
        await until(() => (ready() && condition() === "True") || undefined, "ready");
        host.listener?.status(unitId, "in", { fill: "red", shape: "ring", text: "disconnected" });
        await until(() => (ready() === false && condition() === "False") || undefined, "not ready any more");
        expect(cloud.status(POD)?.phase).toBe("Running");
    });

    it("runs the mounted flow with its environment and is acknowledged", async () => {
        const host = new FakeFlowHost();
        const { cloud } = await gateway(host);
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        cloud.put("default/secret/keys", secret("keys", { token: "s3cret" }));
        const object = flowPod("hello", {
            env: [
                { name: "LINE", value: "3" },
                { name: "WHO", value: "line-$(LINE)" },
                { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
                { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            ],
        });
        cloud.apply(POD, object);
        await phaseIs(cloud, "Running");
        const [unit] = host.units.values();
        expect(unit?.files).toEqual([{ name: "/flow/a.json", nodes: JSON.parse(FLOW) }]);
        expect(Object.fromEntries(unit?.env ?? [])).toEqual({
            LINE: "3",
            WHO: "line-3",
            TOKEN: "s3cret",
            POD: "hello",
        });
        const [status] = cloud.status(POD)?.containerStatuses ?? [];
        expect(status).toMatchObject({ ready: true, started: true, restartCount: 0 });
        expect(status?.containerID).toMatch(/^flow:\/\//);
        expect(cloud.acks.some(({ route }) => route.resource === POD)).toBe(true);
    });

    it("is deployed again when its ConfigMap changes, without a restart", async () => {
        const host = new FakeFlowHost();
        const { cloud } = await gateway(host);
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        cloud.apply(POD, flowPod("hello"));
        await phaseIs(cloud, "Running");
        const second = FLOW.replace("debug", "inject");
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": second }));
        await until(() => host.deploys.length === 2 || undefined, "second deploy");
        expect(host.deploys[1]?.files[0]?.nodes).toEqual(JSON.parse(second));
        expect(host.deploys[1]?.id).toBe(host.deploys[0]?.id);
        expect(cloud.status(POD)?.containerStatuses?.[0]?.restartCount).toBe(0);
    });

    it("shows a bad flow as CrashLoopBackOff with the reason, and recovers when it is mended", async () => {
        const host = new FakeFlowHost();
        const { cloud } = await gateway(host);
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": "{not json" }));
        cloud.apply(POD, flowPod("hello"));
        const status = await until(() => {
            const [one] = cloud.status(POD)?.containerStatuses ?? [];
            return one?.state.waiting?.reason === "CrashLoopBackOff" ? one : undefined;
        }, "crash loop");
        expect(status.state.waiting?.message).toContain("a.json is not a flow file");
        expect(status.lastState.terminated).toMatchObject({ exitCode: 1, reason: "Error" });
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        await until(() => host.units.size === 1 || undefined, "mended flow runs");
        await until(() => cloud.status(POD)?.containerStatuses?.[0]?.state.running, "running in the status");
    });

    it("waits for a ConfigMap that is missing and says so", async () => {
        const { cloud } = await gateway(new FakeFlowHost());
        cloud.apply(POD, flowPod("hello"));
        const event = await until(() => cloud.events.find(({ reason }) => reason === "FailedMount"), "event");
        expect(event["message"]).toContain("configmap/hello-flow");
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        await phaseIs(cloud, "Running");
    });

    it("is stopped, reported and then deleted by its uid", async () => {
        const host = new FakeFlowHost();
        const { cloud } = await gateway(host);
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        const object = flowPod("hello");
        cloud.apply(POD, object);
        await phaseIs(cloud, "Running");
        cloud.deletePod(POD);
        const request = await until(
            () => cloud.seen.find(({ route }) => route.operation === "delete" && route.resource === POD),
            "delete request",
        );
        expect(request.content).toEqual({ gracePeriodSeconds: 0, preconditions: { uid: object.metadata.uid } });
        expect(host.units.size).toBe(0);
        const last = cloud.seen.filter(({ route }) => route.resource === "default/podpatch/hello").at(-1);
        expect(JSON.parse(String(last?.content)).status.phase).toBe("Succeeded");
    });

    it("goes on after a restart of the gateway without a link, restart count unchanged", async () => {
        const store = new MemoryStore();
        const rootDir = await tempDir();
        const first = await gateway(new FakeFlowHost(), { store, rootDir });
        const { cloud } = first;
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        cloud.apply(POD, flowPod("hello"));
        await phaseIs(cloud, "Running");
        await first.stop();
        const host = new FakeFlowHost();
        const second = await gateway(host, { store, rootDir, link: false });
        await until(() => host.units.size === 1 || undefined, "flow runs again");
        const worker = second.edged.pods.find("default", "hello");
        expect(worker?.pod.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 0 });
        expect(host.deploys).toHaveLength(1);
    });

    it("is removed when no pod owns it any more", async () => {
        const store = new MemoryStore();
        const rootDir = await tempDir();
        const first = await gateway(new FakeFlowHost(), { store, rootDir });
        first.cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        first.cloud.apply(POD, flowPod("hello"));
        await phaseIs(first.cloud, "Running");
        await first.stop();
        await store.write([{ op: "delete", key: `metamanager/objects/${POD}` }]);
        await gateway(new FakeFlowHost(), { store, rootDir });
        await until(async () => (await store.scan("edged/flow/")).length === 0 || undefined, "record gone");
    });

    it("fails aloud when a field is not supported", async () => {
        const { cloud } = await gateway(new FakeFlowHost());
        cloud.apply(POD, flowPod("hello", { command: ["sh"] }));
        await phaseIs(cloud, "Failed");
        expect(cloud.status(POD)).toMatchObject({ reason: "UnsupportedField" });
        expect(cloud.status(POD)?.message).toContain("spec.containers[0].command");
    });
});
