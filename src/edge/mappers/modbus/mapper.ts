// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../device-mapper.ts";
import type { MapperReport } from "../wire.ts";
import type { ModbusMapperConfig } from "./config.ts";
import { ModbusDevice } from "./device.ts";
import { LinePool } from "./line-pool.ts";
import { parseVisitor } from "./visitor.ts";
import type { ModbusMessage, ModbusOutput } from "./wired-transport.ts";

export type ModbusMapperEvents = { modbus: [output: ModbusOutput, message: ModbusMessage] };

/**
 * Modbus as Device objects describe it: reads what they list, writes desired values, reports to DeviceTwin. Requests
 * leave by the `modbus` event as messages for node-red-contrib-modbus and come back by `receiveModbus`.
 */
export class ModbusMapper extends DeviceMapper<ModbusMapperEvents> {
    readonly #devices = new Map<string, ModbusDevice>();
    readonly #lines: LinePool;

    constructor(config: ModbusMapperConfig, ports: Ports) {
        super(config.protocol, ports);
        this.#lines = new LinePool({
            clock: ports.clock,
            random: ports.random,
            lanes: config.lanes,
            send: (output, message) => this.emit("modbus", output, message),
            handlers: {
                values: (id, values, timestamp) => this.#devices.get(id)?.values(values, timestamp),
                refused: (id, properties, reason) => this.#devices.get(id)?.refused(properties, reason),
                state: (id, state, reason) => this.#devices.get(id)?.state(state, reason),
                written: (id, job, error) => this.#devices.get(id)?.written(job, error),
            },
        });
    }

    override async stop(): Promise<void> {
        await super.stop();
        await this.#lines.stop();
    }

    /** An answer of the Modbus nodes. Answers to nothing that is under way are late ones: ignored. */
    receiveModbus(message: ModbusMessage): void {
        this.#lines.answer(message);
    }

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        const { id } = instance;
        const device = new ModbusDevice(instance, {
            lines: this.#lines,
            tell,
            pointsOf: (described) => this.points(described, tell, (property) => parseVisitor(id, property)),
            closed: () => this.#devices.delete(id),
        });
        this.#devices.set(id, device);
        return device;
    }
}
