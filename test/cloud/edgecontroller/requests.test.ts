// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { EdgeController } from "../../../src/cloud/edgecontroller/index.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import type { MemoryCluster } from "../support/memory-cluster.ts";
import { edgeRig, NODE, type Rig } from "../support/rig.ts";

const REGISTRATION = {
    metadata: { name: "edge-1", labels: { "kubernetes.io/os": "linux" } },
    spec: {},
    status: {
        addresses: [
            { type: "InternalIP", address: "192.0.2.2" },
            { type: "Hostname", address: "edge-1" },
        ],
        daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
        conditions: [{ type: "Ready", status: "False" }],
    },
};

async function addPod(cluster: MemoryCluster, name: string, spec: Record<string, unknown> = {}): Promise<KubeObject> {
    return cluster.create(Kinds.pod, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec: { nodeName: "edge-1", containers: [{ name: "c", image: "busybox" }], ...spec },
    });
}

const errStatus = (reply: Envelope | undefined) => asRecord(asRecord(asRecord(reply?.content)["Err"])["ErrStatus"]);
const objectOf = (reply: Envelope | undefined) => asRecord(asRecord(reply?.content)["Object"]);

describe("requests of a node", () => {
    test("registration makes an edge node and answers it with both keys", async () => {
        const rig = await edgeRig({ cloudAddress: "192.0.2.9" }).start();
        const { reply } = await rig.up("insert", "null/node/edge-1", REGISTRATION);
        expect(reply?.route).toEqual({
            source: "edgecontroller",
            group: "resource",
            operation: "response",
            resource: "null/node/edge-1",
        });
        expect(asRecord(reply?.content)["Err"]).toBeNull();
        const { labels, annotations, uid } = rig.cluster.peek(Kinds.node, "edge-1")?.metadata ?? {};
        expect(labels).toEqual({ "kubernetes.io/os": "linux", "node-role.kubernetes.io/edge": "" });
        expect(annotations).toEqual({ cloudcore: "192.0.2.9" });
        expect(asRecord(objectOf(reply)["metadata"])["uid"]).toBe(uid);
    });

    test("a second registration is AlreadyExists, adds what is missing, keeps what people changed, and pushes the node", async () => {
        const rig = await edgeRig().start();
        await rig.up("insert", "null/node/edge-1", REGISTRATION);
        await rig.cluster.patch(
            { type: Kinds.node, name: "edge-1" },
            { metadata: { labels: { "kubernetes.io/os": "changed" } } },
            "merge",
        );
        await rig.connect();
        rig.take();
        const again = {
            ...REGISTRATION,
            metadata: { name: "edge-1", labels: { "kubernetes.io/os": "linux", zone: "b" } },
        };
        const { reply, error } = await rig.up("insert", "null/node/edge-1", again);
        expect(error).toBeUndefined();
        expect(asRecord(reply?.content)["Object"]).toBeNull();
        expect(errStatus(reply)).toMatchObject({ status: "Failure", reason: "AlreadyExists", code: 409 });
        expect(rig.cluster.peek(Kinds.node, "edge-1")?.metadata.labels).toMatchObject({
            "kubernetes.io/os": "changed",
            zone: "b",
        });
        expect(rig.take()).toContain("update null/node/edge-1");
    });

    test("a nodepatch goes to the status, strategically, and answers the whole node with its version", async () => {
        const rig = await edgeRig().start();
        await rig.up("insert", "null/node/edge-1", REGISTRATION);
        const patch = {
            status: {
                conditions: [
                    { type: "Ready", status: "True" },
                    { type: "Disk", status: "False" },
                ],
            },
        };
        const { reply } = await rig.up("patch", "null/nodepatch/edge-1", JSON.stringify(patch));
        const node = rig.cluster.peek(Kinds.node, "edge-1");
        expect(asRecord(node?.["status"])["conditions"]).toEqual([
            { type: "Ready", status: "True" },
            { type: "Disk", status: "False" },
        ]);
        expect(asRecords(asRecord(node?.["status"])["addresses"])).toHaveLength(2);
        expect(reply?.header.resourceversion).toBe(node?.metadata.resourceVersion);
        expect(objectOf(reply)).toMatchObject({ kind: "Node", apiVersion: "v1" });
    });

    test("with a stream address the API sees CloudStream and the edge sees itself", async () => {
        const rig = await edgeRig({ streamAddress: "127.0.0.1:10003" }).start();
        const { reply } = await rig.up("insert", "null/node/edge-1", REGISTRATION);
        expect(asRecord(objectOf(reply)["status"])["addresses"]).toEqual(REGISTRATION.status.addresses);
        const seen = () => asRecord(rig.cluster.peek(Kinds.node, "edge-1")?.["status"]);
        const presented = [
            { type: "InternalIP", address: "127.0.0.1" },
            { type: "ExternalIP", address: "192.0.2.2" },
        ];
        expect(seen()["addresses"]).toEqual(presented);
        expect(seen()["daemonEndpoints"]).toEqual({ kubeletEndpoint: { Port: 10003 } });

        const heartbeat = { status: { conditions: [{ type: "Ready", status: "True" }] } };
        const beat = await rig.up("patch", "null/nodepatch/edge-1", JSON.stringify(heartbeat));
        expect(seen()["addresses"]).toEqual(presented);
        expect(asRecord(objectOf(beat.reply)["status"])).toMatchObject({
            addresses: REGISTRATION.status.addresses,
            daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
        });

        const moved = {
            status: {
                "$setElementOrder/addresses": [{ type: "InternalIP" }, { type: "Hostname" }],
                addresses: [
                    { type: "InternalIP", address: "192.0.2.7" },
                    { type: "Hostname", address: "edge-1" },
                    { $patch: "replace" },
                ],
            },
        };
        await rig.up("patch", "null/nodepatch/edge-1", JSON.stringify(moved));
        expect(seen()["addresses"]).toEqual([presented[0], { type: "ExternalIP", address: "192.0.2.7" }]);
    });

    test("a node that connects to another cloud side than before is shown there", async () => {
        const before = await edgeRig({ streamAddress: "10.0.0.1:10003", cloudAddress: "10.0.0.1" }).start();
        await before.up("insert", "null/node/edge-1", REGISTRATION);
        const ofMetrics = { "metrics.k8s.io/resource-metrics-path": "/metrics/nodes/edge-1/metrics/resource" };
        const ref = { type: Kinds.node, name: "edge-1" };
        expect(before.cluster.peek(Kinds.node, "edge-1")?.metadata.annotations).toMatchObject(ofMetrics);
        const [key = ""] = Object.keys(ofMetrics);
        await before.cluster.patch(ref, { metadata: { annotations: { [key]: null } } }, "merge");
        const after = await edgeRig(
            { streamAddress: "10.0.0.2:10003", cloudAddress: "10.0.0.2" },
            before.cluster,
        ).start();
        await after.connect();
        const node = before.cluster.peek(Kinds.node, "edge-1");
        expect(node?.metadata.annotations).toEqual({ cloudcore: "10.0.0.2", ...ofMetrics });
        expect(asRecord(node?.["status"])["addresses"]).toEqual([
            { type: "InternalIP", address: "10.0.0.2" },
            { type: "ExternalIP", address: "192.0.2.2" },
        ]);
        expect(asRecord(node?.["status"])["conditions"]).toEqual(REGISTRATION.status.conditions);
    });

    test("the lease is queried, inserted and updated; a stale update is a Conflict", async () => {
        const rig = await edgeRig().start();
        const name = "kube-node-lease/lease/edge-1";
        expect(errStatus((await rig.up("query", name)).reply)).toMatchObject({ reason: "NotFound", code: 404 });
        const inserted = await rig.up("insert", name, { metadata: { name: "edge-1" }, spec: { renewTime: "1" } });
        const lease = objectOf(inserted.reply);
        const updated = await rig.up("update", name, { ...lease, spec: { renewTime: "2" } });
        expect(objectOf(updated.reply)["spec"]).toEqual({ renewTime: "2" });
        expect(errStatus((await rig.up("update", name, { ...lease, spec: { renewTime: "3" } })).reply)).toMatchObject({
            reason: "Conflict",
        });
    });

    test("a podpatch with another UID is refused by the API and told so", async () => {
        const rig = await edgeRig().start();
        const pod = await addPod(rig.cluster, "web");
        await rig.settle();
        const ok = await rig.up(
            "patch",
            "default/podpatch/web",
            JSON.stringify({ metadata: { uid: pod.metadata.uid }, status: { phase: "Running" } }),
        );
        expect(asRecord(objectOf(ok.reply)["status"])["phase"]).toBe("Running");
        expect(ok.reply?.header.resourceversion).toBeDefined();
        const other = await rig.up(
            "patch",
            "default/podpatch/web",
            JSON.stringify({ metadata: { uid: "x" }, status: {} }),
        );
        expect(errStatus(other.reply)["reason"]).toBe("Conflict");
    });

    test("a pod's deletion is OK when it is done, when it was done before, and when another has its name", async () => {
        const rig = await edgeRig().start();
        const pod = await addPod(rig.cluster, "web");
        await rig.settle();
        const options = (uid: unknown) => ({ gracePeriodSeconds: 0, preconditions: { uid } });
        expect((await rig.up("delete", "default/pod/web", options("other"))).reply?.content).toBe("OK");
        expect(rig.cluster.peek(Kinds.pod, "web")).toBeDefined();
        expect((await rig.up("delete", "default/pod/web", options(pod.metadata.uid))).reply?.content).toBe("OK");
        expect(rig.cluster.peek(Kinds.pod, "web")).toBeUndefined();
        expect((await rig.up("delete", "default/pod/web", options(pod.metadata.uid))).reply?.content).toBe("OK");
    });

    test("a token request is answered with its status and the very spec that was asked for", async () => {
        const rig = await edgeRig().start();
        await rig.cluster.create(Kinds.serviceAccount, {
            apiVersion: "v1",
            kind: "ServiceAccount",
            metadata: { name: "default", namespace: "default" },
        });
        const { metadata } = await addPod(rig.cluster, "web");
        await rig.settle();
        const spec = {
            audiences: null,
            expirationSeconds: 3607,
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "web", uid: metadata.uid },
        };
        const { reply } = await rig.up("query", "default/serviceaccounttoken/default", { metadata: {}, spec });
        expect(reply?.content).toMatchObject({ kind: "TokenRequest", spec, status: { token: "signed" } });
    });

    test("a query that fails is answered by an error in plain text, never by something that looks like an object", async () => {
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        const { reply, error } = await rig.up("query", "default/configmap/none");
        expect(error).toBeUndefined();
        expect(reply?.route).toMatchObject({
            operation: "error",
            group: "resource",
            resource: "default/configmap/none",
        });
        expect(reply?.content).toBe('configmaps "none" not found');
    });

    test("an unreachable API server is a filled ErrStatus, not an empty one", async () => {
        const rig = await edgeRig().start();
        rig.cluster.down = true;
        const { reply } = await rig.up("insert", "null/node/edge-1", REGISTRATION);
        expect(errStatus(reply)).toMatchObject({ status: "Failure", reason: "ServiceUnavailable", code: 503 });
    });

    test("requests about one object are carried out in their order, others do not wait for them", async () => {
        const rig = await edgeRig().start();
        await addPod(rig.cluster, "slow");
        await addPod(rig.cluster, "quick");
        await rig.settle();
        const order: string[] = [];
        let release = (): void => {};
        const gate = new Promise<void>((resolve) => {
            release = resolve;
        });
        rig.cluster.beforeWrite = async (request) => {
            if (request === "patch pods/slow") await gate;
            order.push(request);
        };
        const patch = JSON.stringify({ status: { phase: "Running" } });
        const slow = [
            rig.controller.receive(rig.message("patch", "default/podpatch/slow", patch)),
            rig.controller.receive(rig.message("delete", "default/pod/slow", { gracePeriodSeconds: 0 })),
        ];
        await rig.controller.receive(rig.message("patch", "default/podpatch/quick", patch));
        expect(order).toEqual(["patch pods/quick"]);
        release();
        await Promise.all(slow);
        expect(order).toEqual(["patch pods/quick", "patch pods/slow", "delete pods/slow"]);
    });

    test("a message without a node, or of no known kind, is refused", async () => {
        const rig = await edgeRig().start();
        const { node: _, ...homeless } = rig.message("query", "default/configmap/a", null);
        await expect(rig.controller.receive(homeless)).rejects.toMatchObject({ code: "REDGE_ENVELOPE_INVALID" });
        expect((await rig.up("paint", "default/pod/a")).error).toMatchObject({ code: "REDGE_CLOUD_BAD_REQUEST" });
        expect((await rig.up("patch", "null/nodepatch/edge-1", "no json")).error).toMatchObject({
            code: "REDGE_CLOUD_BAD_REQUEST",
        });
    });
});

describe("events of a node", () => {
    const event = {
        metadata: { name: "web.1" },
        involvedObject: { kind: "Pod", namespace: "default", name: "web" },
        count: 1,
    };

    test("are created, patched, and made whole when the first of a series is missing", async () => {
        const rig = await edgeRig().start();
        expect((await rig.up("insert", "default/event/web.1", event)).reply).toBeUndefined();
        await rig.up("patch", "default/event/web.1", { event, patchData: '{"count":5}' });
        expect(rig.cluster.peek(Kinds.event, "web.1")).toMatchObject({ kind: "Event", count: 5 });
        await rig.up("patch", "default/event/web.2", { event: { ...event, count: 9 }, patchData: '{"count":9}' });
        expect(rig.cluster.peek(Kinds.event, "web.2")).toMatchObject({ count: 9 });
    });

    test("out of a durable outbox are answered once they are in the API, told twice or not", async () => {
        const rig = await edgeRig().start();
        for (let time = 0; time < 2; time += 1) {
            const { reply } = await rig.up("insert", "default/event/web.1", event, { sync: true });
            expect(reply).toMatchObject({
                content: "OK",
                route: { operation: "response", resource: "default/event/web.1" },
            });
        }
        const bad = await rig.up("insert", "default/event/web.4", "no json", { sync: true });
        expect(bad.reply?.route.operation).toBe("error");
    });

    /** Events out of an outbox that were sent while the API is away, and how `receive` ended for each. */
    async function sendWhileAway(rig: Rig<EdgeController>) {
        const messages = [3, 4, 5].map((n) =>
            rig.message("insert", `default/event/web.${n}`, event, { sync: true, node: NODE }),
        );
        rig.cluster.down = true;
        const taken = messages.map((message) => rig.controller.receive(message));
        const ends = Promise.allSettled(taken).then((settled) => settled.map(({ status }) => status));
        await rig.settle(2_000);
        return { messages, ends };
    }

    test("out of a durable outbox wait for the API in the order they came, and are written once", async () => {
        const rig = await edgeRig().start();
        await rig.connect();
        const { messages, ends } = await sendWhileAway(rig);
        const [first] = messages;
        if (first === undefined) throw new Error("there is none");
        // The edge repeats what stays without an answer: that changes nothing.
        await rig.controller.receive(first);
        rig.take();
        rig.cluster.down = false;
        const before = rig.cluster.requests.length;
        await rig.settle(500);
        expect(await ends).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
        const written = rig.cluster.requests.slice(before).filter((request) => request.startsWith("create events/"));
        expect(written).toEqual([3, 4, 5].map((n) => `create events/web.${n}`));
        expect(rig.take()).toEqual([3, 4, 5].map((n) => `response default/event/web.${n}`));
    });

    test("out of a durable outbox are given up when the node leaves: it sends them again elsewhere", async () => {
        const rig = await edgeRig().start();
        await rig.connect();
        const { ends } = await sendWhileAway(rig);
        await rig.controller.receive(rig.message("disconnect", `node/${NODE}`, null));
        await rig.settle(500);
        expect(await ends).toEqual(["rejected", "rejected", "rejected"]);
    });

    test("out of a durable outbox do not keep the controller from stopping", async () => {
        const rig = await edgeRig().start();
        await rig.connect();
        const { ends } = await sendWhileAway(rig);
        await rig.controller.stop();
        expect(await ends).toEqual(["rejected", "rejected", "rejected"]);
    });
});
