// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { Counter } from "../../core/metrics.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { EventRecorder } from "../../kube/client/event-recorder.ts";
import type { KubeObject } from "../../kube/types.ts";
import { CoalescingWriter } from "../shared/coalescing-writer.ts";
import type { Caches } from "./caches.ts";
import type { DeviceFacts } from "./conditions.ts";
import type { DeviceControllerConfig } from "./config.ts";
import { type DeviceKey, keyOf, nodeOf } from "./device.ts";
import { DeviceMirror } from "./device-mirror.ts";
import { DeviceStatuses } from "./device-statuses.ts";
import { MethodCalls } from "./method-calls.ts";
import type { DeviceMessage } from "./report.ts";

export interface StatusKeepingOptions {
    readonly config: DeviceControllerConfig;
    readonly cluster: KubeClient;
    readonly caches: Caches;
    /** The values of these messages are in the API. */
    readonly written: (messages: readonly Envelope[]) => void;
    /** The API will never take them. */
    readonly refused: (messages: readonly Envelope[], reason: string) => void;
}

/** The Device object follows its DeviceStatus at this distance. */
const MIRROR_INTERVAL_MS = 1000;
/** Few at a time, so that reports are never behind it. */
const MIRROR_PARALLEL = 2;

/** Brings what is known of devices into their DeviceStatus and into Device.status, each as often as is good for the API. */
export class StatusKeeping {
    readonly #options: StatusKeepingOptions;
    readonly #ports: Ports;
    readonly #statuses: DeviceStatuses;
    readonly #mirror: DeviceMirror;
    readonly #calls: MethodCalls;
    readonly #recorder: EventRecorder;
    readonly #statusWriter: CoalescingWriter;
    readonly #mirrorWriter: CoalescingWriter;
    readonly #writes: Counter;

    constructor(options: StatusKeepingOptions, ports: Ports) {
        const { config, cluster, caches } = options;
        const { clock, log } = ports;
        this.#options = options;
        this.#ports = ports;
        this.#recorder = new EventRecorder({ cluster, component: "devicecontroller" }, ports);
        this.#statuses = new DeviceStatuses({
            cluster,
            device: (key) => caches.device(key),
            model: (device) => caches.modelOf(device),
            stored: (key) => caches.status(key),
            written: options.written,
            refused: (messages, thrown) => options.refused(messages, errorText(thrown)),
        });
        const { lastSeenIntervalMs, statusIntervalMs, parallelWrites: parallel } = config;
        this.#mirror = new DeviceMirror({ cluster, clock, recorder: this.#recorder, lastSeenIntervalMs });
        const onFailure = (device: DeviceKey, thrown: unknown): void =>
            log.warn("cannot write the status of a device", { device, reason: errorText(thrown) });
        this.#statusWriter = new CoalescingWriter({
            clock,
            intervalMs: statusIntervalMs,
            parallel,
            write: (key) => this.#writeStatus(key),
            onFailure,
        });
        this.#mirrorWriter = new CoalescingWriter({
            clock,
            intervalMs: MIRROR_INTERVAL_MS,
            parallel: MIRROR_PARALLEL,
            write: (key) => this.#writeMirror(key),
            onFailure,
        });
        this.#calls = new MethodCalls({
            cluster,
            clock,
            recorder: this.#recorder,
            device: (key) => caches.device(key),
            onFailure,
        });
        this.#writes = ports.metrics.counter("redge_devicecontroller_writes_total", "Device statuses written");
    }

    /** Statuses that wait to be written, or are being written. */
    get depth(): number {
        return this.#statusWriter.depth;
    }

    async stop(): Promise<void> {
        this.#statusWriter.stop();
        this.#mirrorWriter.stop();
        this.#calls.stop();
        await this.#recorder.stop();
    }

    /** Takes a report over; `written` or `refused` is called with the message in the end. */
    take(device: KubeObject, message: DeviceMessage, envelope: Envelope): void {
        if (message.kind === "twin") this.#statuses.reported(device, message.reports, envelope);
        else {
            this.#statuses.stateReported(device, message.report, envelope);
            if (message.report.calls.length > 0) this.#calls.ended(device, message.report.calls);
        }
        this.#statusWriter.mark(message.device);
    }

    deviceAdded(device: KubeObject): void {
        const key = keyOf(device);
        if (this.#options.caches.status(key) === undefined) this.#statusWriter.mark(key);
        this.deviceChanged(device);
    }

    deviceChanged(device: KubeObject): void {
        if (this.#statuses.deviceChanged(device)) this.#statusWriter.mark(keyOf(device));
        this.#calls.check(device);
        this.check(device);
    }

    modelChanged(device: KubeObject): void {
        this.#statuses.modelChanged(keyOf(device));
        this.check(device);
    }

    /** Something that conditions are made of may have changed. */
    check(device: KubeObject): void {
        const { caches } = this.#options;
        if (!this.#mirror.isDue(device, caches.modelOf(device), this.#facts(device))) return;
        // A Device comes to life within a moment: what there is to say by then is one write, not three.
        this.#mirrorWriter.mark(keyOf(device), device["status"] === undefined ? MIRROR_INTERVAL_MS : 0);
    }

    deviceDeleted(device: KubeObject): void {
        const key = keyOf(device);
        this.#statuses.forget(key);
        this.#statusWriter.forget(key);
        this.#mirrorWriter.forget(key);
        this.#calls.forget(key);
    }

    /** Somebody else made or changed a DeviceStatus. */
    statusChanged(status: KubeObject): void {
        this.#statuses.changed(status);
    }

    /** Somebody deleted a DeviceStatus: it is made again as long as there is the device. */
    statusDeleted(status: KubeObject): void {
        const key = keyOf(status);
        this.#statuses.removed(status);
        if (this.#options.caches.device(key) !== undefined) this.#statusWriter.mark(key);
    }

    async #writeStatus(key: DeviceKey): Promise<void> {
        const device = this.#options.caches.device(key);
        if (device === undefined) return;
        await this.#statuses.write(key);
        this.#writes.add();
        this.check(device);
    }

    async #writeMirror(key: DeviceKey): Promise<void> {
        const { caches } = this.#options;
        const device = caches.device(key);
        if (device !== undefined) await this.#mirror.write(device, caches.modelOf(device), this.#facts(device));
    }

    #facts(device: KubeObject): DeviceFacts {
        const node = nodeOf(device);
        const { twins, state, lastOnlineTime, refused, rejected, unread } = this.#statuses.entry(keyOf(device));
        return {
            twins,
            state,
            lastOnlineTime,
            refused,
            rejected,
            unread,
            node: node === undefined ? undefined : this.#options.caches.nodeState(node),
            nowMs: this.#ports.clock.nowMs(),
        };
    }
}
