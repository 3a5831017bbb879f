// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import type { ConfigSchema } from "../../../core/config.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../device-mapper.ts";
import { field, optionalBoolean } from "../fields.ts";
import type { MapperReport } from "../wire.ts";
import { VirtualDevice } from "./device.ts";
import { parseGenerator } from "./generators.ts";

export interface VirtualMapperConfig {
    /** Devices whose spec.protocol.protocolName is this one (in any case) are ours. */
    readonly protocol: string;
}

export const virtualMapperConfig: ConfigSchema = {
    type: "object",
    properties: { protocol: { type: "string", default: "virtual" } },
};

/** Devices for trying out, made up as their Device objects say: a generator a property, no hardware. */
export class VirtualMapper extends DeviceMapper {
    constructor(config: VirtualMapperConfig, ports: Ports) {
        super(config.protocol, ports);
    }

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        const { clock, random } = this.ports;
        const at = "spec.protocol.configData.offline";
        const offline = optionalBoolean(field(instance.protocol.configData, "offline"), false, instance.id, at);
        const points = this.points(instance, tell, (property) => ({
            property,
            generator: parseGenerator(instance.id, property, random),
        }));
        return new VirtualDevice({ clock, points, methods: instance.methods, offline, tell }).start();
    }
}
