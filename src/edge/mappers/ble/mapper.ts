// SPDX-License-Identifier: Apache-2.0
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
    WRITE,
} from "../wire.ts";
import type { BleCentral } from "./central.ts";
import { type BlePoint, parseBleVisitor } from "./converter.ts";
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
export class BleMapper extends WireComponent<"devicetwin"> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: BleMapperConfig;
    readonly #ports: BleMapperPorts;
    readonly #sessions = new Map<string, { readonly fingerprint: string; readonly session: BleSession }>();

    constructor(config: BleMapperConfig, ports: BleMapperPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
    }

    async start(): Promise<void> {
        this.#showState();
        this.send("devicetwin", queryDevices());
    }

    async stop(): Promise<void> {
        const sessions = [...this.#sessions.values()];
        this.#sessions.clear();
        await Promise.all(sessions.map(({ session }) => session.stop()));
        await this.#ports.central.stop();
    }

    async receive({ route, content }: Envelope): Promise<void> {
        const id = deviceIdOf(route.resource);
        if (id === undefined) return;
        if (route.operation === WRITE) this.#sessions.get(id)?.session.write(content as DesiredWrite);
        else if (route.operation === Operation.delete) await this.#remove(id);
        else if (isRecord(content) && isRecord(content["instance"]))
            await this.#configure((content as unknown as DeviceConfiguration).instance);
        this.#showState();
    }

    async #configure(instance: DeviceInstance): Promise<void> {
        const { id, protocol } = instance;
        if (protocol.protocolName.toLowerCase() !== this.#config.protocol.toLowerCase()) return this.#remove(id);
        const fingerprint = fingerprintOf(instance);
        if (this.#sessions.get(id)?.fingerprint === fingerprint) return;
        await this.#remove(id);
        try {
            const mac = text(field(protocol.configData, "macAddress")) ?? "";
            if (!MAC.test(mac))
                throw new RedgeError("REDGE_DEVICE_INVALID", {
                    device: id,
                    field: "macAddress",
                    reason: "is no Bluetooth address",
                });
            const timeoutMs =
                optionalNumber(field(protocol.configData, "timeout"), id, "timeout") ?? DEFAULT_TIMEOUT_MS;
            const points = instance.properties.flatMap((property) => this.#point(id, property));
            const { central, clock, random } = this.#ports;
            const tell = (report: MapperReport): void => this.#tell(id, report);
            const session = new BleSession({ central, clock, random, mac, points, timeoutMs, tell });
            this.#sessions.set(id, { fingerprint, session });
            session.start();
        } catch (thrown) {
            this.#ports.log.error(errorText(thrown), { device: id });
            this.#tell(id, { state: "unhealthy" });
        }
    }

    #point(id: string, property: DeviceInstance["properties"][number]): BlePoint[] {
        try {
            return [parseBleVisitor(id, property)];
        } catch (thrown) {
            this.#ports.log.error(errorText(thrown), { device: id, property: property.name });
            this.#tell(id, {
                reported: { [property.name]: { value: null, quality: "bad", reason: errorText(thrown) } },
            });
            return [];
        }
    }

    async #remove(id: string): Promise<void> {
        const known = this.#sessions.get(id);
        this.#sessions.delete(id);
        await known?.session.stop();
    }

    #tell(id: string, report: MapperReport): void {
        this.send("devicetwin", mapperReport(id, report));
    }

    #showState(): void {
        this.report({ level: "ready", text: "mapping", params: { devices: this.#sessions.size } });
    }
}
