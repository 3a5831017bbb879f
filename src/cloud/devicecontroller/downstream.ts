// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { formatResource } from "../../envelope/resource.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { sameButStatus } from "../shared/versions.ts";
import { type DeviceKey, keyOf, modelOf, nodeOf } from "./device.ts";

export interface DownstreamOptions {
    readonly clock: Clock;
    readonly model: (key: DeviceKey) => KubeObject | undefined;
    readonly send: (envelope: Envelope) => void;
}

type Change = "insert" | "update" | "delete";

/** What a connected node was given. */
interface Given {
    readonly devices: Set<DeviceKey>;
    /** As they were given: a model that is deleted before its last device is still to be taken away. */
    readonly models: Map<DeviceKey, KubeObject>;
}

/**
 * Devices and models for nodes: everything of a node when it connects, and every change while it is connected. A model
 * goes before the first device that uses it; a device whose model is missing waits for it (KubeEdge device reference,
 * sections 2.2 to 2.4; its delivery gaps of section 2.5 are closed by the offer at every connect).
 */
export class Downstream {
    readonly #options: DownstreamOptions;
    readonly #devices = new Map<DeviceKey, KubeObject>();
    readonly #byNode = new Map<string, Set<DeviceKey>>();
    readonly #byModel = new Map<DeviceKey, Set<DeviceKey>>();
    readonly #connected = new Map<string, Given>();

    constructor(options: DownstreamOptions) {
        this.#options = options;
    }

    get connectedNodes(): number {
        return this.#connected.size;
    }

    isConnected(node: string): boolean {
        return this.#connected.has(node);
    }

    devicesOf(node: string): readonly KubeObject[] {
        return [...(this.#byNode.get(node) ?? [])].flatMap((key) => this.#devices.get(key) ?? []);
    }

    devicesUsing(model: DeviceKey): readonly KubeObject[] {
        return [...(this.#byModel.get(model) ?? [])].flatMap((key) => this.#devices.get(key) ?? []);
    }

    connect(node: string): void {
        this.#connected.set(node, { devices: new Set(), models: new Map() });
        const devices = this.devicesOf(node);
        if (devices.length > 0) this.#membership(node, devices, []);
        const uids: string[] = [];
        for (const device of devices) {
            this.#give(node, device, "update");
            const model = this.#options.model(modelOf(device) ?? "");
            for (const { metadata } of model === undefined ? [device] : [device, model]) {
                if (metadata.uid !== undefined) uids.push(metadata.uid);
            }
        }
        const content = { kinds: [Kinds.device.kind, Kinds.deviceModel.kind], uids: [...new Set(uids)] };
        this.#send(node, Group.resource, Operation.sync, `node/${node}`, content);
    }

    disconnect(node: string): void {
        this.#connected.delete(node);
    }

    /** The edge asked which devices it has: the answer goes by the same message as every change of it. */
    tellMembership(node: string): void {
        this.#membership(node, this.devicesOf(node), [], true);
    }

    deviceAdded(device: KubeObject): void {
        this.#index(device);
        this.#join(device);
    }

    deviceUpdated(device: KubeObject, previous: KubeObject): void {
        const moved = nodeOf(device) !== nodeOf(previous);
        if (moved) this.#leave(previous);
        this.#unindex(previous);
        this.#index(device);
        if (moved) {
            this.#join(device);
            return;
        }
        const node = nodeOf(device);
        if (node === undefined || sameButStatus(device, previous)) return;
        this.#give(node, device, "update");
        this.#dropModel(node, modelOf(previous));
    }

    deviceDeleted(device: KubeObject): void {
        this.#unindex(device);
        this.#leave(device);
    }

    modelChanged(model: KubeObject, previous?: KubeObject): void {
        if (previous !== undefined && sameButStatus(model, previous)) return;
        const key = keyOf(model);
        for (const [node, given] of this.#connected) {
            if (!given.models.has(key)) continue;
            given.models.set(key, model);
            this.#push(node, "update", "devicemodel", model);
        }
        for (const device of this.devicesUsing(key)) {
            const node = nodeOf(device);
            if (node === undefined) continue;
            if (this.#connected.get(node)?.devices.has(keyOf(device)) === false) this.#give(node, device, "insert");
        }
    }

    clear(): void {
        this.#connected.clear();
        this.#devices.clear();
        this.#byNode.clear();
        this.#byModel.clear();
    }

    #join(device: KubeObject): void {
        const node = nodeOf(device);
        if (node === undefined || !this.#connected.has(node)) return;
        this.#membership(node, [device], []);
        this.#give(node, device, "insert");
    }

    #leave(device: KubeObject): void {
        const node = nodeOf(device);
        const given = node === undefined ? undefined : this.#connected.get(node);
        if (node === undefined || given === undefined) return;
        given.devices.delete(keyOf(device));
        this.#membership(node, [], [device]);
        this.#push(node, "delete", "device", device);
        this.#dropModel(node, modelOf(device), device);
    }

    #give(node: string, device: KubeObject, change: Change): void {
        const given = this.#connected.get(node);
        const modelKey = modelOf(device);
        if (given === undefined) return;
        const model = modelKey === undefined ? undefined : this.#options.model(modelKey);
        const isThere = modelKey !== undefined && given.models.has(modelKey);
        if (modelKey === undefined || (model === undefined && !isThere)) {
            // Given again, as it is then, when its model comes.
            given.devices.delete(keyOf(device));
            return;
        }
        if (model !== undefined && !isThere) {
            given.models.set(modelKey, model);
            this.#push(node, change, "devicemodel", model);
        }
        given.devices.add(keyOf(device));
        this.#push(node, change, "device", device);
    }

    /** Takes a model away from a node where no device uses it any more. */
    #dropModel(node: string, key: DeviceKey | undefined, leaving?: KubeObject): void {
        const given = this.#connected.get(node);
        const model = key === undefined ? undefined : given?.models.get(key);
        if (key === undefined || given === undefined || model === undefined) return;
        const gone = leaving === undefined ? undefined : keyOf(leaving);
        const used = this.devicesUsing(key).some((device) => nodeOf(device) === node && keyOf(device) !== gone);
        if (used) return;
        given.models.delete(key);
        this.#push(node, "delete", "devicemodel", model);
    }

    #membership(node: string, added: readonly KubeObject[], removed: readonly KubeObject[], withTwin = false): void {
        const list = (devices: readonly KubeObject[]) =>
            devices.length === 0 ? null : devices.map((device) => memberOf(device, withTwin));
        this.#send(node, Group.twin, Operation.update, "membership", {
            event_id: randomUUID(),
            timestamp: this.#options.clock.nowMs(),
            added_devices: list(added),
            removed_devices: list(removed),
        });
    }

    #push(node: string, change: Change, type: string, object: KubeObject): void {
        const resource = formatResource(object.metadata.namespace, type, object.metadata.name);
        this.#send(node, Group.resource, change, resource, object, object.metadata.resourceVersion);
    }

    #send(
        node: string,
        group: string,
        operation: string,
        resource: string,
        content: unknown,
        resourceVersion?: string,
    ): void {
        if (!this.#connected.has(node)) return;
        this.#options.send(
            newEnvelope({
                route: { source: Source.devicecontroller, group, operation, resource },
                content,
                node,
                resourceVersion,
                timestamp: this.#options.clock.nowMs(),
            }),
        );
    }

    #index(device: KubeObject): void {
        const key = keyOf(device);
        this.#devices.set(key, device);
        put(this.#byNode, nodeOf(device), key);
        put(this.#byModel, modelOf(device), key);
    }

    #unindex(device: KubeObject): void {
        const key = keyOf(device);
        this.#devices.delete(key);
        take(this.#byNode, nodeOf(device), key);
        take(this.#byModel, modelOf(device), key);
    }
}

function memberOf(device: KubeObject, withTwin: boolean): Record<string, unknown> {
    const description = device.metadata.labels?.["description"];
    return {
        id: keyOf(device),
        name: device.metadata.name,
        ...(description === undefined ? {} : { description }),
        ...(withTwin ? { twin: {} } : {}),
    };
}

function put(index: Map<string, Set<string>>, at: string | undefined, key: string): void {
    if (at === undefined) return;
    const set = index.get(at);
    if (set === undefined) index.set(at, new Set([key]));
    else set.add(key);
}

function take(index: Map<string, Set<string>>, at: string | undefined, key: string): void {
    if (at === undefined) return;
    const set = index.get(at);
    set?.delete(key);
    if (set?.size === 0) index.delete(at);
}
