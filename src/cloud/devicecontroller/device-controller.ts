// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Counter } from "../../core/metrics.ts";
import { type Envelope, Group, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { Informer } from "../../kube/client/informer.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { follow } from "../shared/follow.ts";
import { CoalescingWriter } from "./coalescing-writer.ts";
import type { DeviceControllerConfig } from "./config.ts";
import { type DeviceKey, keyOf, modelOf, nodeOf } from "./device.ts";
import { DeviceMirror } from "./device-mirror.ts";
import { DeviceStatuses } from "./device-statuses.ts";
import { Downstream } from "./downstream.ts";
import { type DeviceMessage, parseDeviceMessage } from "./report.ts";

export interface DeviceControllerPorts extends Ports {
    readonly cluster: KubeClient;
}

const CONFIRM = { source: Source.devicecontroller, group: Group.twin } as const;
/** The Device object follows its DeviceStatus at this distance. */
const MIRROR_INTERVAL_MS = 1000;

/**
 * Between CloudHub and the Kubernetes API for devices: tells each node its Devices and DeviceModels, and writes what
 * the node reports into DeviceStatus (and state, last seen and conditions into Device.status).
 *
 * A report is confirmed to the edge (group twin, `parent_msg_id`) once its values, or newer ones, are in the API.
 * `receive` rejects with REDGE_CLOUD_FORBIDDEN for another node's device and REDGE_CLOUD_BAD_REQUEST for an unknown one.
 */
export class DeviceController extends WireComponent<"cloudhub"> {
    readonly outputs = ["cloudhub"] as const;
    readonly #config: DeviceControllerConfig;
    readonly #ports: DeviceControllerPorts;
    readonly #devices: Informer<KubeObject>;
    readonly #models: Informer<KubeObject>;
    readonly #stored: Informer<KubeObject>;
    readonly #downstream: Downstream;
    readonly #statuses: DeviceStatuses;
    readonly #mirror: DeviceMirror;
    readonly #statusWriter: CoalescingWriter;
    readonly #mirrorWriter: CoalescingWriter;
    readonly #reports: Counter;
    readonly #writes: Counter;
    #stopping = new AbortController();
    #running = false;
    #trouble: string | undefined;

    constructor(config: DeviceControllerConfig, ports: DeviceControllerPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        const { cluster, clock, metrics } = ports;
        this.#devices = follow(cluster, Kinds.device, ports);
        this.#models = follow(cluster, Kinds.deviceModel, ports);
        this.#stored = follow(cluster, Kinds.deviceStatus, ports);
        this.#downstream = new Downstream({
            clock,
            model: (key) => byKey(this.#models, key),
            send: (envelope) => this.send("cloudhub", envelope),
        });
        this.#statuses = new DeviceStatuses({
            cluster,
            device: (key) => byKey(this.#devices, key),
            model: (device) => this.#modelOf(device),
            stored: (key) => byKey(this.#stored, key),
            written: (messages) => this.#confirm(messages),
            refused: (messages, reason) => this.#refuse(messages, errorText(reason)),
        });
        this.#mirror = new DeviceMirror({ cluster, clock, lastSeenIntervalMs: config.lastSeenIntervalMs });
        this.#statusWriter = new CoalescingWriter({
            clock,
            intervalMs: config.statusIntervalMs,
            parallel: config.parallelWrites,
            write: (key) => this.#writeStatus(key),
            onFailure: (key, thrown) =>
                ports.log.warn("cannot write a device status", { device: key, reason: errorText(thrown) }),
        });
        this.#mirrorWriter = new CoalescingWriter({
            clock,
            intervalMs: MIRROR_INTERVAL_MS,
            parallel: config.parallelWrites,
            write: (key) => this.#writeMirror(key),
            onFailure: (key, thrown) =>
                ports.log.warn("cannot write a device", { device: key, reason: errorText(thrown) }),
        });
        this.#reports = metrics.counter("redge_devicecontroller_reports_total", "Reports from edge nodes", ["kind"]);
        this.#writes = metrics.counter("redge_devicecontroller_writes_total", "Device statuses written");
    }

    async start(): Promise<void> {
        if (this.#running) return;
        this.#running = true;
        this.#stopping = new AbortController();
        this.report({ level: "connecting", text: "connecting" });
        this.#attach();
        // Models first, as a device needs its model; DeviceStatuses before devices, as theirs are looked up.
        await Promise.all([this.#models.start(), this.#stored.start()]);
        void this.#startDevices(this.#stopping.signal);
    }

    async stop(): Promise<void> {
        if (!this.#running) return;
        this.#running = false;
        this.#stopping.abort();
        await Promise.all(this.#informers.map((informer) => informer.stop()));
        for (const informer of this.#informers) informer.clear();
        this.#statusWriter.stop();
        this.#mirrorWriter.stop();
        this.#downstream.clear();
    }

    async receive(envelope: Envelope): Promise<void> {
        const { operation, resource } = envelope.route;
        // Acknowledgements are CloudHub's.
        if (operation === Operation.response || operation === Operation.error) return;
        const { node } = envelope;
        if (node === undefined) throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "node", reason: "is missing" });
        await this.#devices.whenSynced(this.#stopping.signal);
        if (operation === Operation.disconnect) {
            this.#downstream.disconnect(node);
            this.#reportState();
            return;
        }
        if (operation === Operation.connect || !this.#downstream.isConnected(node)) {
            this.#downstream.connect(node);
            this.#reportState();
            if (operation === Operation.connect) return;
        }
        if (resource === "membership/detail") {
            this.#confirm([envelope]);
            this.#downstream.tellMembership(node);
            return;
        }
        const message = parseDeviceMessage(envelope);
        if (message === undefined)
            throw this.#rejection("REDGE_CLOUD_BAD_REQUEST", envelope, "no such message is known");
        this.#take(envelope, message);
    }

    #take(envelope: Envelope, message: DeviceMessage): void {
        const device = byKey(this.#devices, message.device);
        if (device === undefined) throw this.#rejection("REDGE_CLOUD_BAD_REQUEST", envelope, "there is no such device");
        if (this.#config.authorization === "node" && nodeOf(device) !== envelope.node) {
            throw this.#rejection("REDGE_CLOUD_FORBIDDEN", envelope, "the device is another node's");
        }
        this.#reports.add(1, { kind: message.kind });
        if (message.kind === "twin") this.#statuses.reported(device, message.reports, envelope);
        else this.#statuses.stateReported(device, message.report, envelope);
        this.#statusWriter.mark(message.device);
    }

    /** The error for a refused report. An edge whose outbox waits for an answer is told; a stock one knows none. */
    #rejection(
        code: "REDGE_CLOUD_FORBIDDEN" | "REDGE_CLOUD_BAD_REQUEST",
        envelope: Envelope,
        reason: string,
    ): RedgeError {
        const { operation, resource } = envelope.route;
        const error = new RedgeError(code, { node: envelope.node, operation, resource, reason });
        this.#refuse([envelope], error.message);
        return error;
    }

    #confirm(messages: readonly Envelope[]): void {
        for (const message of messages) {
            const reply = responseTo(message, "OK", CONFIRM);
            this.send("cloudhub", { ...reply, route: { ...reply.route, resource: "twin" } });
        }
    }

    #refuse(messages: readonly Envelope[], text: string): void {
        for (const message of messages) {
            if (message.header.sync !== true) continue;
            this.send("cloudhub", responseTo(message, text, { ...CONFIRM, operation: Operation.error }));
        }
    }

    #attach(): void {
        this.#models.on("add", (model) => this.#modelChanged(model));
        this.#models.on("update", (model, previous) => this.#modelChanged(model, previous));
        this.#models.on("delete", (model) => this.#markUsers(keyOf(model)));
        this.#devices.on("add", (device) => {
            this.#downstream.deviceAdded(device);
            if (byKey(this.#stored, keyOf(device)) === undefined) this.#statusWriter.mark(keyOf(device));
            this.#mirrorDevice(device);
        });
        this.#devices.on("update", (device, previous) => {
            this.#downstream.deviceUpdated(device, previous);
            this.#mirrorDevice(device);
        });
        this.#devices.on("delete", (device) => {
            this.#downstream.deviceDeleted(device);
            this.#statuses.forget(keyOf(device));
            this.#statusWriter.forget(keyOf(device));
            this.#mirrorWriter.forget(keyOf(device));
        });
        this.#stored.on("update", (status) => this.#statuses.changed(status));
        this.#stored.on("add", (status) => this.#statuses.changed(status));
        this.#stored.on("delete", (status) => {
            this.#statuses.removed(status);
            if (byKey(this.#devices, keyOf(status)) !== undefined) this.#statusWriter.mark(keyOf(status));
        });
        for (const informer of this.#informers) {
            informer.on("synced", () => this.#setTrouble(undefined));
            informer.on("trouble", (error) => this.#setTrouble(errorText(error)));
        }
    }

    async #startDevices(signal: AbortSignal): Promise<void> {
        await Promise.all([this.#models.whenSynced(signal), this.#stored.whenSynced(signal)]);
        if (!signal.aborted) await this.#devices.start();
    }

    #modelChanged(model: KubeObject, previous?: KubeObject): void {
        this.#downstream.modelChanged(model, previous);
        this.#markUsers(keyOf(model));
    }

    #markUsers(model: DeviceKey): void {
        for (const device of this.#downstream.devicesUsing(model)) this.#mirrorDevice(device);
    }

    async #writeStatus(key: DeviceKey): Promise<void> {
        const device = byKey(this.#devices, key);
        if (device === undefined) return;
        this.#statuses.entry(key);
        await this.#statuses.write(key);
        this.#writes.add();
        this.#mirrorDevice(device);
    }

    #mirrorDevice(device: KubeObject): void {
        const facts = this.#statuses.entry(keyOf(device));
        if (this.#mirror.isDue(device, this.#modelOf(device), facts, facts)) this.#mirrorWriter.mark(keyOf(device));
    }

    async #writeMirror(key: DeviceKey): Promise<void> {
        const device = byKey(this.#devices, key);
        if (device === undefined) return;
        const facts = this.#statuses.entry(key);
        await this.#mirror.write(device, this.#modelOf(device), facts, facts);
    }

    #modelOf(device: KubeObject): KubeObject | undefined {
        const key = modelOf(device);
        return key === undefined ? undefined : byKey(this.#models, key);
    }

    get #informers(): readonly Informer<KubeObject>[] {
        return [this.#models, this.#stored, this.#devices];
    }

    #setTrouble(reason: string | undefined): void {
        if (reason !== undefined && reason !== this.#trouble)
            this.#ports.log.warn("the Kubernetes API fails", { reason });
        this.#trouble = reason;
        this.#reportState();
    }

    #reportState(): void {
        if (!this.#running) return;
        if (this.#trouble !== undefined) {
            this.report({ level: "disconnected", text: "trouble", params: { reason: this.#trouble } });
        } else if (!this.#devices.synced) {
            this.report({ level: "connecting", text: "connecting" });
        } else {
            const params = { devices: this.#devices.list().length, nodes: this.#downstream.connectedNodes };
            this.report({ level: "ready", text: "ready", params });
        }
    }
}

function byKey(informer: Informer<KubeObject>, key: DeviceKey): KubeObject | undefined {
    const at = key.indexOf("/");
    return informer.get(key.slice(0, at), key.slice(at + 1));
}
