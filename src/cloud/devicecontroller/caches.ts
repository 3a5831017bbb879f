// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import { asRecord, asRecords } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { Informer } from "../../kube/client/informer.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { follow } from "../shared/follow.ts";
import { type DeviceKey, modelOf } from "./device.ts";

/** The informers that DeviceController follows, and what it looks up in them. */
export class Caches {
    readonly devices: Informer<KubeObject>;
    readonly models: Informer<KubeObject>;
    readonly statuses: Informer<KubeObject>;
    readonly nodes: Informer<KubeObject>;

    constructor(cluster: KubeClient, ports: Ports) {
        this.devices = follow(cluster, Kinds.device, ports);
        this.models = follow(cluster, Kinds.deviceModel, ports);
        this.statuses = follow(cluster, Kinds.deviceStatus, ports);
        this.nodes = follow(cluster, Kinds.node, ports);
    }

    get all(): readonly Informer<KubeObject>[] {
        return [this.nodes, this.models, this.statuses, this.devices];
    }

    /** What devices need first: each finds its model and its status when it is told. */
    async start(signal: AbortSignal): Promise<void> {
        const before = [this.nodes, this.models, this.statuses];
        await Promise.all(before.map((informer) => informer.start()));
        void Promise.all(before.map((informer) => informer.whenSynced(signal))).then(() =>
            signal.aborted ? undefined : this.devices.start(),
        );
    }

    async stop(): Promise<void> {
        await Promise.all(this.all.map((informer) => informer.stop()));
        for (const informer of this.all) informer.clear();
    }

    device(key: DeviceKey): KubeObject | undefined {
        return byKey(this.devices, key);
    }

    model(key: DeviceKey): KubeObject | undefined {
        return byKey(this.models, key);
    }

    status(key: DeviceKey): KubeObject | undefined {
        return byKey(this.statuses, key);
    }

    modelOf(device: KubeObject): KubeObject | undefined {
        const key = modelOf(device);
        return key === undefined ? undefined : this.model(key);
    }

    /** Whether the node's own word or the node controller's says that it works. */
    nodeState(name: string): "ready" | "not ready" | "missing" {
        const node = this.nodes.get(undefined, name);
        if (node === undefined) return "missing";
        const conditions = asRecords(asRecord(node["status"])["conditions"]);
        const ready = conditions.some(({ type, status }) => type === "Ready" && status === "True");
        return ready ? "ready" : "not ready";
    }
}

function byKey(informer: Informer<KubeObject>, key: DeviceKey): KubeObject | undefined {
    const at = key.indexOf("/");
    return informer.get(key.slice(0, at), key.slice(at + 1));
}
