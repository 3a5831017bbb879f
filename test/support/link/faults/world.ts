// SPDX-License-Identifier: Apache-2.0
import { sameButStatus } from "../../../../src/cloud/shared/versions.ts";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { MemoryCluster } from "../memory-cluster.ts";

export const NODE = "edge-1";
const CONFIG_MAPS = 20;

/** What the API server holds, and how it goes on changing. */
export class World {
    readonly cluster = new MemoryCluster();
    readonly #random: () => number;
    readonly devices: number;
    #count = 0;

    constructor(random: () => number, devices: number) {
        this.#random = random;
        this.devices = devices;
    }

    async create(): Promise<void> {
        const labels = { "node-role.kubernetes.io/edge": "" };
        await this.cluster.create(Kinds.node, { apiVersion: "v1", kind: "Node", metadata: { name: NODE, labels } });
        for (let n = 0; n < CONFIG_MAPS; n += 1) await this.cluster.create(Kinds.configMap, configMap(n));
        await this.cluster.create(
            Kinds.pod,
            pod(
                "p-0",
                Array.from({ length: CONFIG_MAPS }, (_, n) => `c-${n}`),
            ),
        );
        await this.cluster.create(Kinds.deviceModel, {
            apiVersion: "devices.kubeedge.io/v1beta1",
            kind: "DeviceModel",
            metadata: { name: "meter", namespace: "default" },
            spec: { properties: [{ name: "value", type: "INT", accessMode: "ReadOnly" }], protocol: "modbus" },
        });
        for (let n = 0; n < this.devices; n += 1) {
            await this.cluster.create(Kinds.device, {
                apiVersion: "devices.kubeedge.io/v1beta1",
                kind: "Device",
                metadata: { name: `meter-${n}`, namespace: "default" },
                spec: { deviceModelRef: { name: "meter" }, nodeName: NODE, properties: [{ name: "value" }] },
            });
        }
    }

    /** One change by somebody with kubectl; while the server is down there is none. */
    async change(): Promise<void> {
        this.#count += 1;
        const pick = Math.floor(this.#random() * CONFIG_MAPS);
        const ref = { type: Kinds.configMap, namespace: "default", name: `c-${pick}` };
        const kind = this.#random();
        try {
            if (kind < 0.7) {
                await this.cluster.patch(ref, { data: { n: String(this.#count) } }, "merge");
            } else if (kind < 0.8) {
                await this.cluster.delete(ref);
                await this.cluster.create(Kinds.configMap, configMap(pick));
            } else if (kind < 0.85) {
                await this.cluster.create(Kinds.pod, pod(`p-${this.#count}`, []));
            } else if (kind < 0.9) {
                const victim = this.cluster.all(Kinds.pod).find(({ metadata }) => metadata.name !== "p-0");
                const name = victim?.metadata.name;
                if (name !== undefined) await this.cluster.delete({ type: Kinds.pod, namespace: "default", name });
            } else if (kind < 0.92) {
                // Changes the conditions of every device, and nothing of what the edge has to know.
                const status = { conditions: [{ type: "Ready", status: this.#count % 2 === 0 ? "True" : "Unknown" }] };
                await this.cluster.patch({ type: Kinds.node, name: NODE }, { status }, "merge", {
                    subresource: "status",
                });
            } else {
                const name = `meter-${Math.floor(this.#random() * this.devices)}`;
                const metadata = { labels: { n: String(this.#count) } };
                await this.cluster.patch({ type: Kinds.device, namespace: "default", name }, { metadata }, "merge");
            }
        } catch (thrown) {
            if (!String(thrown).includes("does not answer") && !String(thrown).includes("NotFound")) throw thrown;
        }
    }

    /**
     * What the node has to have, by resource. Of versions in a row that differ in their status alone each is good: a
     * status is written by the cloud for those who read the API, and no reason to send the object again.
     */
    wanted(): Map<string, { readonly uid: string; readonly versions: readonly string[] }> {
        const wanted = new Map<string, { uid: string; versions: string[] }>();
        const add = (type: string, object: KubeObject, past: readonly KubeObject[]): void => {
            const { namespace = "null", name, uid = "", resourceVersion = "" } = object.metadata;
            const versions = [resourceVersion];
            for (const before of [...past].reverse()) {
                if (before.metadata.uid !== uid || !sameButStatus(before, object)) break;
                versions.push(before.metadata.resourceVersion ?? "");
            }
            wanted.set(`${namespace}/${type}/${name}`, { uid, versions });
        };
        for (const [type, kind] of [
            ["node", Kinds.node],
            ["pod", Kinds.pod],
            ["configmap", Kinds.configMap],
            ["device", Kinds.device],
            ["devicemodel", Kinds.deviceModel],
        ] as const) {
            for (const object of this.cluster.all(kind)) add(type, object, this.cluster.past(kind, object));
        }
        return wanted;
    }

    /** The version that ObjectSync says the node acknowledged. */
    recorded(uid: string): string {
        const all = [...this.cluster.all(Kinds.objectSync), ...this.cluster.all(Kinds.clusterObjectSync)];
        const record = all.find(({ metadata }) => metadata.name === `${NODE}.${uid}`);
        return JSON.stringify(record?.["status"] ?? record?.metadata ?? "nothing");
    }

    /** The numbers of the edge's events, in the order in which the API took them. */
    eventsInOrder(): readonly number[] {
        return this.cluster
            .added(Kinds.event)
            .flatMap((name) => (name.startsWith("e-") ? [Number(name.slice(2))] : []));
    }

    /** Reported values in the API, by device. */
    reported(): Map<string, string> {
        return new Map(
            this.cluster.all(Kinds.deviceStatus).map((object) => {
                const { twins = [] } = (object["status"] ?? {}) as { twins?: { reported?: { value?: string } }[] };
                return [object.metadata.name, twins[0]?.reported?.value ?? ""];
            }),
        );
    }
}

function configMap(n: number): KubeObject {
    return {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: `c-${n}`, namespace: "default" },
        data: { n: "0" },
    };
}

function pod(name: string, configMaps: readonly string[]): KubeObject {
    return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec: {
            nodeName: NODE,
            containers: [{ name: "c", image: "none" }],
            volumes: configMaps.map((map) => ({ name: map, configMap: { name: map } })),
        },
    };
}
