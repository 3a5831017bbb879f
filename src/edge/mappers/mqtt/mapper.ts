// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../../core/clock.ts";
import { type Ports, WireComponent } from "../../../core/component.ts";
import type { ConfigSchema } from "../../../core/config.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { type Envelope, Operation } from "../../../envelope/envelope.ts";
import { type DeviceInstance, fingerprintOf } from "../device-instance.ts";
import { field, isRecord, optionalNumber, text } from "../fields.ts";
import {
    type DesiredWrite,
    type DeviceConfiguration,
    deviceIdOf,
    type MapperReport,
    mapperReport,
    queryDevices,
    type ReportedValue,
    WRITE,
} from "../wire.ts";
import { Subscriptions } from "./subscriptions.ts";
import { fillPayload, fillTopic, type MqttPoint, parseMqttVisitor, timestampIn, valueIn } from "./visitor.ts";

export interface MqttMapperConfig {
    /** Devices whose spec.protocol.protocolName is this one (in any case) are ours. */
    readonly protocol: string;
}

export const mqttMapperConfig: ConfigSchema = {
    type: "object",
    properties: { protocol: { type: "string", default: "mqtt" } },
};

/** For and from Node-RED's MQTT nodes. */
export type MqttMessage = Readonly<Record<string, unknown>>;
export type MqttMapperEvents = { mqtt: [output: "subscribe" | "publish", message: MqttMessage] };

interface Known {
    readonly instance: DeviceInstance;
    readonly fingerprint: string;
    readonly points: readonly MqttPoint[];
    readonly availability: string | undefined;
    readonly offlinePayload: string;
    /** No message for so long: offline. */
    readonly silenceMs: number | undefined;
    state: "online" | "offline" | "unknown";
    timer: Timer | undefined;
}

/** A payload as it came, text instead of bytes, and as JSON where it is. */
interface Arrived {
    readonly raw: unknown;
    readonly parsed: unknown;
}

/** MQTT devices as Device objects describe them, by Node-RED's MQTT nodes: subscribes, reads values out of payloads, publishes desired ones. */
export class MqttMapper extends WireComponent<"devicetwin", MqttMapperEvents> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: MqttMapperConfig;
    readonly #ports: Ports;
    readonly #devices = new Map<string, Known>();
    readonly #subscriptions: Subscriptions;

    constructor(config: MqttMapperConfig, ports: Ports) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#subscriptions = new Subscriptions((action, topic, qos) =>
            this.emit("mqtt", "subscribe", { action, topic: action === "subscribe" ? [{ topic, qos }] : topic }),
        );
    }

    async start(): Promise<void> {
        this.#showState();
        this.send("devicetwin", queryDevices());
    }

    async stop(): Promise<void> {
        for (const { timer } of this.#devices.values()) timer?.cancel();
        this.#devices.clear();
    }

    /** Devices and desired values from DeviceTwin. Devices of other protocols are passed over. */
    async receive({ route, content }: Envelope): Promise<void> {
        const id = deviceIdOf(route.resource);
        if (id === undefined) return;
        if (route.operation === Operation.delete) this.#remove(id);
        else if (route.operation === WRITE) this.#write(id, content as DesiredWrite);
        else if (isRecord(content) && isRecord(content["instance"]))
            this.#configure((content as unknown as DeviceConfiguration).instance);
        else
            throw new RedgeError("REDGE_DEVICE_MESSAGE", {
                component: "the MQTT mapper",
                field: route.resource,
                reason: "has no instance",
            });
        this.#showState();
    }

    /** A message of an MQTT in node: text, bytes or parsed JSON. */
    receiveMqtt({ topic, payload }: MqttMessage): void {
        if (typeof topic !== "string") return;
        const arrived = {
            raw: Buffer.isBuffer(payload) ? payload.toString("utf8") : payload,
            parsed: parsedPayload(payload),
        };
        for (const id of this.#subscriptions.devicesFor(topic)) {
            const known = this.#devices.get(id);
            if (known !== undefined) this.#arrived(known, topic, arrived);
        }
    }

    #arrived(known: Known, topic: string, payload: Arrived): void {
        if (topic === known.availability) {
            this.#setState(known, String(payload.raw) === known.offlinePayload ? "offline" : "online");
            return;
        }
        const reported: Record<string, ReportedValue> = {};
        for (const point of known.points) {
            if (point.topic === undefined || !this.#subscriptions.matches(point.topic, topic)) continue;
            reported[point.property.name] = readingOf(point, payload);
        }
        if (Object.keys(reported).length === 0) return;
        this.#setState(known, "online");
        this.#tell(known.instance.id, { reported });
    }

    #configure(instance: DeviceInstance): void {
        const { id, protocol } = instance;
        if (protocol.protocolName.toLowerCase() !== this.#config.protocol.toLowerCase()) {
            this.#remove(id);
            return;
        }
        const fingerprint = fingerprintOf(instance);
        if (this.#devices.get(id)?.fingerprint === fingerprint) return;
        this.#remove(id);
        const points = instance.properties.flatMap((property) => this.#point(instance, property));
        const availability = text(field(protocol.configData, "availabilityTopic"));
        const known: Known = {
            instance,
            fingerprint,
            points,
            availability: availability ? fillTopic(availability, instance) : undefined,
            offlinePayload: text(field(protocol.configData, "offlinePayload")) ?? "offline",
            silenceMs: optionalNumber(field(protocol.configData, "timeout"), id, "spec.protocol.configData.timeout"),
            state: "unknown",
            timer: undefined,
        };
        this.#devices.set(id, known);
        if (known.availability !== undefined) this.#subscriptions.add(id, known.availability, 1);
        for (const { topic, qos } of points) if (topic !== undefined) this.#subscriptions.add(id, topic, qos);
    }

    #point(instance: DeviceInstance, property: DeviceInstance["properties"][number]): MqttPoint[] {
        try {
            return [parseMqttVisitor(instance, property)];
        } catch (thrown) {
            this.#ports.log.error(errorText(thrown), { device: instance.id, property: property.name });
            this.#tell(instance.id, {
                reported: { [property.name]: { value: null, quality: "bad", reason: errorText(thrown) } },
            });
            return [];
        }
    }

    /** MQTT gives no answer of its own: handed to the broker is done. What the device then reports is what is reported. */
    #write(id: string, { id: write, property, value }: DesiredWrite): void {
        const known = this.#devices.get(id);
        if (known === undefined) return;
        const point = known.points.find((one) => one.property.name === property);
        if (point?.writeTopic === undefined) {
            this.#tell(id, { written: { [property]: { id: write, value, error: "the visitor has no writeTopic" } } });
            return;
        }
        const { writeTopic: topic, qos, retain } = point;
        this.emit("mqtt", "publish", { topic, payload: fillPayload(point, value), qos, retain });
        this.#tell(id, { written: { [property]: { id: write, value } } });
    }

    #remove(id: string): void {
        this.#devices.get(id)?.timer?.cancel();
        if (this.#devices.delete(id)) this.#subscriptions.remove(id);
    }

    #setState(known: Known, state: "online" | "offline"): void {
        known.timer?.cancel();
        known.timer = undefined;
        if (state === "online" && known.silenceMs !== undefined) {
            known.timer = this.#ports.clock.after(known.silenceMs, () => this.#setState(known, "offline"));
        }
        if (known.state === state) return;
        known.state = state;
        this.#tell(known.instance.id, { state });
    }

    #tell(id: string, report: MapperReport): void {
        this.send("devicetwin", mapperReport(id, report));
    }

    #showState(): void {
        this.report({
            level: "ready",
            text: "mapping",
            params: { devices: this.#devices.size, topics: this.#subscriptions.size },
        });
    }
}

function readingOf(point: MqttPoint, { raw, parsed }: Arrived): ReportedValue {
    try {
        const value = valueIn(point, point.pointer === undefined ? raw : parsed);
        return { value, timestamp: timestampIn(point, parsed) };
    } catch (thrown) {
        return { value: null, quality: "bad", reason: errorText(thrown) };
    }
}

function parsedPayload(payload: unknown): unknown {
    const given = Buffer.isBuffer(payload) ? payload.toString("utf8") : payload;
    if (typeof given !== "string") return given;
    try {
        return JSON.parse(given) as unknown;
    } catch {
        return given;
    }
}
