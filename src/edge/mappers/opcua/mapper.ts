// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import type { ConfigSchema } from "../../../core/config.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../device-mapper.ts";
import type { MapperReport } from "../wire.ts";
import { type OpcuaConnection, parseConnection, parseOpcuaVisitor } from "./connection.ts";
import { OpcuaDevice } from "./device.ts";
import { OpcuaEndpoint } from "./endpoint.ts";
import type { OpcuaDialer } from "./link.ts";

export interface OpcuaMapperConfig {
    /** Devices whose spec.protocol.protocolName is this one (in any case) are ours. */
    readonly protocol: string;
    /** Who enters servers for devices that name nobody; absent: anonymous. */
    readonly user?: string;
    readonly password?: string;
}

export const opcuaMapperConfig: ConfigSchema = {
    type: "object",
    properties: {
        protocol: { type: "string", default: "opcua" },
        user: { type: "string" },
        password: { type: "string" },
    },
};

export interface OpcuaMapperPorts extends Ports {
    readonly dialer: OpcuaDialer;
}

/** Variables of OPC UA servers as Device objects describe them (device plane reference 6.5): `url` and `nodeID`s, one session a server. */
export class OpcuaMapper extends DeviceMapper {
    readonly #config: OpcuaMapperConfig;
    readonly #dialer: OpcuaDialer;
    readonly #endpoints = new Map<string, OpcuaEndpoint>();

    constructor(config: OpcuaMapperConfig, ports: OpcuaMapperPorts) {
        super(config.protocol, ports);
        this.#config = config;
        this.#dialer = ports.dialer;
    }

    override async stop(): Promise<void> {
        await super.stop();
        await this.#dialer.stop();
    }

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        const { user: name, password = "" } = this.#config;
        const connection = parseConnection(instance, name === undefined ? undefined : { name, password });
        const points = this.points(instance, tell, (property) => parseOpcuaVisitor(instance.id, property));
        const { clock, log } = this.ports;
        const device = new OpcuaDevice({ clock, log, points, tell });
        const [key, endpoint] = this.#endpoint(connection);
        endpoint.join(device);
        return {
            write: (write) => device.write(write),
            stop: async () => {
                await endpoint.leave(device);
                if (!endpoint.empty) return;
                if (this.#endpoints.get(key) === endpoint) this.#endpoints.delete(key);
                await endpoint.stop();
            },
        };
    }

    #endpoint(connection: OpcuaConnection): readonly [string, OpcuaEndpoint] {
        const key = JSON.stringify(connection);
        const known = this.#endpoints.get(key);
        if (known !== undefined) return [key, known];
        const { clock, random } = this.ports;
        const endpoint = new OpcuaEndpoint({ clock, random, dialer: this.#dialer, connection });
        this.#endpoints.set(key, endpoint);
        return [key, endpoint];
    }
}
