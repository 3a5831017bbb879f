// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "vitest";
import type { EdgeController } from "../../../src/cloud/edgecontroller/index.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { edgeRig, type Rig } from "../support/rig.ts";

const token = (name: string, uid: unknown) => ({ spec: { boundObjectRef: { kind: "Pod", name, uid } } });

describe("a node may only act as itself", () => {
    let rig: Rig<EdgeController>;
    let uid: string | undefined;

    beforeEach(async () => {
        rig = await edgeRig().start();
        for (const name of ["own", "other"]) {
            const kind = "Secret";
            await rig.cluster.create(Kinds.secret, {
                apiVersion: "v1",
                kind,
                metadata: { name, namespace: "default" },
            });
            const pod = await rig.cluster.create(Kinds.pod, {
                apiVersion: "v1",
                kind: "Pod",
                metadata: { name, namespace: "default" },
                spec: {
                    nodeName: name === "own" ? "edge-1" : "edge-2",
                    serviceAccountName: name,
                    containers: [],
                    initContainers: [{ name: "i", envFrom: [{ secretRef: { name } }] }],
                },
            });
            await rig.cluster.create(Kinds.serviceAccount, {
                apiVersion: "v1",
                kind: "ServiceAccount",
                metadata: { name, namespace: "default" },
            });
            if (name === "other") uid = pod.metadata.uid;
        }
        await rig.settle();
    });

    const refused: [string, string, string, () => unknown][] = [
        ["another node's Secret", "query", "default/secret/other", () => null],
        ["a Secret of the same name elsewhere", "query", "kube-system/secret/own", () => null],
        ["another node", "insert", "null/node/edge-2", () => ({})],
        ["another node's status", "patch", "null/nodepatch/edge-2", () => "{}"],
        ["another node's lease", "update", "kube-node-lease/lease/edge-2", () => ({})],
        ["its lease in another namespace", "insert", "default/lease/edge-1", () => ({})],
        ["another node's pod status", "patch", "default/podpatch/other", () => "{}"],
        ["another node's pod", "delete", "default/pod/other", () => ({})],
        ["a token of another node's pod", "query", "default/serviceaccounttoken/other", () => token("other", uid)],
        ["a token bound to nothing", "query", "default/serviceaccounttoken/own", () => ({ spec: {} })],
        ["a claim no pod of it uses", "query", "default/persistentvolumeclaim/data", () => null],
        ["a pod that is no mirror", "insert", "default/pod/new", () => ({ spec: { nodeName: "edge-1" } })],
        [
            "an event about another node",
            "insert",
            "default/event/e",
            () => ({ involvedObject: { kind: "Node", name: "edge-2" } }),
        ],
    ];

    test.each(refused)("%s is forbidden", async (_, operation, resource, content) => {
        const before = rig.cluster.requests.filter((request) => !/^(get|list) /.test(request)).length;
        const { error } = await rig.up(operation, resource, content());
        expect(error).toMatchObject({ code: "REDGE_CLOUD_FORBIDDEN" });
        expect(rig.cluster.requests.filter((request) => !/^(get|list) /.test(request))).toHaveLength(before);
    });

    test("the refused node is told, without a word of what the object holds", async () => {
        const { reply } = await rig.up("query", "default/secret/other");
        expect(reply?.route.operation).toBe("error");
        expect(reply?.content).toBe("Node edge-1 may not query default/secret/other: none of its pods uses it");
        const patch = await rig.up("patch", "null/nodepatch/edge-2", "{}");
        expect(patch.reply?.content).toMatchObject({
            Object: null,
            Err: { ErrStatus: { reason: "Forbidden", code: 403 } },
        });
    });

    test("what its own pods use is given, also to init containers", async () => {
        expect((await rig.up("query", "default/secret/own")).reply?.content).toMatchObject({ kind: "Secret" });
    });

    test("as KubeEdge, on demand, any node may ask for any object", async () => {
        const loose = await edgeRig({ authorization: "kubeedge" }, rig.cluster).start();
        expect((await loose.up("query", "default/secret/other")).reply?.content).toMatchObject({ kind: "Secret" });
    });
});
