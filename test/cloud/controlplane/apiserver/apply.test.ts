// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { ApiHarness, type RawAnswer } from "./harness.ts";

const api = new ApiHarness();
beforeAll(async () => {
    await api.start();
    await api.namespace("default");
});
afterAll(() => api.dispose());

type Container = Record<string, unknown>;

const deployment = (name: string, containers: Container[], spec: Record<string, unknown> = {}): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: { app: name } }, spec: { containers } },
        ...spec,
    },
});

function apply(object: KubeObject, manager: string, force = false): Promise<RawAnswer> {
    const path = `/apis/apps/v1/namespaces/default/deployments/${object.metadata.name}?fieldManager=${manager}${force ? "&force=true" : ""}`;
    return api.raw(path, {
        method: "PATCH",
        headers: { "Content-Type": "application/apply-patch+yaml" },
        body: object,
    });
}

const read = (name: string): Promise<KubeObject> =>
    api.client.get({ type: Kinds.deployment, namespace: "default", name });
const containersOf = (object: KubeObject): Container[] =>
    (object["spec"] as { template: { spec: { containers: Container[] } } }).template.spec.containers;
const managers = (object: KubeObject): string[] =>
    (object.metadata["managedFields"] as { manager: string; operation: string }[]).map(
        ({ manager, operation }) => `${manager} ${operation}`,
    );

describe("server-side apply", () => {
    it("creates, then changes nothing when applied again", async () => {
        const object = deployment("same", [{ name: "a", image: "x:1", ports: [{ containerPort: 80 }] }]);
        expect((await apply(object, "one")).code).toBe(201);
        const before = await read("same");
        expect((await apply(object, "one")).code).toBe(200);
        expect(await read("same")).toEqual(before);
        expect(managers(before)).toEqual(["one Apply"]);
    });

    it("removes what its manager no longer sends, and leaves what others own", async () => {
        const env = (...names: string[]): Container[] => [
            { name: "a", image: "x:1", env: names.map((name) => ({ name, value: "1" })) },
        ];
        await apply(deployment("shrink", env("A", "B"), { replicas: 3 }), "one");
        const bystander = deployment("shrink", [{ name: "a", image: "x:1", env: [{ name: "C", value: "1" }] }]);
        await apply(bystander, "two");
        await apply(deployment("shrink", env("B")), "one");
        const now = await read("shrink");
        const left = (containersOf(now)[0]?.["env"] ?? []) as { name: string }[];
        expect(left.map(({ name }) => name).sort()).toEqual(["B", "C"]);
        expect(now["spec"]).toMatchObject({ replicas: 1 });
    });

    it("refuses to take a field from its owner unless forced; then the owner loses it", async () => {
        const image = (tag: string): Container[] => [{ name: "a", image: `x:${tag}` }];
        await apply(deployment("fight", image("1")), "one");
        const refused = await apply(deployment("fight", image("2")), "two");
        expect(refused.json).toMatchObject({ code: 409, reason: "Conflict" });
        expect(refused.json["message"]).toBe(
            'Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="a"].image',
        );
        expect((await apply(deployment("fight", image("2")), "two", true)).code).toBe(200);
        expect(containersOf(await read("fight"))[0]?.["image"]).toBe("x:2");
        expect((await apply(deployment("fight", image("3")), "two")).code).toBe(200);
        expect((await apply(deployment("fight", image("3")), "one")).code).toBe(200);
    });

    it("books ordinary writes, so that they are not undone unseen", async () => {
        await apply(deployment("mixed", [{ name: "a", image: "x:1" }], { replicas: 2 }), "one");
        await api.client.patch(
            { type: Kinds.deployment, namespace: "default", name: "mixed" },
            { spec: { replicas: 5 } },
            "merge",
            { fieldManager: "scaler" },
        );
        expect(managers(await read("mixed")).sort()).toEqual(["one Apply", "scaler Update"]);
        const refused = await apply(deployment("mixed", [{ name: "a", image: "x:1" }], { replicas: 2 }), "one");
        expect(refused.json["message"]).toContain('conflict with "scaler"');
        expect((await apply(deployment("mixed", [{ name: "a", image: "x:1" }]), "one")).code).toBe(200);
        expect((await read("mixed"))["spec"]).toMatchObject({ replicas: 5 });
    });

    it("takes over what was there before the first apply as one owner's", async () => {
        await api.client.create(Kinds.deployment, deployment("older", [{ name: "a", image: "x:1" }]));
        const refused = await apply(deployment("older", [{ name: "a", image: "x:2" }]), "one");
        expect(refused.json["message"]).toContain('conflict with "before-first-apply"');
    });

    it("needs a manager and an object without booking", async () => {
        const path = "/apis/apps/v1/namespaces/default/deployments/none";
        const headers = { "Content-Type": "application/apply-patch+yaml" };
        expect((await api.raw(path, { method: "PATCH", headers, body: deployment("none", []) })).code).toBe(400);
        const booked = deployment("none", [{ name: "a", image: "x" }]);
        booked.metadata["managedFields"] = [];
        expect((await apply(booked, "one")).code).toBe(400);
    });
});
