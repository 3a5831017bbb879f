// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../../core/component.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { type Envelope, Operation } from "../../../envelope/envelope.ts";
import { type DeviceInstance, fingerprintOf } from "../device-instance.ts";
import { isRecord } from "../fields.ts";
import type { DeviceValue } from "../values.ts";
import {
    type DesiredWrite,
    type DeviceConfiguration,
    deviceIdOf,
    type MapperReport,
    mapperReport,
    queryDevices,
    WRITE,
} from "../wire.ts";
import { parseAddress } from "./address.ts";
import { encode } from "./codec.ts";
import type { ModbusMapperConfig } from "./config.ts";
import { LinePool } from "./line-pool.ts";
import { planReads } from "./plan.ts";
import { type ModbusPoint, parseVisitor } from "./visitor.ts";
import type { ModbusMessage, ModbusOutput } from "./wired-transport.ts";

interface Known {
    readonly fingerprint: string;
    readonly lineKey: string;
    readonly unit: number;
    readonly points: ReadonlyMap<string, ModbusPoint>;
}

export type ModbusMapperEvents = { modbus: [output: ModbusOutput, message: ModbusMessage] };

/**
 * Modbus as Device objects describe it: reads what they list, writes desired values, reports to DeviceTwin. Requests
 * leave by the `modbus` event as messages for node-red-contrib-modbus and come back by `receiveModbus`.
 */
export class ModbusMapper extends WireComponent<"devicetwin", ModbusMapperEvents> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: ModbusMapperConfig;
    readonly #ports: Ports;
    readonly #devices = new Map<string, Known>();
    readonly #lines: LinePool;
    #stopped = false;

    constructor(config: ModbusMapperConfig, ports: Ports) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#lines = new LinePool({
            clock: ports.clock,
            random: ports.random,
            lanes: config.lanes,
            send: (output, message) => this.emit("modbus", output, message),
            handlers: {
                values: (id, values, timestamp) => this.#values(id, values, timestamp),
                refused: (id, properties, reason) => this.#bad(id, properties, reason, undefined),
                state: (id, state, reason) => this.#state(id, state, reason),
                written: (id, { property, id: write, value }, error) =>
                    this.#tell(id, {
                        written: { [property]: { id: write, value, ...(error === undefined ? {} : { error }) } },
                    }),
            },
        });
    }

    async start(): Promise<void> {
        this.#showState();
        this.send("devicetwin", queryDevices());
    }

    async stop(): Promise<void> {
        if (this.#stopped) return;
        this.#stopped = true;
        await this.#lines.stop();
    }

    /** Devices and desired values from DeviceTwin. Devices of other protocols are passed over. */
    async receive({ route, content }: Envelope): Promise<void> {
        const id = deviceIdOf(route.resource);
        if (id === undefined) return;
        if (route.operation === Operation.delete) this.#remove(id);
        else if (route.operation === WRITE) this.#write(id, content as DesiredWrite);
        else if (isRecord(content) && isRecord(content["instance"]))
            this.#configure(content as unknown as DeviceConfiguration);
        else
            throw new RedgeError("REDGE_DEVICE_MESSAGE", {
                component: "the Modbus mapper",
                field: route.resource,
                reason: "has no instance",
            });
        this.#showState();
    }

    /** An answer of the Modbus nodes. Answers to nothing that is under way are late ones: ignored. */
    receiveModbus(message: ModbusMessage): void {
        this.#lines.answer(message);
    }

    #configure({ instance }: DeviceConfiguration): void {
        const { id } = instance;
        if (instance.protocol.protocolName.toLowerCase() !== this.#config.protocol.toLowerCase()) {
            this.#remove(id);
            return;
        }
        const fingerprint = fingerprintOf(instance);
        if (this.#devices.get(id)?.fingerprint === fingerprint) return;
        try {
            const { line, unit, timeoutMs } = parseAddress(instance);
            const points = this.#points(instance);
            const before = this.#devices.get(id);
            if (before !== undefined && before.lineKey !== line.key) this.#lines.remove(before.lineKey, id);
            this.#devices.set(id, { fingerprint, lineKey: line.key, unit, points });
            this.#lines.put(line, { device: id, unit, timeoutMs, blocks: planReads([...points.values()]) });
        } catch (thrown) {
            this.#remove(id);
            this.#ports.log.error(errorText(thrown), { device: id });
            this.#bad(
                id,
                instance.properties.map(({ name }) => name),
                errorText(thrown),
                "unhealthy",
            );
        }
    }

    /** A property that cannot be read is told as bad; the others of its device are read all the same. */
    #points(instance: DeviceInstance): Map<string, ModbusPoint> {
        const points = new Map<string, ModbusPoint>();
        for (const property of instance.properties) {
            try {
                points.set(property.name, parseVisitor(instance.id, property));
            } catch (thrown) {
                this.#ports.log.error(errorText(thrown), { device: instance.id, property: property.name });
                this.#bad(instance.id, [property.name], errorText(thrown), undefined);
            }
        }
        return points;
    }

    #write(id: string, { id: write, property, value }: DesiredWrite): void {
        const known = this.#devices.get(id);
        if (known === undefined) return;
        try {
            const point = known.points.get(property);
            if (point === undefined)
                throw new RedgeError("REDGE_MODBUS_VISITOR", {
                    device: id,
                    property,
                    field: "visitor",
                    reason: "is missing",
                });
            const request = encode(id, known.unit, point, value);
            this.#lines.write(known.lineKey, id, { id: write, property, value, request });
        } catch (thrown) {
            this.#tell(id, { written: { [property]: { id: write, value, error: errorText(thrown) } } });
        }
    }

    #remove(id: string): void {
        const known = this.#devices.get(id);
        if (known === undefined) return;
        this.#devices.delete(id);
        this.#lines.remove(known.lineKey, id);
    }

    #values(id: string, values: ReadonlyMap<string, DeviceValue>, timestamp: number): void {
        const reported = Object.fromEntries([...values].map(([name, value]) => [name, { value, timestamp }]));
        this.#tell(id, { reported });
    }

    #state(id: string, state: "online" | "offline", reason: string): void {
        if (state === "online") this.#tell(id, { state });
        else this.#bad(id, [...(this.#devices.get(id)?.points.keys() ?? [])], reason, state);
    }

    #bad(id: string, properties: readonly string[], reason: string, state: string | undefined): void {
        const bad = { value: null, quality: "bad" as const, reason };
        const reported = Object.fromEntries(properties.map((name) => [name, bad]));
        this.#tell(id, { reported, ...(state === undefined ? {} : { state }) });
    }

    #tell(id: string, report: MapperReport): void {
        if (!this.#stopped) this.send("devicetwin", mapperReport(id, report));
    }

    #showState(): void {
        const params = { devices: this.#devices.size, connections: this.#lines.size };
        this.report({ level: "ready", text: "mapping", params });
    }
}
