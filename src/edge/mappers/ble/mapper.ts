// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import type { ConfigSchema } from "../../../core/config.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../device-mapper.ts";
import { field, optionalNumber, text } from "../fields.ts";
import type { MapperReport } from "../wire.ts";
import type { BleCentral } from "./central.ts";
import { parseBleVisitor } from "./converter.ts";
import { BleSession } from "./session.ts";

export interface BleMapperConfig {
    /** Devices whose spec.protocol.protocolName is this one (in any case) are ours. */
    readonly protocol: string;
    /** D-Bus address of the bus that BlueZ is on; absent: the system bus. */
    readonly busAddress?: string;
}

export const bleMapperConfig: ConfigSchema = {
    type: "object",
    properties: { protocol: { type: "string", default: "bluetooth" }, busAddress: { type: "string" } },
};

export interface BleMapperPorts extends Ports {
    readonly central: BleCentral;
}

const DEFAULT_TIMEOUT_MS = 20_000;
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/** Bluetooth LE devices as Device objects describe them (device plane reference 6.5): `macAddress`, and a characteristic a property. */
export class BleMapper extends DeviceMapper {
    readonly #central: BleCentral;

    constructor(config: BleMapperConfig, ports: BleMapperPorts) {
        super(config.protocol, ports);
        this.#central = ports.central;
    }

    override async stop(): Promise<void> {
        await super.stop();
        await this.#central.stop();
    }

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        const { id, protocol } = instance;
        const mac = text(field(protocol.configData, "macAddress")) ?? "";
        if (!MAC.test(mac)) {
            const reason = "is no Bluetooth address";
            throw new RedgeError("REDGE_DEVICE_INVALID", { device: id, field: "macAddress", reason });
        }
        const timeoutMs = optionalNumber(field(protocol.configData, "timeout"), id, "timeout") ?? DEFAULT_TIMEOUT_MS;
        const points = this.points(instance, tell, (property) => parseBleVisitor(id, property));
        const { clock, random } = this.ports;
        const session = new BleSession({ central: this.#central, clock, random, mac, points, timeoutMs, tell });
        session.start();
        return session;
    }
}
