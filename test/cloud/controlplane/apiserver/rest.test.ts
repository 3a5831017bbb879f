// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { ApiHarness, configMap, pod } from "./harness.ts";

const api = new ApiHarness();
beforeAll(async () => {
    await api.start();
    for (const name of ["default", "other"]) await api.namespace(name);
});
afterAll(() => api.dispose());

const MAPS = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";
const json = { "Content-Type": "application/json" };
const merge = { "Content-Type": "application/merge-patch+json" };

async function created(name: string, data: Record<string, string> = {}): Promise<KubeObject> {
    return api.client.create(Kinds.configMap, configMap(name, data));
}

describe("writing objects", () => {
    it("fills in what the server owns, and makes names", async () => {
        const made = await api.client.create(Kinds.configMap, {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { generateName: "gen-", namespace: "default" } as never,
            data: {},
        });
        expect(made.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/);
        expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
        expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        expect(made.metadata.namespace).toBe("default");
    });

    it("answers 409 with the reason: exists already, or changed meanwhile", async () => {
        const first = await created("twice");
        expect((await api.raw(MAPS, { method: "POST", headers: json, body: configMap("twice") })).json).toMatchObject({
            kind: "Status",
            reason: "AlreadyExists",
            code: 409,
        });
        await api.client.replace(Kinds.configMap, { ...first, data: { a: "1" } });
        await expect(api.client.replace(Kinds.configMap, { ...first, data: { a: "2" } })).rejects.toMatchObject({
            details: { reason: "Conflict" },
        });
        const { metadata } = first;
        const blind = { ...first, metadata: { name: metadata.name, namespace: "default" }, data: { a: "3" } };
        expect((await api.client.replace(Kinds.configMap, blind))["data"]).toEqual({ a: "3" });
    });

    it("loses no update of many that patch at once", async () => {
        await created("busy");
        const ref = { type: Kinds.configMap, namespace: "default", name: "busy" };
        await Promise.all(
            Array.from({ length: 15 }, (_, at) => api.client.patch(ref, { data: { [`k${at}`]: "v" } }, "merge")),
        );
        expect(Object.keys((await api.client.get(ref))["data"] as object)).toHaveLength(15);
    });

    it("writes nothing when nothing changed or when it is a dry run", async () => {
        const first = await created("still", { a: "1" });
        const same = await api.client.patch(
            { type: Kinds.configMap, namespace: "default", name: "still" },
            { data: { a: "1" } },
            "merge",
        );
        expect(same.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
        const dry = await api.raw(`${MAPS}/still?dryRun=All`, {
            method: "PATCH",
            headers: merge,
            body: { data: { a: "2" } },
        });
        expect(dry.json["data"]).toEqual({ a: "2" });
        expect(
            (await api.raw(`${MAPS}?dryRun=All`, { method: "POST", headers: json, body: configMap("unreal") })).code,
        ).toBe(201);
        expect((await api.raw(`${MAPS}/unreal`)).code).toBe(404);
        expect((await api.raw(`${MAPS}/still`)).json["data"]).toEqual({ a: "1" });
    });

    it("keeps spec and status apart and counts generations of the spec only", async () => {
        const made = await api.client.create(Kinds.pod, { ...pod("parts"), status: { phase: "Running" } });
        expect(made["status"]).toMatchObject({ phase: "Pending", qosClass: "BestEffort" });
        const ref = { type: Kinds.pod, namespace: "default", name: "parts" };
        const running = await api.client.patch(
            ref,
            { status: { phase: "Running" }, spec: { nodeName: "n" } },
            "merge",
            { subresource: "status" },
        );
        expect(running["status"]).toMatchObject({ phase: "Running" });
        expect(running["spec"]).not.toHaveProperty("nodeName");
        expect(running.metadata.generation).toBe(made.metadata.generation);
        const ignored = await api.client.patch(ref, { status: { phase: "Failed" } }, "merge");
        expect(ignored["status"]).toMatchObject({ phase: "Running" });
    });

    it("refuses what it cannot take, with field paths", async () => {
        const bad = await api.raw(PODS, {
            method: "POST",
            headers: json,
            body: pod("Bad_Name", { containers: [{ name: "x" }] }),
        });
        expect(bad.json).toMatchObject({ code: 422, reason: "Invalid" });
        const details = bad.json["details"] as unknown as { causes: { field: string }[] };
        expect(details.causes.map(({ field }) => field)).toEqual(
            expect.arrayContaining(["metadata.name", "spec.containers[0].image"]),
        );
        const typed = await api.raw(PODS, {
            method: "POST",
            headers: json,
            body: pod("typed", { hostNetwork: "yes" }),
        });
        expect(typed.json).toMatchObject({ code: 400, reason: "BadRequest" });
        expect((await api.raw(MAPS, { method: "POST", headers: json, body: "{" })).code).toBe(400);
        expect((await api.raw(MAPS, { method: "POST", headers: { "Content-Type": "text/csv" }, body: "a" })).code).toBe(
            415,
        );
        expect(
            (await api.raw(MAPS, { method: "POST", headers: json, body: { ...configMap("x"), kind: "Pod" } })).code,
        ).toBe(400);
        expect((await api.raw(MAPS, { method: "POST", headers: json, body: `"${"x".repeat(4_000_000)}"` })).code).toBe(
            413,
        );
        expect(
            (
                await api.raw("/api/v1/namespaces/nowhere/configmaps", {
                    method: "POST",
                    headers: json,
                    body: configMap("x", {}, "nowhere"),
                })
            ).code,
        ).toBe(404);
    });

    it("tells unknown fields as asked: refuses, warns or is silent", async () => {
        const body = (name: string): unknown => ({ ...configMap(name), datum: 1 });
        const send = (name: string, mode: string) =>
            api.raw(`${MAPS}?fieldValidation=${mode}`, { method: "POST", headers: json, body: body(name) });
        expect((await send("s", "Strict")).json["message"]).toContain('strict decoding error: unknown field "datum"');
        const warned = await send("w", "Warn");
        expect(warned.headers["warning"]).toContain('unknown field \\"datum\\"');
        expect(warned.json).not.toHaveProperty("datum");
        expect((await send("i", "Ignore")).headers["warning"]).toBeUndefined();
    });

    it("takes YAML and answers YAML", async () => {
        const body = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: yaml }\ndata: { a: b }\n";
        const made = await api.raw(MAPS, {
            method: "POST",
            headers: { "Content-Type": "application/yaml", Accept: "application/yaml" },
            body,
        });
        expect(made.code).toBe(201);
        expect(made.text).toMatch(/^data:\n {2}a: b$/m);
    });
});

describe("deleting objects", () => {
    it("answers a Status, then 404", async () => {
        const made = await created("gone");
        const answer = await api.raw(`${MAPS}/gone`, { method: "DELETE" });
        expect(answer.json).toMatchObject({
            kind: "Status",
            status: "Success",
            details: { name: "gone", uid: made.metadata.uid },
        });
        expect((await api.raw(`${MAPS}/gone`)).json).toMatchObject({
            reason: "NotFound",
            message: 'configmaps "gone" not found',
        });
    });

    it("gives pods on a node their grace period; they go when the node says so", async () => {
        const ref = { type: Kinds.pod, namespace: "default", name: "graceful" };
        await api.client.create(Kinds.pod, pod("graceful", { nodeName: "edge" }));
        await api.client.delete(ref);
        const ending = await api.client.get(ref);
        expect(ending.metadata.deletionTimestamp).toBeDefined();
        expect(ending.metadata.deletionGracePeriodSeconds).toBe(30);
        await api.client.delete(ref, { gracePeriodSeconds: 0 });
        await expect(api.client.get(ref)).rejects.toMatchObject({ details: { code: 404 } });
        await api.client.create(Kinds.pod, pod("unbound"));
        await api.client.delete({ ...ref, name: "unbound" });
        await expect(api.client.get({ ...ref, name: "unbound" })).rejects.toMatchObject({ details: { code: 404 } });
    });

    it("waits for finalizers, takes no new ones meanwhile, and goes with the last", async () => {
        await api.client.create(Kinds.configMap, {
            ...configMap("held"),
            metadata: { name: "held", namespace: "default", finalizers: ["example.com/a"] },
        });
        const ref = { type: Kinds.configMap, namespace: "default", name: "held" };
        await api.client.delete(ref);
        expect((await api.client.get(ref)).metadata.deletionTimestamp).toBeDefined();
        const more = { metadata: { finalizers: ["example.com/a", "example.com/b"] } };
        await expect(api.client.patch(ref, more, "merge")).rejects.toMatchObject({ details: { code: 422 } });
        await api.client.patch(ref, { metadata: { finalizers: null } }, "merge");
        await expect(api.client.get(ref)).rejects.toMatchObject({ details: { code: 404 } });
    });

    it("keeps to preconditions and marks the propagation that was asked for", async () => {
        const made = await created("exact");
        const ref = { type: Kinds.configMap, namespace: "default", name: "exact" };
        await expect(api.client.delete(ref, { uid: "another" })).rejects.toMatchObject({
            details: { reason: "Conflict" },
        });
        await expect(api.client.delete(ref, { resourceVersion: "1" })).rejects.toMatchObject({
            details: { reason: "Conflict" },
        });
        await api.client.delete(ref, { uid: made.metadata.uid, propagationPolicy: "Foreground" });
        expect((await api.client.get(ref)).metadata.finalizers).toEqual(["foregroundDeletion"]);
    });

    it("deletes a collection by selector", async () => {
        for (const name of ["c1", "c2", "c3"]) {
            const labels = { set: name === "c3" ? "no" : "yes" };
            await api.client.create(Kinds.configMap, {
                apiVersion: "v1",
                kind: "ConfigMap",
                metadata: { name, namespace: "other", labels },
            });
        }
        await api.raw("/api/v1/namespaces/other/configmaps?labelSelector=set%3Dyes", { method: "DELETE" });
        expect(
            (await api.client.list({ type: Kinds.configMap, namespace: "other" })).items.map(
                ({ metadata }) => metadata.name,
            ),
        ).toEqual(["c3"]);
    });

    it("takes a namespace away once it is finalized, and nothing new into it meanwhile", async () => {
        await api.namespace("ending");
        await api.client.delete({ type: Kinds.namespace, name: "ending" });
        const ending = await api.client.get({ type: Kinds.namespace, name: "ending" });
        expect(ending["status"]).toEqual({ phase: "Terminating" });
        await expect(api.client.create(Kinds.configMap, configMap("late", {}, "ending"))).rejects.toMatchObject({
            details: { code: 403 },
        });
        await api.client.replace(Kinds.namespace, { ...ending, spec: { finalizers: [] } }, "finalize");
        await expect(api.client.get({ type: Kinds.namespace, name: "ending" })).rejects.toMatchObject({
            details: { code: 404 },
        });
        expect((await api.raw("/api/v1/namespaces/default", { method: "DELETE" })).code).toBe(403);
    });
});

describe("lists", () => {
    beforeAll(async () => {
        await api.namespace("pages");
        for (let at = 0; at < 7; at += 1) await api.client.create(Kinds.configMap, configMap(`m${at}`, {}, "pages"));
    });
    const PAGES = "/api/v1/namespaces/pages/configmaps";

    it("come in pages of one snapshot", async () => {
        const first = await api.raw(`${PAGES}?limit=3`);
        const meta = first.json["metadata"] as unknown as {
            continue: string;
            remainingItemCount: number;
            resourceVersion: string;
        };
        expect(meta.remainingItemCount).toBe(4);
        await api.client.create(Kinds.configMap, configMap("m00", {}, "pages"));
        const names: string[] = [];
        let token: string | undefined = meta.continue;
        while (token !== undefined) {
            const page = await api.client.list({
                type: Kinds.configMap,
                namespace: "pages",
                limit: 3,
                continueToken: token,
            });
            expect(page.metadata.resourceVersion).toBe(meta.resourceVersion);
            names.push(...page.items.map(({ metadata }) => metadata.name));
            token = page.metadata.continue;
        }
        expect(names).toEqual(["m3", "m4", "m5", "m6"]);
        expect((await api.raw(`${PAGES}?limit=3&continue=rubbish`)).code).toBe(400);
        expect((await api.raw(`${PAGES}?limit=-1`)).code).toBe(400);
    });

    it("are told as tables and as metadata only", async () => {
        const table = await api.raw(`${PAGES}?fieldSelector=metadata.name%3Dm1`, {
            headers: { Accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" },
        });
        expect(table.json).toMatchObject({
            kind: "Table",
            columnDefinitions: [{ name: "Name" }, { name: "Data" }, { name: "Age" }],
        });
        expect((table.json["rows"] as unknown as { cells: unknown[]; object: { kind: string } }[])[0]).toMatchObject({
            cells: ["m1", 0, expect.any(String)],
            object: { kind: "PartialObjectMetadata" },
        });
        const partial = await api.raw(PAGES, {
            headers: { Accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" },
        });
        expect(partial.json["kind"]).toBe("PartialObjectMetadataList");
        const protobuf = await api.raw(PAGES, {
            headers: { Accept: "application/vnd.kubernetes.protobuf,application/json" },
        });
        expect(protobuf.json["kind"]).toBe("ConfigMapList");
    });
});

describe("who may", () => {
    it("lets nobody unknown read more than health and version", async () => {
        for (const path of ["/healthz", "/readyz", "/livez/ping", "/version"])
            expect((await api.raw(path, { anonymous: true })).code).toBe(200);
        for (const path of [MAPS, "/api", "/apis", "/openapi/v2", "/"])
            expect((await api.raw(path, { anonymous: true })).code).toBe(403);
        expect(
            (await api.raw(MAPS, { anonymous: true, headers: { Authorization: "Bearer made.up.token" } })).code,
        ).toBe(401);
    });

    it("gives service accounts what roles bind to them, until they are deleted", async () => {
        const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot", namespace: "default" } };
        await api.client.create(Kinds.serviceAccount, account);
        const order = {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            metadata: {},
            spec: { expirationSeconds: 600 },
        } as unknown as KubeObject;
        const token = (
            (
                await api.raw("/api/v1/namespaces/default/serviceaccounts/robot/token", {
                    method: "POST",
                    headers: json,
                    body: order,
                })
            ).json["status"] as unknown as { token: string }
        ).token;
        const as = (path: string, method = "GET") =>
            api.raw(path, { method, anonymous: true, headers: { ...json, Authorization: `Bearer ${token}` } });
        expect((await as(MAPS)).json["message"]).toContain(
            'User "system:serviceaccount:default:robot" cannot list resource "configmaps"',
        );
        expect((await as("/apis")).code).toBe(200);
        const rbac = "/apis/rbac.authorization.k8s.io/v1";
        const role = {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "Role",
            metadata: { name: "reader" },
            rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list"] }],
        };
        const binding = {
            apiVersion: role.apiVersion,
            kind: "RoleBinding",
            metadata: { name: "reader" },
            roleRef: { kind: "Role", name: "reader", apiGroup: "rbac.authorization.k8s.io" },
            subjects: [{ kind: "ServiceAccount", name: "robot" }],
        };
        await api.raw(`${rbac}/namespaces/default/roles`, { method: "POST", headers: json, body: role });
        await api.raw(`${rbac}/namespaces/default/rolebindings`, { method: "POST", headers: json, body: binding });
        expect((await as(MAPS)).code).toBe(200);
        expect((await as(`${MAPS}/any`, "DELETE")).code).toBe(403);
        expect((await as("/api/v1/namespaces/other/configmaps")).code).toBe(403);
        expect((await as("/api/v1/configmaps")).code).toBe(403);
        await api.client.delete({ type: Kinds.serviceAccount, namespace: "default", name: "robot" });
        expect((await as(MAPS)).code).toBe(401);
    });
});

describe("paths", () => {
    it("tells what is served, group by group and all at once", async () => {
        expect((await api.raw("/api")).json["kind"]).toBe("APIVersions");
        expect((await api.raw("/apis/apps")).json).toMatchObject({
            kind: "APIGroup",
            preferredVersion: { groupVersion: "apps/v1" },
        });
        const core = (await api.raw("/api/v1")).json["resources"] as unknown as { name: string }[];
        expect(core.map(({ name }) => name)).toEqual(
            expect.arrayContaining(["pods", "pods/log", "pods/exec", "nodes/status", "serviceaccounts/token"]),
        );
        const all = await api.raw("/apis", {
            headers: {
                Accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
            },
        });
        expect(all.json).toMatchObject({ kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2" });
    });

    it("answers 404 and 405 as Status", async () => {
        for (const path of ["/api/v2/pods", "/apis/nothing/v1", "/nowhere", "/api/v1/nodes/x/unknown"]) {
            expect((await api.raw(path)).json).toMatchObject({ kind: "Status", code: 404 });
        }
        expect((await api.raw(`${PODS}/x/exec`)).json).toMatchObject({ code: 400 });
        expect(
            (await api.raw(MAPS, { method: "PUT", headers: json, body: configMap("x") })).code,
        ).toBeGreaterThanOrEqual(400);
    });
});

describe("a restart", () => {
    it("loses nothing, keeps its certificates, and tells old watchers to list again", async () => {
        const before = await created("durable", { a: "1" });
        const { caPem } = api.pki;
        await api.restart();
        expect(api.pki.caPem).toBe(caPem);
        expect(await api.client.get({ type: Kinds.configMap, namespace: "default", name: "durable" })).toEqual(before);
        const old = await api.raw(`${MAPS}?watch=1&resourceVersion=2`);
        expect(old.json).toMatchObject({ kind: "Status", code: 410, reason: "Expired" });
        expect(Number((await created("later")).metadata.resourceVersion)).toBeGreaterThan(
            Number(before.metadata.resourceVersion),
        );
    });
});
