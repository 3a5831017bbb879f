// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./eventually.ts";
import { root, run, type TestSite } from "./site.ts";

interface KubeItem {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly spec?: Record<string, unknown>;
    readonly status?: {
        readonly phase?: string;
        readonly conditions?: readonly { readonly type: string; readonly status: string }[];
        readonly containerStatuses?: readonly { readonly restartCount: number }[];
    };
}
interface Items {
    readonly items: readonly KubeItem[];
}

/** A flow that logs one line a second, as a ConfigMap and a DaemonSet. */
function logFlow(line: string): string {
    const flow = [
        { id: "t", type: "tab", label: "log" },
        {
            id: "i",
            type: "inject",
            z: "t",
            repeat: "1",
            once: true,
            props: [{ p: "payload" }],
            x: 100,
            y: 80,
            wires: [["f"]],
        },
        {
            id: "f",
            type: "function",
            z: "t",
            func: `node.log(${JSON.stringify(line)} + env.get("WHO")); return null;`,
            x: 300,
            y: 80,
            wires: [],
        },
    ];
    return JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: [
            {
                apiVersion: "v1",
                kind: "ConfigMap",
                metadata: { name: "log-flow", namespace: "default" },
                data: { "flow.json": JSON.stringify(flow) },
            },
            {
                apiVersion: "apps/v1",
                kind: "DaemonSet",
                metadata: { name: "log", namespace: "default" },
                spec: {
                    selector: { matchLabels: { app: "log" } },
                    template: {
                        metadata: { labels: { app: "log" } },
                        spec: {
                            runtimeClassName: "node-red",
                            containers: [
                                {
                                    name: "flow",
                                    image: "node-red/flow",
                                    env: [{ name: "WHO", value: "the edge" }],
                                    volumeMounts: [{ name: "flow", mountPath: "/flow" }],
                                },
                            ],
                            volumes: [{ name: "flow", configMap: { name: "log-flow" } }],
                        },
                    },
                },
            },
        ],
    });
}

/**
 * What every site must do, whichever API server it works with. `create` makes the site (its API server included);
 * called inside a describe.
 */
export function siteSuite(create: () => Promise<TestSite>): void {
    let site: TestSite;

    beforeAll(async () => {
        site = await create();
        await site.start();
    });

    afterAll(async () => {
        await site.stop();
        await site.remove();
    });

    /** The labels of the tabs in the edge's Node-RED, asked as its editor asks. */
    async function edgeTabs(): Promise<string[]> {
        const base = `http://127.0.0.1:${site.port("REDGE_EDGE_EDITOR_PORT")}`;
        const password = readFileSync(join(site.home, "admin-password"), "utf8").trim();
        const body = new URLSearchParams({
            client_id: "node-red-admin",
            grant_type: "password",
            scope: "*",
            username: "admin",
            password,
        });
        const login = await fetch(`${base}/auth/token`, { method: "POST", body });
        const { access_token } = (await login.json()) as { access_token: string };
        const flows = await fetch(`${base}/flows`, { headers: { authorization: `Bearer ${access_token}` } });
        const nodes = (await flows.json()) as { type: string; label?: string }[];
        return nodes.filter(({ type }) => type === "tab").map(({ label }) => label ?? "");
    }

    test("the node is Ready", async () => {
        const node = await site.json<KubeItem>(["get", "node", "edge"]);
        expect(node.status?.conditions).toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
    });

    test("both editors refuse a stranger", async () => {
        for (const name of ["REDGE_CLOUD_EDITOR_PORT", "REDGE_EDGE_EDITOR_PORT"] as const) {
            const answer = await fetch(`http://127.0.0.1:${site.port(name)}/flows`);
            expect(answer.status).toBe(401);
        }
    });

    test("a flow rolled out by a DaemonSet runs, logs, follows its ConfigMap and goes away", async () => {
        await site.kubectlOk(["apply", "-f", "-"], logFlow("first line from "));
        await site.kubectlOk(["rollout", "status", "daemonset/log", "--timeout=120s"]);
        const pod = (await site.json<Items>(["get", "pods", "-l", "app=log"])).items[0];
        expect(pod?.status?.phase).toBe("Running");
        const name = pod?.metadata.name ?? "";
        await eventually(async () =>
            expect(await site.kubectlOk(["logs", name])).toContain("first line from the edge"),
        );
        expect(await edgeTabs()).toContain(`default/${name}`);

        await site.kubectlOk(["apply", "-f", "-"], logFlow("second line from "));
        await eventually(async () =>
            expect(await site.kubectlOk(["logs", name, "--tail=1"])).toContain("second line from the edge"),
        );

        await site.kubectlOk(["delete", "daemonset", "log", "--timeout=120s"]);
        await eventually(async () => {
            expect((await site.json<Items>(["get", "pods", "-l", "app=log"])).items).toEqual([]);
            expect(await edgeTabs()).not.toContain(`default/${name}`);
        });
    });

    test("the boiler's temperature changes, and a new set point reaches it", async () => {
        const twin = async (property: string): Promise<string> => {
            const path = `{.status.twins[?(@.propertyName=="${property}")].reported.value}`;
            return site.kubectlOk(["get", "devicestatus", "boiler", "-o", `jsonpath=${path}`]);
        };
        const first = await eventually(async () => {
            const value = await twin("temperature");
            expect(value).not.toBe("");
            return value;
        });
        await eventually(async () => expect(await twin("temperature")).not.toBe(first));

        const device = await site.json<{ spec: { properties: { name: string }[] } }>(["get", "device", "boiler"]);
        const index = device.spec.properties.findIndex(({ name }) => name === "setpoint");
        const patch = [{ op: "replace", path: `/spec/properties/${index}/desired/value`, value: "71" }];
        const startedMs = performance.now();
        await site.kubectlOk(["patch", "device", "boiler", "--type", "json", "-p", JSON.stringify(patch)]);
        await eventually(async () => expect(Number(await twin("setpoint"))).toBe(71));
        console.log(`set point patched, written and reported back in ${Math.round(performance.now() - startedMs)} ms`);
    });

    test("the commands of the README work as they stand", async () => {
        const readme = readFileSync(join(root, "README.md"), "utf8");
        const blocks = [...readme.matchAll(/<!-- readme-test: site -->\n```sh\n([\s\S]*?)```/g)].map(
            ([, block]) => block ?? "",
        );
        expect(blocks.length).toBeGreaterThan(1);
        for (const block of blocks) {
            const result = await run("bash", ["-euo", "pipefail", "-c", `cd ${root}\n${block}`], {
                ...site.env,
                KUBECONFIG: site.kubeconfig,
            });
            expect(result.stderr + result.stdout, block).not.toMatch(/error/i);
            expect(result.code, block).toBe(0);
        }
    });

    test("a signal stops it, and a second start finds everything as it was, also when one node cannot start", async () => {
        await site.kubectlOk(["create", "configmap", "kept", "--from-literal=a=b"]);
        const before = await site.json<KubeItem>(["get", "configmap", "kept"]);
        const { tookMs, code } = await site.stop();
        expect(code).toBe(0);
        console.log(`site stopped in ${(tookMs / 1000).toFixed(2)} s`);
        // A device twin on the records of the gateway's own, as somebody may have imported it.
        const flowFile = join(site.home, "edge", "flows.json");
        const flows = JSON.parse(readFileSync(flowFile, "utf8")) as { id: string; type: string }[];
        const own = flows.find(({ type }) => type === "kubeedge-devicetwin");
        writeFileSync(flowFile, JSON.stringify([...flows, { ...own, id: "second-twin", wires: [[], [], []] }]));
        await site.start();
        await eventually(() => expect(site.output).toContain("[REDGE_NODE_TWICE]"));
        const after = await site.json<KubeItem>(["get", "configmap", "kept"]);
        expect(after.metadata.uid).toBe(before.metadata.uid);
        const pods = (await site.json<Items>(["get", "pods", "-l", "app=hello"])).items;
        expect(pods.map((pod) => pod.status?.containerStatuses?.[0]?.restartCount)).toEqual([0]);
    });
}
