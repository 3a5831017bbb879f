// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import type { ConfigSchema } from "../../../core/config.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../device-mapper.ts";
import type { MapperReport } from "../wire.ts";
import { MqttDevice, type Publication, textOf } from "./device.ts";
import { Subscriptions } from "./subscriptions.ts";
import { parseMqttVisitor } from "./visitor.ts";

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

/** MQTT devices as Device objects describe them, by Node-RED's MQTT nodes: subscribes, reads values out of payloads, publishes desired ones. */
export class MqttMapper extends DeviceMapper<MqttMapperEvents> {
    readonly #devices = new Map<string, MqttDevice>();
    readonly #subscriptions: Subscriptions;
    #stopping = false;

    constructor(config: MqttMapperConfig, ports: Ports) {
        super(config.protocol, ports);
        this.#subscriptions = new Subscriptions((action, topic, qos) => {
            // The MQTT nodes end their subscriptions themselves.
            if (this.#stopping) return;
            this.emit("mqtt", "subscribe", { action, topic: action === "subscribe" ? [{ topic, qos }] : topic });
        });
    }

    override async stop(): Promise<void> {
        this.#stopping = true;
        await super.stop();
    }

    /** A message of an MQTT in node: text, bytes or parsed JSON. */
    receiveMqtt({ topic, payload }: MqttMessage): void {
        if (typeof topic !== "string") return;
        const arrived = { raw: payload, parsed: parsedPayload(payload) };
        for (const id of this.#subscriptions.devicesFor(topic)) this.#devices.get(id)?.arrived(topic, arrived);
    }

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        const { id } = instance;
        const device = new MqttDevice({
            clock: this.ports.clock,
            instance,
            points: this.points(instance, tell, (property) => parseMqttVisitor(instance, property)),
            subscriptions: this.#subscriptions,
            publish: (publication: Publication) => this.emit("mqtt", "publish", { ...publication }),
            tell,
            closed: () => this.#devices.delete(id),
        });
        this.#devices.set(id, device);
        return device;
    }
}

function parsedPayload(payload: unknown): unknown {
    const given = Buffer.isBuffer(payload) ? textOf(payload) : payload;
    if (typeof given !== "string") return given;
    try {
        return JSON.parse(given) as unknown;
    } catch {
        return given;
    }
}
