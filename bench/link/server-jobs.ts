// SPDX-License-Identifier: Apache-2.0
import type { CloudHub } from "../../src/cloud/cloudhub/index.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";

/** What the bench asks of the process that serves. */
export type Job =
    | { readonly job: "memory" }
    /** A pod on each node that mounts `each` ConfigMaps of its own. */
    | { readonly job: "workloads"; readonly nodes: readonly string[]; readonly each: number }
    /** One more version of every ConfigMap of `workloads`. */
    | { readonly job: "update"; readonly nodes: readonly string[]; readonly each: number; readonly round: number }
    | { readonly job: "secret"; readonly namespace: string; readonly name: string }
    | { readonly job: "model" }
    | { readonly job: "devices"; readonly node: string; readonly count: number }
    | { readonly job: "reported"; readonly count: number };

export interface Context {
    readonly cluster: KubeClient;
    /** Absent where the process is the API server alone. */
    readonly hub?: CloudHub;
}

export async function runJob(job: Job, context: Context): Promise<unknown> {
    switch (job.job) {
        case "memory": {
            const { user, system } = process.cpuUsage();
            global.gc?.();
            const { rss, heapUsed } = process.memoryUsage();
            return { rss, heapUsed, cpuMs: (user + system) / 1000, online: context.hub?.online.length ?? 0 };
        }
        case "workloads":
            return await workloads(context, job.nodes, job.each);
        case "update":
            return await update(context, job.nodes, job.each, job.round);
        case "secret": {
            const { namespace, name } = job;
            return (await context.cluster.get({ type: Kinds.secret, namespace, name }))["data"];
        }
        case "model":
            await context.cluster.create(Kinds.deviceModel, model());
            return undefined;
        case "devices":
            return await devices(context, job.node, job.count);
        case "reported":
            return await reported(context, job.count);
    }
}

function configMap(name: string, round: number): KubeObject {
    return {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: "default" },
        data: { round: String(round), filling: "x".repeat(400) },
    };
}

async function workloads({ cluster }: Context, nodes: readonly string[], each: number): Promise<void> {
    for (const node of nodes) {
        const names = Array.from({ length: each }, (_, n) => `${node}-c${n}`);
        for (let at = 0; at < names.length; at += 50) {
            const some = names.slice(at, at + 50);
            await Promise.all(some.map((name) => cluster.create(Kinds.configMap, configMap(name, 0))));
        }
        await cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: `${node}-pod`, namespace: "default" },
            spec: {
                nodeName: node,
                containers: [{ name: "c", image: "none" }],
                volumes: names.map((name) => ({ name, configMap: { name } })),
            },
        });
    }
}

/** Answers when the API had taken each ConfigMap, by name, in Unix milliseconds with fractions. */
async function update(
    { cluster }: Context,
    nodes: readonly string[],
    each: number,
    round: number,
): Promise<Record<string, number>> {
    const taken: Record<string, number> = {};
    for (let n = 0; n < each; n += 1) {
        for (const node of nodes) {
            const name = `${node}-c${n}`;
            await cluster.patch(
                { type: Kinds.configMap, namespace: "default", name },
                { data: { round: String(round) } },
                "merge",
            );
            taken[name] = performance.timeOrigin + performance.now();
        }
        // A writer elsewhere would leave this process time between its requests.
        if (n % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
    }
    return taken;
}

function model(): KubeObject {
    return {
        apiVersion: "devices.kubeedge.io/v1beta1",
        kind: "DeviceModel",
        metadata: { name: "meter", namespace: "default" },
        spec: { properties: [{ name: "value", type: "INT", accessMode: "ReadOnly" }], protocol: "modbus" },
    };
}

async function devices({ cluster }: Context, node: string, count: number): Promise<number> {
    for (let n = 0; n < count; n += 1) {
        await cluster.create(Kinds.device, {
            apiVersion: "devices.kubeedge.io/v1beta1",
            kind: "Device",
            metadata: { name: `meter-${n}`, namespace: "default" },
            spec: { deviceModelRef: { name: "meter" }, nodeName: node, properties: [{ name: "value" }] },
        });
        if (n % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
    }
    return performance.timeOrigin + performance.now();
}

/** How many of the devices have a reported value in the API. */
async function reported({ cluster }: Context, count: number): Promise<{ visible: number; values: string[] }> {
    const { items } = await cluster.list({ type: Kinds.deviceStatus, namespace: "default" });
    const values = items.slice(0, count).map((item) => {
        const { twins = [] } = (item["status"] ?? {}) as { twins?: { reported?: { value?: string } }[] };
        return twins[0]?.reported?.value ?? "";
    });
    return { visible: values.filter((value) => value !== "").length, values };
}
