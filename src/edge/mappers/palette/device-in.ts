// SPDX-License-Identifier: Apache-2.0
import { WireComponent } from "../../../core/component.ts";
import type { Envelope } from "../../../envelope/envelope.ts";
import {
    CALL,
    type DesiredWrite,
    deviceIdOf,
    deviceIdOfCall,
    type MethodRequest,
    queryDevice,
    queryDevices,
    WRITE,
} from "../wire.ts";
import type { DeviceInConfig } from "./config.ts";
import { fullId, type PlainMessage } from "./messages.ts";

export type DeviceInEvents = { value: [message: PlainMessage]; method: [message: PlainMessage] };

/** Calls that are known by their ids: a call that DeviceTwin tells again, for another mapper's sake, is not passed on again. */
const REMEMBERED = 1000;

/**
 * Desired values for a flow: wired behind DeviceTwin's mappers output, it passes on those of its device and property as
 * `{payload: value, topic, device, property, type, write}`. `write` is what device-out needs to confirm the value. With
 * `methods` calls of methods are passed on as `{payload: params, topic, device, method, call}`; `call` is for device-out.
 */
export class DeviceIn extends WireComponent<"devicetwin", DeviceInEvents> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: DeviceInConfig;
    readonly #called = new Set<string>();

    constructor(config: DeviceInConfig) {
        super();
        this.#config = config;
    }

    async start(): Promise<void> {
        const { device } = this.#config;
        this.report({ level: "ready", text: "waiting" });
        this.send("devicetwin", device === undefined ? queryDevices() : queryDevice(fullId(device)));
    }

    async stop(): Promise<void> {}

    async receive({ route, content }: Envelope): Promise<void> {
        const { operation, resource } = route;
        const id = operation === CALL ? deviceIdOfCall(resource) : deviceIdOf(resource);
        const { device } = this.#config;
        if (id === undefined || (device !== undefined && fullId(device) !== id)) return;
        if (operation === CALL) this.#call(id, content as MethodRequest);
        else if (operation === WRITE) this.#write(id, content as DesiredWrite);
    }

    #write(id: string, { id: write, property, value, type, call, method }: DesiredWrite): void {
        const { property: wanted, methods } = this.#config;
        if ((wanted !== undefined && wanted !== property) || (methods && call !== undefined)) return;
        this.report({ level: "ready", text: "value", params: { property, value: String(value) } });
        const by = method === undefined ? {} : { method };
        this.emit("value", { payload: value, topic: `${id}/${property}`, device: id, property, type, write, ...by });
    }

    #call(id: string, { id: call, method, params }: MethodRequest): void {
        const key = `${id} ${call}`;
        if (!this.#config.methods || this.#called.has(key)) return;
        this.#called.add(key);
        const [oldest] = this.#called;
        if (this.#called.size > REMEMBERED && oldest !== undefined) this.#called.delete(oldest);
        this.report({ level: "ready", text: "method", params: { method } });
        this.emit("method", { payload: params, topic: `${id}/${method}`, device: id, method, call });
    }
}
