// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { Relay } from "../support/link/relay.ts";
import { describeWith, program } from "../support/requires.ts";
import { type CommandResult, root, run, TestSite } from "../support/site.ts";

interface Data {
    readonly metadata: { readonly uid: string };
    readonly data?: Readonly<Record<string, string>>;
}

const FLOW = JSON.stringify([
    { id: "t", type: "tab", label: "settings" },
    {
        id: "i",
        type: "inject",
        z: "t",
        repeat: "1",
        once: true,
        props: [{ p: "payload", v: "", vt: "date" }],
        x: 1,
        y: 1,
        wires: [[]],
    },
]);
/** Uses the ConfigMaps, so that the gateway is given them. */
const POD = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "reader", namespace: "default" },
    spec: {
        nodeName: "edge",
        runtimeClassName: "node-red",
        containers: [
            {
                name: "flow",
                image: "node-red/flow",
                envFrom: [{ configMapRef: { name: "settings" } }, { configMapRef: { name: "unused" } }],
                volumeMounts: [{ name: "flow", mountPath: "/flow" }],
            },
        ],
        volumes: [{ name: "flow", configMap: { name: "reader-flow" } }],
    },
};
const configMap = (name: string, data: Record<string, string>) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data,
});

describeWith([program("kubectl")], "written at the gateway while there is no link", () => {
    let site: TestSite;
    /** The network between gateway and CloudHub. */
    let network: Relay;

    beforeAll(async () => {
        site = await TestSite.create();
        network = new Relay(site.port("REDGE_CLOUDHUB_PORT"));
        await network.start();
        site.env["REDGE_CLOUDHUB_URL"] = `wss://127.0.0.1:${network.port}`;
        await site.start();
        const items = [
            configMap("settings", { mode: "auto", limit: "10", colour: "red" }),
            configMap("unused", { a: "b" }),
            configMap("reader-flow", { "flow.json": FLOW }),
            POD,
        ];
        await site.kubectlOk(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
        await site.kubectlOk(["create", "rolebinding", "gateways", "--clusterrole=edit", "--group=redge:operators"]);
        await site.kubectlOk(["wait", "--for=condition=Ready", "pod/reader", "--timeout=120s"]);
    });
    afterAll(async () => {
        await site.stop();
        await network.stop();
        await site.remove();
    });

    /** As the operator types it at the gateway. */
    const redge = (args: readonly string[], input?: string): Promise<CommandResult> =>
        run(process.execPath, [join(root, "dist/cli/redge.js"), "kubectl", ...args], site.env, input);
    async function redgeOk(args: readonly string[], input?: string): Promise<CommandResult> {
        const result = await redge(args, input);
        if (result.code !== 0) throw new Error(`redge kubectl ${args.join(" ")}: ${result.stderr}`);
        return result;
    }
    const patch = (name: string, data: Record<string, string | null>): string[] => [
        "patch",
        "configmap",
        name,
        "--type=merge",
        "-p",
        JSON.stringify({ data }),
    ];
    test("with a link a write is in the cluster when kubectl returns", async () => {
        const { stderr } = await redgeOk(patch("settings", { limit: "11" }));
        expect(stderr).not.toContain("Warning");
        expect((await site.json<Data>(["get", "configmap", "settings"])).data).toMatchObject({ limit: "11" });
    });

    test("without one it holds here, also over a restart, and is joined with the cluster's changes", async () => {
        const { uid } = (await site.json<Data>(["get", "configmap", "settings"])).metadata;
        await network.stop();
        await eventually(async () => {
            const { stderr } = await redgeOk(patch("settings", { mode: "manual", colour: "green" }));
            expect(stderr).toMatch(/Warning: .*link/i);
        });
        const created = await redgeOk(["create", "configmap", "made-here", "--from-literal=by=operator"]);
        expect(created.stderr).toContain("Warning");
        await redgeOk(["delete", "configmap", "unused"]);
        // Meanwhile in the cluster, where nothing of it is known.
        await site.kubectlOk(patch("settings", { limit: "20", colour: "blue" }));
        expect((await site.kubectl(["get", "configmap", "made-here"])).stderr).toContain("not found");
        // A gateway that loses its power has what was written.
        const { edge = 0 } = await site.pids();
        process.kill(edge, "SIGKILL");
        await eventually(async () => {
            expect((await site.pids()).edge ?? edge).not.toBe(edge);
            const seen = JSON.parse((await redgeOk(["get", "configmap", "settings", "-o", "json"])).stdout) as Data;
            expect(seen.data).toEqual({ mode: "manual", limit: "11", colour: "green" });
        });
        const here = await redgeOk(["get", "configmap", "made-here", "-o", "jsonpath={.data.by}"]);
        expect(here.stdout).toBe("operator");
        expect((await redge(["get", "configmap", "unused"])).stderr).toContain("not found");
        await network.start();
        await eventually(async () => {
            const settings = await site.json<Data>(["get", "configmap", "settings"]);
            expect(settings.metadata.uid).toBe(uid);
            // Changed here only, there only, and on both sides differently.
            expect(settings.data).toEqual({ mode: "manual", limit: "20", colour: "blue" });
            expect((await site.json<Data>(["get", "configmap", "made-here"])).data).toEqual({ by: "operator" });
            expect((await site.kubectl(["get", "configmap", "unused"])).stderr).toContain("not found");
        });
        await eventually(async () => {
            const events = await site.kubectlOk(["get", "events", "-o", "jsonpath={.items[*].reason}"]);
            expect(events).toContain("OfflineChangeConflict");
            const here = JSON.parse((await redgeOk(["get", "configmap", "settings", "-o", "json"])).stdout) as Data;
            expect(here.data).toEqual({ mode: "manual", limit: "20", colour: "blue" });
        });
    });
});
