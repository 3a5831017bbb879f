// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../../core/clock.ts";
import { type Ports, WireComponent } from "../../../core/component.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { type Envelope, Operation } from "../../../envelope/envelope.ts";
import { field, isRecord } from "../fields.ts";
import { queryHistory, queryTwin } from "../wire.ts";
import type { DeviceGetConfig } from "./config.ts";
import { deviceOf, type PlainMessage, propertyOf } from "./messages.ts";

export type DeviceGetEvents = { value: [message: PlainMessage] };

interface Asked {
    readonly message: PlainMessage;
    readonly device: string;
    readonly property: string | undefined;
    readonly timer: Timer;
    readonly resolve: () => void;
    readonly reject: (error: RedgeError) => void;
}

/**
 * Reads a twin: any message asks DeviceTwin, and comes out again with `msg.payload` the typed value (or all properties of
 * the device, when none is named) and `msg.twin` what else is known: timestamp, quality, expected. A number in `msg.history`
 * asks for that many of the property's latest values instead, each with its time, oldest first.
 */
export class DeviceGet extends WireComponent<"devicetwin", DeviceGetEvents> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: DeviceGetConfig;
    readonly #ports: Pick<Ports, "clock">;
    readonly #asked = new Map<string, Asked>();

    constructor(config: DeviceGetConfig, ports: Pick<Ports, "clock">) {
        super();
        this.#config = config;
        this.#ports = ports;
    }

    async start(): Promise<void> {
        this.report({ level: "ready", text: "waiting" });
    }

    async stop(): Promise<void> {
        for (const { timer } of this.#asked.values()) timer.cancel();
        this.#asked.clear();
    }

    /** Resolves when the value has left. @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_UNKNOWN, REDGE_DEVICE_NO_ANSWER */
    receiveMessage(message: PlainMessage): Promise<void> {
        const device = deviceOf(this.#config, message, "device get");
        const property = propertyOf(this.#config, message);
        const { history } = message;
        const past = typeof history === "number" && property !== undefined;
        const query = past ? queryHistory(device, property, history) : queryTwin(device);
        const id = query.header.msg_id;
        return new Promise((resolve, reject) => {
            const timer = this.#ports.clock.after(this.#config.timeoutMs, () => {
                this.#asked.delete(id);
                reject(new RedgeError("REDGE_DEVICE_NO_ANSWER", { device }));
            });
            this.#asked.set(id, {
                message,
                device,
                property,
                timer,
                resolve,
                reject,
            });
            this.send("devicetwin", query);
        });
    }

    async receive({ header, route, content }: Envelope): Promise<void> {
        const asked = this.#asked.get(header.parent_msg_id ?? "");
        if (asked === undefined) return;
        this.#asked.delete(header.parent_msg_id ?? "");
        asked.timer.cancel();
        if (route.operation === Operation.error) {
            asked.reject(new RedgeError("REDGE_DEVICE_UNKNOWN", { device: asked.device }));
            return;
        }
        const values = field(content, "history");
        if (Array.isArray(values)) {
            this.emit("value", { ...asked.message, payload: values, device: asked.device });
            asked.resolve();
            return;
        }
        const twin = field(content, "twin");
        const all = isRecord(twin) ? twin : {};
        const found = asked.property === undefined ? all : all[asked.property];
        const payload =
            asked.property === undefined
                ? Object.fromEntries(Object.entries(all).map(([key, one]) => [key, field(one, "value")]))
                : field(found, "value");
        this.emit("value", { ...asked.message, payload, device: asked.device, twin: found });
        asked.resolve();
    }
}
