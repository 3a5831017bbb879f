// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { isNotFound } from "../../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import { type Embedded, startEmbedded } from "../../support/embedded.ts";
import { eventually } from "../../support/eventually.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { describeWith, program } from "../../support/requires.ts";
import { LinkedGateway, NODE } from "./gateway.ts";

describeWith([program("kubectl")], "writing at a gateway with stock kubectl", () => {
    let embedded: Embedded;
    let cluster: KubeClient;
    let gateway: LinkedGateway;
    let here: Kubectl;
    let there: Kubectl;

    beforeAll(async () => {
        embedded = await startEmbedded();
        cluster = createKubeClient(embedded.connection, { clock: systemClock, random: Math.random });
        there = new Kubectl(embedded.kubeconfig);
        await there.run("create", "clusterrolebinding", "gateways", "--clusterrole=edit", "--group=redge:operators");
        await there.apply({
            apiVersion: "v1",
            kind: "Node",
            metadata: { name: NODE, labels: { "node-role.kubernetes.io/edge": "" } },
        });
        await there.apply(map("settings", { mode: "auto", limit: "10", unit: "C" }), secret("login", "first"), user());
        gateway = new LinkedGateway(cluster);
        await gateway.start();
        await gateway.controller.start();
        await gateway.link(true);
        here = new Kubectl(gateway.kubeconfig);
        await eventually(async () => {
            expect(await here.run("get", "configmap,secret,pod", "-o", "name")).toBe(
                "configmap/settings\nsecret/login\npod/user\n",
            );
        });
    });
    afterAll(async () => {
        await gateway?.link(false);
        await gateway?.stop();
        await gateway?.controller.stop();
        await cluster?.close();
        gateway?.remove();
        await embedded?.stop();
    });

    const map = (name: string, data: Record<string, string>): object => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: "default" },
        data,
    });
    const secret = (name: string, password: string): object => ({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace: "default" },
        stringData: { password },
    });
    /** A pod of the node: what it uses is what the gateway is given. */
    const user = (): object => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "user", namespace: "default" },
        spec: {
            nodeName: NODE,
            containers: [
                {
                    name: "main",
                    image: "busybox:1",
                    envFrom: [{ configMapRef: { name: "settings" } }, { secretRef: { name: "login" } }],
                },
            ],
        },
    });
    const data = async (of: Kubectl, name: string): Promise<Record<string, string> | undefined> =>
        (await of.json<KubeObject>("get", "configmap", name))["data"] as Record<string, string> | undefined;
    const patch = (of: Kubectl, name: string, values: Record<string, string | null>): Promise<string> =>
        of.run("patch", "configmap", name, "--type=merge", "-p", JSON.stringify({ data: values }));
    const events = async (name: string): Promise<string[]> => {
        const { items } = await there.json<{
            items: { reason: string; message: string; involvedObject: { name: string } }[];
        }>("get", "events");
        return items
            .filter(({ involvedObject }) => involvedObject.name === name)
            .map(({ reason, message }) => `${reason}: ${message}`);
    };

    it("with a link: what is written here is in the cluster when kubectl returns", async () => {
        await patch(here, "settings", { limit: "11" });
        expect(await data(there, "settings")).toEqual({ mode: "auto", limit: "11", unit: "C" });
        await here.apply(map("made", { a: "1" }));
        expect(await data(there, "made")).toEqual({ a: "1" });
        await here.run("delete", "configmap", "made");
        await expect(cluster.get({ type: Kinds.configMap, namespace: "default", name: "made" })).rejects.toSatisfy(
            isNotFound,
        );
    });

    it("with a link: what the cluster does not allow is refused, and changes nothing here", async () => {
        const { code, stderr } = await here.try(["label", "node", NODE, "floor=3"]);
        expect(code).not.toBe(0);
        expect(stderr).toContain("Forbidden");
        expect(await here.run("get", "node", NODE, "-o", "jsonpath={.metadata.labels.floor}")).toBe("");
    });

    it("without a link: holds here at once, over a restart, and is joined with the cluster's changes afterwards", async () => {
        await gateway.link(false);
        gateway.toEdged.length = 0;
        const warned = await here.try([
            "patch",
            "configmap",
            "settings",
            "--type=merge",
            "-p",
            '{"data":{"limit":"20","mode":"manual","unit":null}}',
        ]);
        expect(warned).toMatchObject({ code: 0 });
        expect(warned.stderr).toContain("no link to the cluster");
        await here.apply(map("made", { a: "1" }));
        await here.run("patch", "secret", "login", "--type=merge", "-p", '{"stringData":{"password":"second"}}');
        // Edged has it, so pods do.
        expect(gateway.toEdged.map(({ route }) => route.resource)).toEqual([
            "default/configmap/settings",
            "default/configmap/made",
            "default/secret/login",
        ]);
        await gateway.stop();
        await gateway.start();
        here = new Kubectl(gateway.kubeconfig);
        expect(await data(here, "settings")).toEqual({ limit: "20", mode: "manual" });
        expect(await data(here, "made")).toEqual({ a: "1" });
        // Meanwhile in the cluster: another field, and one of the same.
        await patch(there, "settings", { extra: "new", mode: "off" });
        await gateway.link(true);
        await eventually(async () => {
            const joined = { limit: "20", mode: "off", extra: "new" };
            expect(await data(there, "settings")).toEqual(joined);
            expect(await data(here, "settings")).toEqual(joined);
            expect(await data(there, "made")).toEqual({ a: "1" });
            const encoded = await there.run("get", "secret", "login", "-o", "jsonpath={.data.password}");
            expect(Buffer.from(encoded, "base64").toString()).toBe("second");
        });
        await eventually(async () =>
            expect(await events("settings")).toEqual([
                expect.stringMatching(/^OfflineChangeConflict: .*the cluster's value stands: data\.mode$/),
            ]),
        );
    });

    it("without a link: a deletion reaches the cluster, unless the object was changed there", async () => {
        await here.apply(map("doomed", { a: "1" }), map("touched", { a: "1" }));
        await gateway.link(false);
        await here.run("delete", "configmap", "doomed", "touched");
        expect((await here.try(["get", "configmap", "doomed"])).code).not.toBe(0);
        await patch(there, "touched", { b: "2" });
        await gateway.link(true);
        await eventually(async () => {
            expect((await there.try(["get", "configmap", "doomed"])).code).not.toBe(0);
            expect(await data(here, "touched")).toEqual({ a: "1", b: "2" });
        });
        await eventually(async () => expect((await events("touched")).join()).toContain("OfflineChangeConflict"));
    });

    it("without a link: what the cluster then refuses is taken back, and somebody is told", async () => {
        await gateway.link(false);
        await here.run("label", "node", NODE, "floor=3");
        expect(await here.run("get", "node", NODE, "-o", "jsonpath={.metadata.labels.floor}")).toBe("3");
        await gateway.link(true);
        await eventually(async () => {
            expect(await here.run("get", "node", NODE, "-o", "jsonpath={.metadata.labels.floor}")).toBe("");
            expect((await events(NODE)).join()).toContain("OfflineChangeRefused");
        });
    });

    it("made and deleted without a link, it never reaches the cluster; made on both sides, the two are joined", async () => {
        await gateway.link(false);
        await here.apply(map("fleeting", {}), map("twice", { here: "1", both: "here" }));
        await here.run("delete", "configmap", "fleeting");
        await there.apply(map("twice", { there: "1", both: "there" }));
        await gateway.link(true);
        await eventually(async () =>
            expect(await data(there, "twice")).toEqual({ here: "1", there: "1", both: "there" }),
        );
        expect((await there.try(["get", "configmap", "fleeting"])).code).not.toBe(0);
        expect(gateway.meta?.writes.online).toBe(true);
    });

    it("a version that is not the newest here is refused, as by any API server; a watch sees every change", async () => {
        const { metadata } = await here.json<KubeObject>("get", "configmap", "settings");
        await patch(here, "settings", { limit: "30" });
        const stale = { ...(map("settings", { limit: "1" }) as KubeObject), metadata };
        const refused = await here.try(["replace", "-f", "-"], [stale]);
        expect(refused.code).not.toBe(0);
        expect(refused.stderr).toContain("Conflict");
        await gateway.link(false);
        const client = createKubeClient(await operator(), { clock: systemClock, random: Math.random });
        const query = { type: Kinds.configMap, namespace: "default" };
        const from = (await client.list(query)).metadata.resourceVersion ?? "";
        const ending = new AbortController();
        const seen: string[] = [];
        const watching = (async () => {
            for await (const { type, object } of client.watch({ ...query, resourceVersion: from }, ending.signal)) {
                seen.push(`${type} ${object.metadata.name}`);
                if (seen.length === 3) return;
            }
        })();
        await patch(here, "settings", { limit: "31" });
        await here.apply(map("late", {}));
        await here.run("delete", "configmap", "late");
        await watching;
        ending.abort();
        expect(seen).toEqual(["MODIFIED settings", "ADDED late", "DELETED late"]);
        await client.close();
        await gateway.link(true);
    });

    async function operator() {
        const { connectionFromKubeconfig } = await import("../../../src/kube/client/kubeconfig.ts");
        return connectionFromKubeconfig(gateway.kubeconfig);
    }
});
