// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance } from "../device-instance.ts";
import type { MappedDevice } from "../device-mapper.ts";
import { field, optionalNumber, text } from "../fields.ts";
import type { DesiredWrite, MapperReport, ReportedValue } from "../wire.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { fillPayload, fillTopic, type MqttPoint, timestampIn, valueIn } from "./visitor.ts";

/** A payload as it came, and as JSON where it is. */
export interface Arrived {
    readonly raw: unknown;
    readonly parsed: unknown;
}

export interface Publication {
    readonly topic: string;
    readonly payload: string | Buffer;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
}

export interface MqttDeviceParts {
    readonly clock: Clock;
    readonly instance: DeviceInstance;
    readonly points: readonly MqttPoint[];
    readonly subscriptions: Subscriptions;
    readonly publish: (publication: Publication) => void;
    readonly tell: (report: MapperReport) => void;
    /** It is no longer to be told of what arrives. */
    readonly closed: () => void;
}

/** One device that speaks MQTT: its values are read out of what arrives, desired ones are published. */
export class MqttDevice implements MappedDevice {
    readonly #parts: MqttDeviceParts;
    readonly #availability: string | undefined;
    readonly #offlinePayload: string;
    /** No message for so long: offline. */
    readonly #silenceMs: number | undefined;
    #state: "online" | "offline" | "unknown" = "unknown";
    #timer: Timer | undefined;

    /** @throws REDGE_DEVICE_INVALID */
    constructor(parts: MqttDeviceParts) {
        this.#parts = parts;
        const { instance, points, subscriptions } = parts;
        const { id, protocol } = instance;
        const availability = text(field(protocol.configData, "availabilityTopic"));
        this.#availability = availability ? fillTopic(availability, instance) : undefined;
        this.#offlinePayload = text(field(protocol.configData, "offlinePayload")) ?? "offline";
        this.#silenceMs = optionalNumber(field(protocol.configData, "timeout"), id, "spec.protocol.configData.timeout");
        if (this.#availability !== undefined) subscriptions.add(id, this.#availability, 1);
        for (const { topic, qos } of points) if (topic !== undefined) subscriptions.add(id, topic, qos);
        this.#awaitMessage();
    }

    async stop(): Promise<void> {
        this.#timer?.cancel();
        this.#parts.subscriptions.remove(this.#parts.instance.id);
        this.#parts.closed();
    }

    arrived(topic: string, payload: Arrived): void {
        if (topic === this.#availability) {
            if (textOf(payload.raw) === this.#offlinePayload) this.#offline(`it says so itself, on ${topic}`);
            else this.#online();
            return;
        }
        const { points, subscriptions, tell } = this.#parts;
        const reported: Record<string, ReportedValue> = {};
        for (const point of points) {
            if (point.topic === undefined || !subscriptions.matches(point.topic, topic)) continue;
            reported[point.property.name] = readingOf(point, payload);
        }
        if (Object.keys(reported).length === 0) return;
        this.#online();
        tell({ reported });
    }

    /** MQTT gives no answer of its own: handed to the broker is done. What the device then reports is what is reported. */
    write({ id, property, value }: DesiredWrite): void {
        const { points, publish, tell } = this.#parts;
        const point = points.find((one) => one.property.name === property);
        if (point?.writeTopic === undefined) {
            tell({ written: { [property]: { id, value, error: "the visitor has no writeTopic" } } });
            return;
        }
        const { writeTopic: topic, qos, retain } = point;
        publish({ topic, payload: fillPayload(point, value), qos, retain });
        tell({ written: { [property]: { id, value } } });
    }

    #online(): void {
        this.#awaitMessage();
        if (this.#state === "online") return;
        this.#state = "online";
        this.#parts.tell({ state: "online" });
    }

    #offline(reason: string): void {
        this.#timer?.cancel();
        this.#timer = undefined;
        if (this.#state === "offline") return;
        this.#state = "offline";
        const bad = { value: null, quality: "bad" as const, reason };
        const read = this.#parts.points.filter(({ topic }) => topic !== undefined);
        this.#parts.tell({
            state: "offline",
            reported: Object.fromEntries(read.map(({ property }) => [property.name, bad])),
        });
    }

    #awaitMessage(): void {
        const silenceMs = this.#silenceMs;
        if (silenceMs === undefined) return;
        this.#timer?.cancel();
        this.#timer = this.#parts.clock.after(silenceMs, () => {
            const topics = new Set(this.#parts.points.flatMap(({ topic }) => topic ?? []));
            this.#offline(`no message for ${silenceMs / 1000} s on ${[...topics].join(", ")}`);
        });
    }
}

export function textOf(raw: unknown): string {
    return Buffer.isBuffer(raw) ? raw.toString("utf8") : String(raw);
}

function readingOf(point: MqttPoint, { raw, parsed }: Arrived): ReportedValue {
    try {
        const value = valueIn(point, point.pointer === undefined ? raw : parsed);
        return { value, timestamp: timestampIn(point, parsed) };
    } catch (thrown) {
        return { value: null, quality: "bad", reason: errorText(thrown) };
    }
}
