// SPDX-License-Identifier: Apache-2.0
import { WireComponent } from "../../../core/component.ts";
import type { Envelope } from "../../../envelope/envelope.ts";
import { type DesiredWrite, deviceIdOf, queryDevice, WRITE } from "../wire.ts";
import type { DeviceNodeConfig } from "./config.ts";
import { fullId, type PlainMessage } from "./messages.ts";

export type DeviceInEvents = { value: [message: PlainMessage] };

/**
 * Desired values for a flow: wired behind DeviceTwin's mappers output, it passes on those of its device and property as
 * `{payload: value, topic, device, property, type, write}`. `write` is what device-out needs to confirm the value.
 */
export class DeviceIn extends WireComponent<"devicetwin", DeviceInEvents> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: DeviceNodeConfig;

    constructor(config: DeviceNodeConfig) {
        super();
        this.#config = config;
    }

    async start(): Promise<void> {
        const { device } = this.#config;
        this.report({ level: "ready", text: "waiting" });
        if (device !== undefined) this.send("devicetwin", queryDevice(fullId(device)));
    }

    async stop(): Promise<void> {}

    async receive({ route, content }: Envelope): Promise<void> {
        const id = deviceIdOf(route.resource);
        const { device, property: wanted } = this.#config;
        if (id === undefined || route.operation !== WRITE || (device !== undefined && fullId(device) !== id)) return;
        const { id: write, property, value, type } = content as DesiredWrite;
        if (wanted !== undefined && wanted !== property) return;
        this.report({ level: "ready", text: "value", params: { property, value: String(value) } });
        this.emit("value", { payload: value, topic: `${id}/${property}`, device: id, property, type, write });
    }
}
