// SPDX-License-Identifier: Apache-2.0
import { WireComponent } from "../../../core/component.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { Envelope } from "../../../envelope/envelope.ts";
import { field, isRecord, text } from "../fields.ts";
import { type MapperReport, mapperReport } from "../wire.ts";
import type { DeviceNodeConfig } from "./config.ts";
import { deviceOf, type PlainMessage, propertyOf } from "./messages.ts";

/**
 * Values and states from a flow to DeviceTwin. `msg.payload` is the value of the node's (or the message's) property, or an
 * object of properties when none is named; `msg.timestamp` when it was read (ms), `msg.state` the device's state. A
 * message that comes from device-in (`msg.write`) confirms that desired value, or refuses it when it carries `msg.error`;
 * one with `msg.call` ends that call of a method with `msg.payload` as its result, or fails it.
 */
export class DeviceOut extends WireComponent<"devicetwin"> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: DeviceNodeConfig;

    constructor(config: DeviceNodeConfig) {
        super();
        this.#config = config;
    }

    async start(): Promise<void> {
        this.report({ level: "ready", text: "waiting" });
    }

    async stop(): Promise<void> {}

    /** Nothing comes to it but plain messages. */
    async receive(envelope: Envelope): Promise<void> {
        this.receiveMessage({ payload: envelope.content, topic: envelope.route.resource });
    }

    /** @throws REDGE_DEVICE_MESSAGE */
    receiveMessage(message: PlainMessage): void {
        const device = deviceOf(this.#config, message, "device out");
        const report = this.#report(message, propertyOf(this.#config, message));
        this.send("devicetwin", mapperReport(device, report));
        this.report({ level: "ready", text: "reported" });
    }

    #report(message: PlainMessage, property: string | undefined): MapperReport {
        const state = text(message["state"]);
        const said = state === undefined ? {} : { state };
        const { payload, timestamp, write, call, error } = message;
        if (typeof call === "string") {
            const ended = error === undefined ? { result: payload ?? null } : { error: errorOf(error) };
            return { ...said, called: { [call]: ended } };
        }
        if (typeof write === "string" && property !== undefined) {
            const reason = error === undefined ? undefined : errorOf(error);
            const written = { id: write, value: payload, ...(reason === undefined ? {} : { error: reason }) };
            const taken = reason === undefined ? { reported: { [property]: { value: payload } } } : {};
            return { ...said, ...taken, written: { [property]: written } };
        }
        if (payload === undefined && state !== undefined) return said;
        const at = typeof timestamp === "number" ? { timestamp } : {};
        if (property !== undefined) return { ...said, reported: { [property]: { value: payload, ...at } } };
        if (!isRecord(payload)) {
            const reason = "is no object of properties, and no property is named";
            throw new RedgeError("REDGE_DEVICE_MESSAGE", { component: "device out", field: "msg.payload", reason });
        }
        return {
            ...said,
            reported: Object.fromEntries(Object.entries(payload).map(([key, value]) => [key, { value, ...at }])),
        };
    }
}

function errorOf(error: unknown): string {
    return text(field(error, "message")) ?? String(error);
}
