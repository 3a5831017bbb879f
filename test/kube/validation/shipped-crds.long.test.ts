// SPDX-License-Identifier: Apache-2.0
import { get } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterConnection } from "../../../src/kube/client/connection.ts";
import { startEmbeddedApiServer } from "../../support/embedded.ts";
import { eventually } from "../../support/eventually.ts";
import { kubectl as kubectlPart, realKube, startRealKube } from "../../support/kube.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { describeWith } from "../../support/requires.ts";

const FOLDER = join(import.meta.dirname, "../../../deploy/crds");

interface Server {
    readonly connection: ClusterConnection;
    readonly kubeconfig: string;
    stop(): Promise<void>;
}

interface Definition {
    readonly metadata: { readonly name: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const DEVICES = "/apis/devices.kubeedge.io/v1beta1";
const SYNCS = "/apis/reliablesyncs.kubeedge.io/v1alpha1";
const RULES = "/apis/rules.kubeedge.io/v1";

/** What is typed for each kind, where it is served, and what is shown of it. */
const SERVED: readonly (readonly [name: string, kind: string, path: string, columns: string])[] = [
    ["dev", "Device", `${DEVICES}/devices`, "Name | Protocol | Node | State | Last seen | Model | Age"],
    ["dm", "DeviceModel", `${DEVICES}/devicemodels`, "Name | Protocol | Age"],
    ["dstat", "DeviceStatus", `${DEVICES}/devicestatuses`, "Name | State | Last seen | Properties | Reported | Age"],
    ["osync", "ObjectSync", `${SYNCS}/objectsyncs`, "Name | Kind | Object | Acknowledged | Age"],
    ["cosync", "ClusterObjectSync", `${SYNCS}/clusterobjectsyncs`, "Name | Kind | Object | Acknowledged | Age"],
    ["re", "RuleEndpoint", `${RULES}/ruleendpoints`, "Name | Type | Age"],
    ["rules", "Rule", `${RULES}/rules`, "Name | Source | Target | Delivered | Failed | Age"],
];

/** As kubectl asks for it: headings and all, even where there is no object. */
async function headings({ connection }: Server, path: string): Promise<string> {
    const { server, caPem, token, certPem, keyPem } = connection;
    const authorization = token === undefined ? {} : { authorization: `Bearer ${await token()}` };
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const table = await new Promise<string>((resolve, reject) => {
        const identity = { ca: caPem, cert: certPem, key: keyPem };
        const asked = get(`${server}${path}`, { ...identity, headers: { accept, ...authorization } }, (answer) => {
            text(answer).then(resolve, reject);
        });
        asked.once("error", reject);
    });
    const { columnDefinitions } = JSON.parse(table) as { columnDefinitions: readonly { name: string }[] };
    return columnDefinitions.map(({ name }) => name).join(" | ");
}

/** The same tests on both: the real server is the oldest one supported, the embedded one takes what it takes. */
function loads(start: () => Promise<Server>, more: (kubectl: () => Kubectl) => void): void {
    let server: Server;
    let kubectl: Kubectl;

    beforeAll(async () => {
        server = await start();
        kubectl = new Kubectl(server.kubeconfig);
        await kubectl.run("apply", "-f", FOLDER);
        await kubectl.run("wait", "-f", FOLDER, "--for=condition=Established", "--timeout=30s");
    }, 120_000);
    afterAll(() => server?.stop());

    test("all are established, with their names and structural schemas", async () => {
        const { items } = await kubectl.json<{ items: readonly Definition[] }>("get", "crd");
        expect(items).toHaveLength(SERVED.length);
        for (const { metadata, status } of items) {
            const conditions = new Map(status?.conditions?.map((one) => [one.type, one.status]));
            const of = (type: string) => `${metadata.name} ${type} ${conditions.get(type) ?? "absent"}`;
            expect(of("NamesAccepted")).toMatch(/True$/);
            expect(of("Established")).toMatch(/True$/);
            expect(of("NonStructuralSchema")).toMatch(/absent$/);
        }
    });

    test("applying them again changes nothing", async () => {
        const said = await kubectl.run("apply", "-f", FOLDER);
        expect(said.match(/ unchanged$/gm)).toHaveLength(SERVED.length);
    });

    test.each(SERVED)("%s is %s", async (name, kind, path, columns) => {
        const resources = await kubectl.run("api-resources", "--no-headers");
        const found = resources.split("\n").find((line) => line.trim().endsWith(` ${kind}`));
        expect(found?.split(/\s+/)).toContain(name);
        expect(await kubectl.run("get", name, "-A")).toBe("");
        // The real server publishes what a new definition means some time after it serves it.
        await eventually(async () => expect(await kubectl.run("explain", name)).toContain(kind), 60_000);
        expect(await headings(server, path)).toBe(columns);
    });

    more(() => kubectl);
}

const device = (name: string, more: Record<string, unknown> = {}) => ({
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "Device",
    metadata: { name, namespace: "default" },
    spec: {
        deviceModelRef: { name: "thermo" },
        nodeName: "edge-1",
        protocol: { protocolName: "modbus", configData: { anything: { deep: [1, null] } } },
        properties: [{ name: "temperature", visitors: { configData: { scale: 0.1 } } }],
        ...more,
    },
});
const property = (more: Record<string, unknown>) => ({ properties: [{ name: "temperature", ...more }] });

describeWith([realKube, kubectlPart], "the shipped definitions in the real API server, Kubernetes 1.20", () => {
    // Written are only the definitions: this build of 1.20 ends with every write of a custom resource (redge-apis.ts).
    loads(
        () => startRealKube({ scheduler: false, controllers: false }),
        (kubectl) => {
            test("kubectl explains a field by the schema that the server serves", async () => {
                expect(await kubectl().run("version")).toMatch(/Server Version: v1\.20/);
                const field = "device.spec.properties.reportPolicy.keep";
                await eventually(
                    async () => expect(await kubectl().run("explain", field)).toContain("cloud cannot be"),
                    60_000,
                );
            });
        },
    );
});

describeWith([kubectlPart], "the shipped definitions in the embedded API server", () => {
    loads(startEmbeddedApiServer, (kubectl) => {
        const create = ["create", "-f", "-"];

        test("a device is seen with its protocol, node, state and when it was last seen", async () => {
            const { stderr, code } = await kubectl().try(["create", "namespace", "default"]);
            expect([code, stderr]).toEqual([0, ""]);
            await kubectl().apply(device("t1"));
            const lastOnlineTime = new Date(Date.now() - 180_000).toISOString();
            const status = JSON.stringify({ status: { state: "online", lastOnlineTime } });
            await kubectl().run("patch", "dev", "t1", "--type=merge", "-p", status);
            const [heading, line] = (await kubectl().run("get", "dev")).trim().split("\n");
            expect(heading?.split(/ {2,}/)).toEqual(["NAME", "PROTOCOL", "NODE", "STATE", "LAST SEEN", "AGE"]);
            expect(line).toMatch(/^t1 +modbus +edge-1 +online +3m\d?s? +\d+s$/);
            expect(await kubectl().run("get", "dev", "-o", "wide")).toContain("thermo");
            const kept = await kubectl().run("get", "dev", "t1", "-o", "jsonpath={.spec.protocol.configData}");
            expect(JSON.parse(kept)).toEqual({ anything: { deep: [1, null] } });
            expect(await kubectl().run("get", "kubeedge")).toContain("device.devices.kubeedge.io/t1");
        });

        test.each<[string, Record<string, unknown>, RegExp]>([
            ["a node that is a number", { nodeName: 7 }, /spec\.nodeName/],
            ["a node too long", { nodeName: "x".repeat(254) }, /spec\.nodeName: Too long/],
            ["a property without name", { properties: [{}] }, /spec\.properties\[0\]\.name: Required/],
            ["a property twice", { properties: [{ name: "a" }, { name: "a" }] }, /spec\.properties\[1\].*Duplicate/],
            ["a desired value that is a number", property({ desired: { value: 7 } }), /desired\.value/],
            ["a desired value that is missing", property({ desired: {} }), /desired\.value: Required/],
            ["a cycle below nothing", property({ collectCycle: -1 }), /collectCycle/],
            ["a cycle that is text", property({ reportCycle: "1s" }), /reportCycle/],
            ["a policy of no name", property({ reportPolicy: { keep: "some" } }), /keep: Unsupported value/],
            ["a dead-band below nothing", property({ reportPolicy: { deadBandPercent: -1 } }), /deadBandPercent/],
            ["a QoS of 3", property({ pushMethod: { mqtt: { qos: 3 } } }), /mqtt\.qos/],
            ["a method without name", { methods: [{ propertyNames: ["a"] }] }, /methods\[0\]\.name: Required/],
        ])("%s is refused, and where it is", async (_case, spec, said) => {
            const { code, stderr } = await kubectl().try([...create, "--validate=false"], [device("bad", spec)]);
            expect(code).toBe(1);
            expect(stderr).toMatch(said);
        });

        test.each<[string, string, string, Record<string, unknown>, RegExp]>([
            [
                "a type that is none",
                "devices.kubeedge.io/v1beta1",
                "DeviceModel",
                { properties: [{ name: "a", type: "REAL" }] },
                /type: Unsupported value: "REAL"/,
            ],
            [
                "an access that is none",
                "devices.kubeedge.io/v1beta1",
                "DeviceModel",
                { properties: [{ name: "a", accessMode: "rw" }] },
                /accessMode: Unsupported/,
            ],
            [
                "an end that is none",
                "rules.kubeedge.io/v1",
                "RuleEndpoint",
                { ruleEndpointType: "smtp" },
                /ruleEndpointType: Unsupported/,
            ],
            [
                "a rule without target",
                "rules.kubeedge.io/v1",
                "Rule",
                { source: "a", sourceResource: {}, targetResource: {} },
                /spec\.target: Required/,
            ],
        ])("%s is refused", async (_case, apiVersion, kind, spec, said) => {
            const bad = { apiVersion, kind, metadata: { name: "bad", namespace: "default" }, spec };
            const { code, stderr } = await kubectl().try([...create, "--validate=false"], [bad]);
            expect(code).toBe(1);
            expect(stderr).toMatch(said);
        });
    });
});
