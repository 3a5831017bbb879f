// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EdgeController, edgeControllerConfig } from "../../../src/cloud/edgecontroller/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { eventually } from "../../support/eventually.ts";
import { kubectl, type RealKube, realKube, startRealKube } from "../../support/kube.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { describeWith } from "../../support/requires.ts";

const READY = { type: "Ready", status: "True", reason: "EdgeReady", message: "posting" };
const CAPACITY = { cpu: "2", memory: "1Gi", pods: "20" };

describeWith([realKube, kubectl], "EdgeController and deploy/ on a real Kubernetes control plane", () => {
    let kube: RealKube;
    let admin: Kubectl;
    let cluster: KubeClient;
    let controller: EdgeController;
    const sent: Envelope[] = [];

    const message = (operation: string, resource: string, content: unknown = null): Envelope =>
        newEnvelope({ route: { source: "edged", group: "meta", operation, resource }, content, node: "edge-1" });
    const ask = async (operation: string, resource: string, content?: unknown): Promise<Envelope | undefined> => {
        const request = message(operation, resource, content);
        await controller.receive(request);
        return sent.find(({ header }) => header.parent_msg_id === request.header.msg_id);
    };
    const pushes = (): string[] =>
        sent
            .filter(({ header }) => header.parent_msg_id === undefined)
            .map(({ route }) => `${route.operation} ${route.resource}`);

    beforeAll(async () => {
        kube = await startRealKube();
        admin = new Kubectl(kube.kubeconfig);
        await admin.run("apply", "-k", resolve(import.meta.dirname, "../../../deploy"));
        const token = await eventually(() => admin.run("create", "token", "redge-cloud", "-n", "kubeedge"));
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
        // The very role that deploy/ gives the cloud side, not an administrator's.
        cluster = createKubeClient({ ...kube.connection, token: async () => token.trim() }, ports);
        const config = { streamAddress: "127.0.0.1:10003" };
        controller = new EdgeController(parseConfig(edgeControllerConfig, config), { ...ports, cluster });
        controller.on("output", (_, envelope) => sent.push(envelope));
        await controller.start();
        await controller.receive(message("connect", "node/edge-1"));
    });

    afterAll(async () => {
        await controller?.stop();
        await cluster?.close();
        await kube?.stop();
    });

    test("the custom resource definitions are served, with short names and columns", async () => {
        for (const name of ["dev", "dm", "dstat", "osync", "cosync", "re", "rules.rules.kubeedge.io"]) {
            await eventually(() => admin.run("get", name, "-A"));
        }
        const { spec } = await admin.json<{ spec: { versions: { additionalPrinterColumns: { name: string }[] }[] } }>(
            "get",
            "crd",
            "devices.devices.kubeedge.io",
        );
        expect(spec.versions[0]?.additionalPrinterColumns.map(({ name }) => name)).toEqual([
            "Protocol",
            "Node",
            "State",
            "Last seen",
            "Model",
            "Age",
        ]);
    });

    test("a node registers, becomes ready and renews its lease", async () => {
        const status = {
            capacity: CAPACITY,
            allocatable: CAPACITY,
            addresses: [
                { type: "InternalIP", address: "192.0.2.2" },
                { type: "Hostname", address: "edge-1" },
            ],
            daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
            conditions: [{ ...READY, status: "False" }],
        };
        const registered = await ask("insert", "null/node/edge-1", { metadata: { name: "edge-1" }, spec: {}, status });
        const node = asRecord(asRecord(registered?.content)["Object"]);
        expect(asRecord(node["status"])["addresses"]).toEqual(status.addresses);
        await ask("patch", "null/nodepatch/edge-1", JSON.stringify({ status: { conditions: [READY] } }));
        await admin.run("wait", "--for=condition=Ready", "node/edge-1", "--timeout=60s");
        const wide = await admin.run("get", "node", "edge-1", "-o", "wide");
        expect(wide).toContain("127.0.0.1");
        expect(wide).toContain("192.0.2.2");
        const name = "kube-node-lease/lease/edge-1";
        const lease = await ask("insert", name, { metadata: { name: "edge-1" }, spec: { holderIdentity: "edge-1" } });
        const renewed = await ask("update", name, {
            ...asRecord(asRecord(lease?.content)["Object"]),
            spec: { holderIdentity: "edge-1", leaseDurationSeconds: 40 },
        });
        expect(asRecord(asRecord(renewed?.content)["Object"])["spec"]).toMatchObject({ leaseDurationSeconds: 40 });
    });

    test("a DaemonSet's pod is scheduled, pushed after what it uses, runs, and goes", async () => {
        const labels = { app: "hello" };
        await admin.apply(
            {
                apiVersion: "v1",
                kind: "ConfigMap",
                metadata: { name: "settings", namespace: "default" },
                data: { a: "1" },
            },
            {
                apiVersion: "apps/v1",
                kind: "DaemonSet",
                metadata: { name: "hello", namespace: "default" },
                spec: {
                    selector: { matchLabels: labels },
                    template: {
                        metadata: { labels },
                        spec: {
                            nodeSelector: { "node-role.kubernetes.io/edge": "" },
                            serviceAccountName: "default",
                            containers: [
                                { name: "c", image: "none", envFrom: [{ configMapRef: { name: "settings" } }] },
                            ],
                        },
                    },
                },
            },
        );
        const pushed = await eventually(() => {
            const pod = sent.find(({ route }) => /^default\/pod\/hello-/.test(route.resource));
            if (pod === undefined) throw new Error(`no pod among ${pushes().join(", ")}`);
            return pod;
        });
        const before = pushes();
        expect(before.indexOf("insert default/configmap/settings")).toBeGreaterThanOrEqual(0);
        expect(before.indexOf("insert default/configmap/settings")).toBeLessThan(
            before.indexOf(`${pushed.route.operation} ${pushed.route.resource}`),
        );
        const { uid, name } = asRecord(asRecord(pushed.content)["metadata"]) as { uid: string; name: string };

        const bound = { kind: "Pod", apiVersion: "v1", name, uid };
        const token = await ask("query", "default/serviceaccounttoken/default", {
            spec: { audiences: null, expirationSeconds: 3607, boundObjectRef: bound },
        });
        expect(token?.content).toMatchObject({ kind: "TokenRequest", status: { token: expect.stringMatching(/^ey/) } });

        const running = {
            metadata: { uid },
            status: {
                phase: "Running",
                conditions: [{ type: "Ready", status: "True" }],
                podIP: "10.0.0.9",
                podIPs: [{ ip: "10.0.0.9" }],
            },
        };
        const patched = await ask("patch", `default/podpatch/${name}`, JSON.stringify(running));
        expect(asRecord(asRecord(asRecord(patched?.content)["Object"])["status"])["phase"]).toBe("Running");
        await admin.run("rollout", "status", "daemonset/hello", "--timeout=60s");

        await ask("insert", `default/event/${name}.1`, {
            metadata: { name: `${name}.1` },
            involvedObject: { kind: "Pod", namespace: "default", name, uid },
            reason: "Started",
            message: "Started container c",
            type: "Normal",
            source: { component: "kubelet", host: "edge-1" },
        });
        expect(await admin.run("describe", "pod", name)).toContain("Started container c");

        await admin.run("delete", "daemonset", "hello", "--wait=false");
        await eventually(() => {
            const last = sent.filter(({ route }) => route.resource === pushed.route.resource).at(-1);
            expect(asRecord(asRecord(last?.content)["metadata"])["deletionTimestamp"]).toBeDefined();
        });
        const gone = await ask("delete", `default/pod/${name}`, { gracePeriodSeconds: 0, preconditions: { uid } });
        expect(gone?.content).toBe("OK");
        await eventually(() => expect(pushes()).toContain(`delete ${pushed.route.resource}`));
    });

    test("a node that the API holds for lost is told so, and its next heartbeat mends it", async () => {
        await admin.run("label", "node", "edge-1", "zone=a");
        await eventually(() =>
            expect(sent.map(({ content }) => content)).toContainEqual(
                expect.objectContaining({
                    kind: "Node",
                    metadata: expect.objectContaining({ labels: expect.objectContaining({ zone: "a" }) }),
                }),
            ),
        );
        const lost = { status: { conditions: [{ ...READY, status: "Unknown", reason: "NodeStatusUnknown" }] } };
        const adminCluster = createKubeClient(kube.connection, { clock: systemClock, random: Math.random });
        const { node: type } = (await import("../../../src/kube/types.ts")).Kinds;
        await adminCluster.patch({ type, name: "edge-1" }, lost, "strategic", { subresource: "status" });
        await adminCluster.close();
        await eventually(() => {
            const told = sent.filter(({ route }) => route.resource === "null/node/edge-1").at(-1);
            const conditions = asRecords(asRecord(asRecord(told?.content)["status"])["conditions"]);
            expect(conditions.find((condition) => condition["type"] === "Ready")).toMatchObject({ status: "Unknown" });
        });
        await ask("patch", "null/nodepatch/edge-1", JSON.stringify({ status: { conditions: [READY] } }));
        await admin.run("wait", "--for=condition=Ready", "node/edge-1", "--timeout=60s");
    });
});
