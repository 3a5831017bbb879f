// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { Harness } from "./harness.ts";

let harness: Harness;
beforeEach(async () => {
    harness = await new Harness().start();
});
afterEach(() => harness.stop());

const owned = (name: string, ...owners: KubeObject[]): Parameters<Harness["put"]>[1] => ({
    metadata: {
        name,
        ownerReferences: owners.map(({ apiVersion, kind, metadata }) => ({
            apiVersion,
            kind,
            name: metadata.name,
            uid: metadata.uid ?? "",
            blockOwnerDeletion: true,
        })),
    },
});
const names = async (): Promise<string[]> =>
    (await harness.list(Kinds.configMap)).map(({ metadata }) => metadata.name).filter((name) => !name.endsWith(".crt"));
const remove = async (name: string, propagationPolicy?: "Background" | "Foreground" | "Orphan"): Promise<void> => {
    await harness.cluster.delete({ type: Kinds.configMap, namespace: "default", name }, { propagationPolicy });
    await harness.settle();
};

describe("GarbageCollector", () => {
    it("deletes chains of dependents in the background", async () => {
        const top = await harness.put(Kinds.configMap, { metadata: { name: "top" } });
        const middle = await harness.put(Kinds.configMap, owned("middle", top));
        await harness.put(Kinds.secret, owned("leaf", middle));
        await remove("top");
        expect(await names()).toEqual([]);
        expect(await harness.list(Kinds.secret)).toEqual([]);
    });

    it("keeps an object for as long as one of its owners lives, and drops the references to the dead", async () => {
        const one = await harness.put(Kinds.configMap, { metadata: { name: "one" } });
        const two = await harness.put(Kinds.configMap, { metadata: { name: "two" } });
        await harness.put(Kinds.secret, owned("shared", one, two));
        await remove("one");
        const shared = await harness.get(Kinds.secret, "shared");
        expect(shared?.metadata.ownerReferences?.map(({ name }) => name)).toEqual(["two"]);
        await remove("two");
        expect(await harness.get(Kinds.secret, "shared")).toBeUndefined();
    });

    it("deletes an object whose owner was deleted and made anew under the same name", async () => {
        const owner = await harness.put(Kinds.configMap, { metadata: { name: "owner" } });
        const stale = { ...owner, metadata: { ...owner.metadata, uid: "of-an-earlier-life" } };
        await harness.put(Kinds.secret, owned("leftover", stale));
        expect(await harness.get(Kinds.secret, "leftover")).toBeUndefined();
    });

    it("leaves alone what is owned by a kind nobody serves", async () => {
        const stranger = { apiVersion: "strange.io/v1", kind: "Stranger", metadata: { name: "s", uid: "u" } };
        await harness.put(Kinds.secret, owned("kept", stranger));
        expect(await harness.get(Kinds.secret, "kept")).toBeDefined();
    });

    it("deletes an owner in the foreground only after its dependents", async () => {
        const owner = await harness.put(Kinds.configMap, { metadata: { name: "owner" } });
        const held = owned("held", owner);
        await harness.put(Kinds.secret, {
            metadata: { ...Object(held["metadata"]), finalizers: ["example.com/hold"] },
        });
        await remove("owner", "Foreground");
        expect((await harness.get(Kinds.configMap, "owner"))?.metadata.finalizers).toEqual(["foregroundDeletion"]);
        expect((await harness.get(Kinds.secret, "held"))?.metadata.deletionTimestamp).toBeDefined();
        const ref = { type: Kinds.secret, namespace: "default", name: "held" };
        await harness.cluster.patch(ref, { metadata: { finalizers: null } }, "merge");
        await harness.settle();
        expect(await harness.get(Kinds.secret, "held")).toBeUndefined();
        expect(await harness.get(Kinds.configMap, "owner")).toBeUndefined();
    });

    it("sets dependents free when their owner is deleted with Orphan", async () => {
        const owner = await harness.put(Kinds.configMap, { metadata: { name: "owner" } });
        await harness.put(Kinds.secret, owned("free", owner));
        await remove("owner", "Orphan");
        expect(await names()).toEqual([]);
        expect((await harness.get(Kinds.secret, "free"))?.metadata.ownerReferences ?? []).toEqual([]);
    });

    it("collects custom resources from the moment their definition stands", async () => {
        const gadget = { group: "example.com", version: "v1", kind: "Gadget", plural: "gadgets", namespaced: true };
        await harness.put(Kinds.customResourceDefinition, {
            metadata: { name: "gadgets.example.com" },
            spec: {
                group: "example.com",
                scope: "Namespaced",
                names: { kind: "Gadget", plural: "gadgets" },
                versions: [{ name: "v1", served: true, storage: true }],
            },
        });
        const owner = await harness.put(gadget, { metadata: { name: "owner" } });
        await harness.put(gadget, owned("child", owner));
        await harness.put(Kinds.secret, owned("leaf", owner));
        await harness.cluster.delete({ type: gadget, namespace: "default", name: "owner" });
        await harness.settle();
        expect(await harness.list(gadget)).toEqual([]);
        expect(await harness.get(Kinds.secret, "leaf")).toBeUndefined();
    });
});

describe("NamespaceController and NamespaceDefaultsController", () => {
    it("gives a namespace its defaults back when they are deleted, and empties it before it goes", async () => {
        await harness.put(Kinds.namespace, { metadata: { name: "site" }, spec: { finalizers: ["kubernetes"] } });
        const account = { type: Kinds.serviceAccount, namespace: "site", name: "default" };
        expect(await harness.get(Kinds.serviceAccount, "default", "site")).toBeDefined();
        await harness.cluster.delete(account);
        await harness.settle();
        expect(await harness.get(Kinds.serviceAccount, "default", "site")).toBeDefined();
        expect((await harness.get(Kinds.configMap, "kube-root-ca.crt", "site"))?.["data"]).toEqual({ "ca.crt": "CA" });
        await harness.put(Kinds.secret, {
            metadata: { name: "held", namespace: "site", finalizers: ["example.com/hold"] },
        });
        await harness.cluster.delete({ type: Kinds.namespace, name: "site" });
        await harness.clock.advance(2000);
        expect(await harness.get(Kinds.namespace, "site")).toBeDefined();
        const held = { type: Kinds.secret, namespace: "site", name: "held" };
        await harness.cluster.patch(held, { metadata: { finalizers: null } }, "merge");
        await harness.clock.advance(2000);
        await harness.settle();
        expect(await harness.get(Kinds.namespace, "site")).toBeUndefined();
        expect(await harness.get(Kinds.serviceAccount, "default", "site")).toBeUndefined();
    });
});

describe("EventTtlController", () => {
    it("deletes events an hour after they last happened", async () => {
        const event = (name: string, lastTimestamp: string): Promise<KubeObject> =>
            harness.put(Kinds.event, { metadata: { name }, reason: "Test", message: name, lastTimestamp });
        await event("old", harness.now());
        await harness.clock.advance(1_800_000);
        await event("young", harness.now());
        await harness.clock.advance(2_200_000);
        expect((await harness.events("Test")).map(({ message }) => message)).toEqual(["young"]);
    });
});

describe("EndpointsController", () => {
    it("resolves named ports per pod, and tells ready from unready addresses", async () => {
        const pod = (name: string, port: number, ready: boolean): Promise<KubeObject> =>
            harness.put(Kinds.pod, {
                metadata: { name, labels: { app: "web" } },
                spec: {
                    nodeName: "n",
                    containers: [{ name: "web", image: "w", ports: [{ name: "http", containerPort: port }] }],
                },
                status: {
                    phase: "Running",
                    podIP: `10.0.0.${port}`,
                    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
                },
            });
        await pod("a", 80, true);
        await pod("b", 81, false);
        const spec = { selector: { app: "web" }, ports: [{ name: "web", port: 8080, targetPort: "http" }] };
        await harness.put(Kinds.service, { metadata: { name: "web" }, spec });
        const { subsets } = (await harness.get(Kinds.endpoints, "web")) as unknown as {
            subsets: Record<string, unknown>[];
        };
        expect(subsets).toMatchObject([
            { addresses: [{ ip: "10.0.0.80", nodeName: "n" }], ports: [{ name: "web", port: 80, protocol: "TCP" }] },
            { notReadyAddresses: [{ ip: "10.0.0.81" }], ports: [{ name: "web", port: 81, protocol: "TCP" }] },
        ]);
        await harness.cluster.delete({ type: Kinds.service, namespace: "default", name: "web" });
        await harness.settle();
        expect(await harness.get(Kinds.endpoints, "web")).toBeUndefined();
    });
});
