// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import type { EdgeController } from "../../../src/cloud/edgecontroller/index.ts";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import { asRecord } from "../../../src/core/json.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../src/kube/types.ts";
import { edgeRig, type Rig } from "../support/rig.ts";

describe("what a node is told", () => {
    let rig: Rig<EdgeController>;

    const make = (type: ResourceType, name: string, more: Record<string, unknown> = {}): Promise<KubeObject> =>
        rig.cluster.create(type, {
            apiVersion: "v1",
            kind: type.kind,
            metadata: type.namespaced ? { name, namespace: "default" } : { name },
            ...more,
        });
    const podSpec = { nodeName: "edge-1", containers: [], volumes: [{ name: "v", configMap: { name: "settings" } }] };
    const change = (type: ResourceType, name: string, patch: unknown, subresource?: string) =>
        rig.cluster.patch({ type, namespace: type.namespaced ? "default" : undefined, name }, patch, "merge", {
            subresource,
        });

    beforeEach(async () => {
        rig = await edgeRig({ unusedGraceMs: 5000 }).start();
    });

    test("on connect everything it should have, in order, then the list of it", async () => {
        await make(Kinds.node, "edge-1");
        await change(Kinds.node, "edge-1", { metadata: { annotations: { cloudcore: "127.0.0.1" } } });
        const settings = await make(Kinds.configMap, "settings");
        await make(Kinds.configMap, "unrelated");
        const password = await make(Kinds.secret, "password");
        const spec = { ...podSpec, imagePullSecrets: [{ name: "password" }] };
        const web = await make(Kinds.pod, "web", { spec });
        await make(Kinds.pod, "elsewhere", { spec: { ...podSpec, nodeName: "edge-2" } });
        await make(Kinds.pod, "unbound", { spec: { containers: [] } });
        await rig.settle();
        await rig.connect();
        expect(rig.sent.map(({ route }) => `${route.operation} ${route.resource}`)).toEqual([
            "update null/node/edge-1",
            "update default/configmap/settings",
            "update default/secret/password",
            "update default/pod/web",
            "sync node/edge-1",
        ]);
        expect(rig.sent.at(-1)?.content).toEqual({
            kinds: ["Pod", "ConfigMap", "Secret"],
            uids: [settings, password, web].map(({ metadata }) => metadata.uid),
        });
        for (const sent of rig.sent)
            expect(sent).toMatchObject({ node: "edge-1", route: { source: "edgecontroller" } });
        expect(rig.sent[3]?.header.resourceversion).toBe(web.metadata.resourceVersion);
    });

    test("nodes that connect before the objects are known are told when they are", async () => {
        const early = edgeRig({}, rig.cluster);
        await make(Kinds.pod, "web", { spec: podSpec });
        await early.controller.start();
        await early.controller.receive(early.message("connect", "node/edge-1", null));
        await early.settle();
        expect(early.take()).toEqual(["update default/pod/web", "sync node/edge-1"]);
    });

    test("a bound pod goes as insert, a binding and a change of its spec as update, after what it uses", async () => {
        await rig.connect();
        rig.take();
        await make(Kinds.configMap, "settings");
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.settle();
        expect(rig.take()).toEqual(["insert default/configmap/settings", "insert default/pod/web"]);
        await change(Kinds.pod, "web", { metadata: { labels: { a: "b" } } });
        await rig.settle();
        expect(rig.take()).toEqual(["update default/pod/web"]);
    });

    test("an object that appears after the pod that uses it follows", async () => {
        await rig.connect();
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.settle();
        rig.take();
        await make(Kinds.configMap, "settings");
        await change(Kinds.configMap, "settings", { data: { a: "1" } });
        await rig.settle();
        expect(rig.take()).toEqual(["insert default/configmap/settings", "update default/configmap/settings"]);
    });

    test("its own status is not echoed; a status somebody else wrote is told", async () => {
        await make(Kinds.pod, "web", { spec: podSpec });
        await make(Kinds.node, "edge-1");
        await rig.connect();
        rig.take();
        await rig.up("patch", "default/podpatch/web", JSON.stringify({ status: { phase: "Running" } }));
        await rig.up("patch", "null/nodepatch/edge-1", JSON.stringify({ status: { phase: "x" } }));
        expect(rig.take()).toEqual(["response default/podpatch/web", "response null/nodepatch/edge-1"]);
        await change(Kinds.pod, "web", { status: { phase: "Unknown" } }, "status");
        await change(
            Kinds.node,
            "edge-1",
            { status: { conditions: [{ type: "Ready", status: "Unknown" }] } },
            "status",
        );
        await rig.settle();
        expect(rig.take()).toEqual(["update default/pod/web", "update null/node/edge-1"]);
    });

    test("a status that came while the node's own patch was under way is told when the patch was not it", async () => {
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.connect();
        rig.take();
        rig.cluster.beforeWrite = async () => {
            rig.cluster.beforeWrite = async () => {};
            await change(Kinds.pod, "web", { status: { phase: "Failed" } }, "status");
            await rig.settle();
            expect(rig.take()).toEqual([]);
            throw new RedgeError("REDGE_KUBE_STATUS", { code: 409, reason: "Conflict", message: "changed meanwhile" });
        };
        await rig.up("patch", "default/podpatch/web", JSON.stringify({ status: { phase: "Running" } }));
        const pushed = rig.sent.find(({ route }) => route.resource === "default/pod/web");
        expect(asRecord(asRecord(pushed?.content)["status"])["phase"]).toBe("Failed");
    });

    test("a deletion goes as update, then as delete with the whole pod", async () => {
        const pod = await make(Kinds.pod, "web", { spec: podSpec });
        await rig.connect();
        rig.take();
        await rig.cluster.delete({ type: Kinds.pod, namespace: "default", name: "web" });
        await rig.settle();
        await rig.up("delete", "default/pod/web", { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } });
        const gone = rig.sent.at(-1);
        expect(rig.take()).toEqual(["update default/pod/web", "response default/pod/web", "delete default/pod/web"]);
        expect(asRecord(gone?.content)["metadata"]).toMatchObject({ uid: pod.metadata.uid, name: "web" });
    });

    test("what no pod uses any more is taken away after a while, unless a new pod needs it", async () => {
        await make(Kinds.configMap, "settings");
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.connect();
        await rig.cluster.delete({ type: Kinds.pod, namespace: "default", name: "web" }, { gracePeriodSeconds: 0 });
        await rig.settle();
        rig.take();
        await make(Kinds.pod, "next", { spec: podSpec });
        await rig.settle(6000);
        expect(rig.take()).toEqual(["insert default/pod/next"]);
        await rig.cluster.delete({ type: Kinds.pod, namespace: "default", name: "next" }, { gracePeriodSeconds: 0 });
        await rig.settle(4000);
        expect(rig.take()).toEqual(["delete default/pod/next"]);
        await rig.settle(2000);
        expect(rig.take()).toEqual(["delete default/configmap/settings"]);
    });

    test("nothing is told of or to nodes that are not connected", async () => {
        await make(Kinds.node, "edge-1");
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.settle();
        expect(rig.take()).toEqual([]);
        await rig.connect();
        await rig.controller.receive(rig.message("disconnect", "node/edge-1", null));
        rig.take();
        await change(Kinds.pod, "web", { metadata: { labels: { a: "b" } } });
        await rig.settle();
        expect(rig.take()).toEqual([]);
    });

    test("a message of a node that was never announced counts as its connection", async () => {
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.settle();
        await rig.up("query", "kube-node-lease/lease/edge-1");
        expect(rig.take()).toEqual([
            "update default/pod/web",
            "sync node/edge-1",
            "response kube-node-lease/lease/edge-1",
        ]);
    });

    test("a deleted Node is told to CloudHub, which ends the session", async () => {
        await make(Kinds.node, "edge-1");
        await rig.connect();
        rig.take();
        await rig.cluster.delete({ type: Kinds.node, name: "edge-1" });
        await rig.settle();
        expect(rig.take()).toEqual(["delete null/node/edge-1"]);
    });

    test("pushed objects carry their kind and no managed fields", async () => {
        await rig.cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "web", namespace: "default", managedFields: [{ manager: "kubectl" }] },
            spec: podSpec,
        });
        await rig.connect();
        const pod = rig.sent.find(({ route }) => route.resource === "default/pod/web")?.content;
        expect(pod).toMatchObject({ apiVersion: "v1", kind: "Pod" });
        expect(asRecord(asRecord(pod)["metadata"])).not.toHaveProperty("managedFields");
    });

    test("stopping ends everything and may be done twice", async () => {
        await rig.connect();
        await rig.controller.stop();
        await rig.controller.stop();
        rig.take();
        await make(Kinds.pod, "web", { spec: podSpec });
        await rig.settle();
        expect(rig.take()).toEqual([]);
    });
});
