// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { EdgeController } from "../../../src/cloud/edgecontroller/index.ts";
import { asRecord, asRecords, asText } from "../../../src/core/json.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../src/kube/types.ts";
import { describeWith } from "../../support/requires.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";
import { recording, recordings } from "../support/recording.ts";
import { edgeRig, type Rig } from "../support/rig.ts";

/** A cluster whose rules let nodes read ConfigMaps and nothing else. */
class RuledCluster extends MemoryCluster {
    readonly asked: unknown[] = [];

    override async create(type: ResourceType, object: KubeObject): Promise<KubeObject> {
        if (type.kind !== "SubjectAccessReview") return super.create(type, object);
        const spec = asRecord(object["spec"]);
        this.asked.push(spec);
        const { verb, resource } = asRecord(spec["resourceAttributes"]);
        return {
            ...object,
            status: { allowed: resource === "configmaps" && ["get", "list", "watch"].includes(String(verb)) },
        };
    }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64");
const decoded = (text: unknown): unknown =>
    typeof text === "string" ? JSON.parse(Buffer.from(text, "base64").toString("utf8")) : text;

async function ask(
    rig: Rig<EdgeController>,
    content: Record<string, unknown>,
    resource = "null",
): Promise<Record<string, unknown>> {
    const route = { source: "metaserver", group: "dynamiccontroller", operation: "null", resource };
    const message = newEnvelope({ route, content, node: "edge-1" });
    await rig.controller.receive(message);
    await rig.settle();
    return asRecord(rig.sent.find(({ header }) => header.parent_msg_id === message.header.msg_id)?.content);
}

describe("requests of programs at the edge", () => {
    const configMap = (name: string): KubeObject => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: "default" },
        data: { a: "1" },
    });

    test("the cluster's rules decide, asked for the node's own user", async () => {
        const cluster = new RuledCluster();
        const rig = await edgeRig({}, cluster).start();
        await cluster.create(Kinds.configMap, configMap("a"));
        const got = await ask(rig, { ID: "1", Verb: "get", Key: "/core/v1/configmaps/default/a" });
        expect(got).toMatchObject({ Status: "Approved" });
        expect(decoded(got["RespBody"])).toMatchObject({ kind: "ConfigMap", data: { a: "1" } });
        expect(cluster.asked[0]).toEqual({
            user: "system:node:edge-1",
            groups: ["system:nodes", "system:authenticated"],
            resourceAttributes: { verb: "get", group: "", resource: "configmaps", namespace: "default", name: "a" },
        });
        const refused = await ask(rig, { ID: "2", Verb: "list", Key: "/core/v1/secrets/kube-system/null" });
        expect(refused).toMatchObject({
            ID: "2",
            Status: "Rejected",
            Error: {
                ErrStatus: {
                    reason: "Forbidden",
                    code: 403,
                    message: expect.stringMatching(/^Node edge-1 may not list secrets in kube-system: /),
                },
            },
        });
        const body = encode({ metadata: { name: "a" } });
        const created = await ask(rig, {
            ID: "3",
            Verb: "create",
            Key: "/core/v1/configmaps/default/null",
            ReqBody: body,
        });
        expect(created["Status"]).toBe("Rejected");
    });

    test("a node speaks for its operators and for the service accounts of its own pods, for nobody else", async () => {
        const cluster = new RuledCluster();
        const rig = await edgeRig({}, cluster).start();
        await cluster.create(Kinds.configMap, configMap("a"));
        await cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "p", namespace: "shop", uid: "p" },
            spec: { nodeName: "edge-1", serviceAccountName: "robot", containers: [] },
        });
        await rig.settle();
        const get = (Actor: string) =>
            ask(rig, { ID: Actor, Verb: "get", Key: "/core/v1/configmaps/default/a", Actor });
        expect(await get("operator")).toMatchObject({ Status: "Approved" });
        expect(cluster.asked.at(-1)).toMatchObject({
            user: "redge:operator:edge-1",
            groups: ["redge:operators", "system:authenticated"],
        });
        expect(await get("serviceaccount:shop:robot")).toMatchObject({ Status: "Approved" });
        expect(cluster.asked.at(-1)).toMatchObject({
            user: "system:serviceaccount:shop:robot",
            groups: ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
        });
        const before = cluster.asked.length;
        for (const actor of [
            "serviceaccount:shop:other",
            "serviceaccount:default:robot",
            "serviceaccount:shop:robot:x",
            "root",
        ])
            expect(await get(actor)).toMatchObject({ Error: { ErrStatus: { code: 403 } } });
        expect(cluster.asked).toHaveLength(before);
    });

    test("the API's own refusals come back as they are", async () => {
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        const answer = await ask(rig, { Verb: "get", Key: "/core/v1/configmaps/default/none" });
        expect(answer).toMatchObject({ Status: "Rejected", Error: { ErrStatus: { reason: "NotFound", code: 404 } } });
    });

    test("patches of every kind, updates and status updates are carried out", async () => {
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        const made = await rig.cluster.create(Kinds.configMap, configMap("a"));
        const Key = "/core/v1/configmaps/default/a";
        const patch = { Name: "a", PatchType: "application/merge-patch+json", Data: encode({ data: { b: "2" } }) };
        expect(await ask(rig, { Verb: "patch", Key, Option: encode(patch) })).toMatchObject({ Status: "Approved" });
        expect(rig.cluster.peek(Kinds.configMap, "a")?.["data"]).toEqual({ a: "1", b: "2" });
        const stale = await ask(rig, { Verb: "update", Key, ReqBody: encode(made) });
        expect(stale).toMatchObject({ Error: { ErrStatus: { reason: "Conflict" } } });
        const fresh = rig.cluster.peek(Kinds.configMap, "a");
        expect(await ask(rig, { Verb: "update", Key, ReqBody: encode({ ...fresh, data: {} }) })).toMatchObject({
            Status: "Approved",
        });
        expect(rig.cluster.peek(Kinds.configMap, "a")?.["data"]).toEqual({});
    });

    test("a watch is pushed until the node stops it, or leaves", async () => {
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        await rig.cluster.create(Kinds.configMap, configMap("a"));
        const watch = { ID: "w", Verb: "watch", Key: "/core/v1/configmaps/default/null" };
        await rig.connect();
        rig.take();
        expect(await ask(rig, watch)).toMatchObject({ Status: "Approved", RespBody: null });
        await rig.cluster.create(Kinds.configMap, configMap("b"));
        await rig.settle();
        expect(rig.take().filter((sent) => !sent.startsWith("applicationResponse"))).toEqual([
            "insert default/configmap/a",
            "insert default/configmap/b",
        ]);
        expect(await ask(rig, { w: watch, lost: { ...watch, ID: "lost" } }, "watchapp/sync")).toMatchObject({
            lost: { Status: "Rejected", Error: { ErrStatus: { code: 410 } } },
        });
        await ask(rig, {}, "watchapp/sync");
        rig.take();
        await rig.cluster.create(Kinds.configMap, configMap("c"));
        await rig.settle();
        expect(rig.take()).toEqual([]);
        await ask(rig, watch);
        await rig.controller.receive(rig.message("disconnect", "node/edge-1", null));
        rig.take();
        await rig.cluster.create(Kinds.configMap, configMap("d"));
        await rig.settle();
        expect(rig.take()).toEqual([]);
    });

    test.each([
        ["a raw path", { Verb: "get", Key: "/version" }],
        ["no key", { Verb: "get" }],
        ["an unknown verb", { Verb: "paint", Key: "/core/v1/configmaps/default/a" }],
        ["a body that is none", { Verb: "create", Key: "/core/v1/configmaps/default/null", ReqBody: "!" }],
        ["an unknown patch", { Verb: "patch", Key: "/core/v1/configmaps/default/a", Option: "e30=" }],
        ["nothing", {}],
    ])("%s is rejected, not lost", async (_, content) => {
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        expect(await ask(rig, content)).toMatchObject({
            Status: "Rejected",
            Error: { ErrStatus: { status: "Failure" } },
        });
    });
});

describeWith([recordings], "recording 16: a stock MetaServer through the controllers", () => {
    const plain = (value: unknown): unknown => {
        if (Array.isArray(value)) return value.map(plain);
        if (typeof value !== "object" || value === null) return value;
        const skipped = ["managedFields", "resourceVersion", "uid", "creationTimestamp"];
        const entries = Object.entries(value).filter(([key]) => !skipped.includes(key));
        return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
    };
    const comparable = (content: unknown): unknown => {
        const { RespBody, ...rest } = asRecord(content);
        return { ...rest, RespBody: plain(decoded(RespBody)) };
    };

    test("every answer equals the recorded one, and every push of a watch comes", async () => {
        const all = recording("16-metaserver-passthrough");
        const rig = await edgeRig({ authorization: "kubeedge" }).start();
        const messages = all.flatMap((item) => (item.kind === "up" || item.kind === "down" ? [item] : []));
        const replyTo = ({ header }: Envelope) =>
            messages.find(({ envelope }) => envelope.header.parent_msg_id === header.msg_id)?.envelope;
        let compared = 0;
        for (const { kind, envelope } of messages) {
            const { route, header, content } = envelope;
            if (kind === "down" && route.source === "dynamiccontroller" && header.parent_msg_id === undefined) {
                const object = content as KubeObject;
                const known = rig.cluster.peek(Kinds.configMap, object.metadata.name);
                const gone = route.operation === "delete";
                if (!gone && JSON.stringify(known?.["data"]) !== JSON.stringify(object["data"]))
                    rig.cluster.inject(Kinds.configMap, object);
                await rig.settle();
                const ours = rig.sent.find(
                    ({ route: { operation, resource } }) =>
                        operation === route.operation && resource === route.resource,
                );
                expect(plain(ours?.content)).toEqual(plain(content));
                expect(ours?.route).toEqual(route);
                compared += 1;
            }
            if (kind !== "up" || route.source !== "metaserver") continue;
            const recorded = replyTo(envelope);
            const body = asRecord(decoded(asRecord(recorded?.content)["RespBody"]));
            if (asText(asRecord(content)["Verb"]) === "list") {
                for (const item of asRecords(body["items"]))
                    rig.cluster.inject(Kinds.configMap, item as unknown as KubeObject);
            }
            await rig.controller.receive({ ...envelope, node: "edge-1" });
            await rig.settle();
            const reply = rig.sent.find((sent) => sent.header.parent_msg_id === header.msg_id);
            expect(reply?.route).toEqual(recorded?.route);
            expect(comparable(reply?.content)).toEqual(comparable(recorded?.content));
            compared += 1;
        }
        expect(compared).toBeGreaterThan(9);
        await rig.controller.stop();
    });
});
