// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Counter } from "../../core/metrics.ts";
import { type Envelope, Group, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { KubeObject } from "../../kube/types.ts";
import { Caches } from "./caches.ts";
import type { DeviceControllerConfig } from "./config.ts";
import { keyOf, nodeOf } from "./device.ts";
import { Downstream } from "./downstream.ts";
import { type DeviceMessage, parseDeviceMessage } from "./report.ts";
import { StatusKeeping } from "./status-keeping.ts";

export interface DeviceControllerPorts extends Ports {
    readonly cluster: KubeClient;
}

const CONFIRM = { source: Source.devicecontroller, group: Group.twin } as const;
/** How often it is looked for devices that have become silent. */
const CHECK_INTERVAL_MS = 30_000;

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
    readonly #caches: Caches;
    readonly #downstream: Downstream;
    readonly #reports: Counter;
    #statuses: StatusKeeping | undefined;
    #stopping = new AbortController();
    #check: Timer | undefined;
    #trouble: string | undefined;

    constructor(config: DeviceControllerConfig, ports: DeviceControllerPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#caches = new Caches(ports.cluster, ports);
        this.#downstream = new Downstream({
            clock: ports.clock,
            model: (key) => this.#caches.model(key),
            send: (envelope) => this.send("cloudhub", envelope),
        });
        this.#reports = ports.metrics.counter("redge_devicecontroller_reports_total", "Reports of edge nodes", [
            "kind",
        ]);
    }

    async start(): Promise<void> {
        if (this.#statuses !== undefined) return;
        this.#stopping = new AbortController();
        this.report({ level: "connecting", text: "connecting" });
        const { cluster } = this.#ports;
        this.#statuses = new StatusKeeping(
            {
                config: this.#config,
                cluster,
                caches: this.#caches,
                written: (messages) => this.#confirm(messages),
                refused: (messages, reason) => this.#refuse(messages, reason),
            },
            this.#ports,
        );
        this.#attach(this.#statuses);
        this.#checkLater(this.#statuses);
        await this.#caches.start(this.#stopping.signal);
    }

    async stop(): Promise<void> {
        const statuses = this.#statuses;
        if (statuses === undefined) return;
        this.#statuses = undefined;
        this.#stopping.abort();
        this.#check?.cancel();
        await this.#caches.stop();
        await statuses.stop();
        this.#downstream.clear();
    }

    async receive(envelope: Envelope): Promise<void> {
        const { operation, resource } = envelope.route;
        // Acknowledgements are CloudHub's.
        if (operation === Operation.response || operation === Operation.error) return;
        const { node } = envelope;
        if (node === undefined) throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "node", reason: "is missing" });
        await this.#caches.devices.whenSynced(this.#stopping.signal);
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
        const device = this.#caches.device(message.device);
        if (device === undefined) throw this.#rejection("REDGE_CLOUD_BAD_REQUEST", envelope, "there is no such device");
        if (this.#config.authorization === "node" && nodeOf(device) !== envelope.node) {
            throw this.#rejection("REDGE_CLOUD_FORBIDDEN", envelope, "the device is another node's");
        }
        this.#reports.add(1, { kind: message.kind });
        this.#statuses?.take(device, message, envelope);
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

    #attach(keeping: StatusKeeping): void {
        const { devices, models, statuses, nodes } = this.#caches;
        const checkUsers = (model: KubeObject): void => {
            for (const device of this.#downstream.devicesUsing(keyOf(model))) keeping.modelChanged(device);
        };
        models.on("add", (model) => {
            this.#downstream.modelChanged(model);
            checkUsers(model);
        });
        models.on("update", (model, previous) => {
            this.#downstream.modelChanged(model, previous);
            checkUsers(model);
        });
        models.on("delete", checkUsers);
        devices.on("add", (device) => {
            this.#downstream.deviceAdded(device);
            keeping.deviceAdded(device);
        });
        devices.on("update", (device, previous) => {
            this.#downstream.deviceUpdated(device, previous);
            keeping.deviceChanged(device);
        });
        devices.on("delete", (device) => {
            this.#downstream.deviceDeleted(device);
            keeping.deviceDeleted(device);
        });
        statuses.on("add", (status) => keeping.statusChanged(status));
        statuses.on("update", (status) => keeping.statusChanged(status));
        statuses.on("delete", (status) => keeping.statusDeleted(status));
        const checkNode = (node: KubeObject): void => {
            for (const device of this.#downstream.devicesOf(node.metadata.name)) keeping.check(device);
        };
        nodes.on("add", checkNode);
        nodes.on("update", checkNode);
        nodes.on("delete", checkNode);
        devices.on("add", () => this.#reportState());
        devices.on("delete", () => this.#reportState());
        for (const informer of this.#caches.all) {
            informer.on("synced", () => this.#setTrouble(undefined));
            informer.on("trouble", (error) => this.#setTrouble(errorText(error)));
        }
    }

    #checkLater(keeping: StatusKeeping): void {
        this.#check = this.#ports.clock.after(CHECK_INTERVAL_MS, () => {
            for (const device of this.#caches.devices.list()) keeping.check(device);
            this.#checkLater(keeping);
        });
    }

    #setTrouble(reason: string | undefined): void {
        if (reason !== undefined && reason !== this.#trouble)
            this.#ports.log.warn("the Kubernetes API fails", { reason });
        this.#trouble = reason;
        this.#reportState();
    }

    #reportState(): void {
        if (this.#statuses === undefined) return;
        const { devices } = this.#caches;
        if (this.#trouble !== undefined) {
            this.report({ level: "disconnected", text: "trouble", params: { reason: this.#trouble } });
        } else if (!devices.synced) {
            this.report({ level: "connecting", text: "connecting" });
        } else {
            const params = { devices: devices.list().length, nodes: this.#downstream.connectedNodes };
            this.report({ level: "ready", text: "ready", params });
        }
    }
}
