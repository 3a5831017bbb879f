// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance } from "../device-instance.ts";
import type { MappedDevice } from "../device-mapper.ts";
import type { DeviceValue } from "../values.ts";
import type { DesiredWrite, MapperReport } from "../wire.ts";
import { parseAddress } from "./address.ts";
import { encode } from "./codec.ts";
import type { LinePool } from "./line-pool.ts";
import { planReads } from "./plan.ts";
import type { WriteJob } from "./slave.ts";
import type { ModbusPoint } from "./visitor.ts";

export interface ModbusDeviceParts {
    readonly lines: LinePool;
    readonly tell: (report: MapperReport) => void;
    /** The properties that can be read, as the Device says; the others are told as bad. */
    readonly pointsOf: (instance: DeviceInstance) => readonly ModbusPoint[];
    readonly closed: () => void;
}

/** One slave on its line. */
export class ModbusDevice implements MappedDevice {
    readonly #parts: ModbusDeviceParts;
    readonly #id: string;
    readonly #lineKey: string;
    #unit = 0;
    #points: ReadonlyMap<string, ModbusPoint> = new Map();

    /** @throws REDGE_MODBUS_CONNECTION */
    constructor(instance: DeviceInstance, parts: ModbusDeviceParts) {
        this.#parts = parts;
        this.#id = instance.id;
        this.#lineKey = parseAddress(instance).line.key;
        this.change(instance);
    }

    /** On the same line it goes on where it is, with its pauses and what it still has to write. */
    change(instance: DeviceInstance): boolean {
        const { line, unit, timeoutMs } = parseAddress(instance);
        if (line.key !== this.#lineKey) return false;
        const points = this.#parts.pointsOf(instance);
        this.#unit = unit;
        this.#points = new Map(points.map((point) => [point.property.name, point]));
        this.#parts.lines.put(line, { device: this.#id, unit, timeoutMs, blocks: planReads([...points]) });
        return true;
    }

    async stop(): Promise<void> {
        this.#parts.closed();
        await this.#parts.lines.remove(this.#lineKey, this.#id);
    }

    write({ id: write, property, value }: DesiredWrite): void {
        try {
            const point = this.#points.get(property);
            if (point === undefined)
                throw new RedgeError("REDGE_MODBUS_VISITOR", {
                    device: this.#id,
                    property,
                    field: "visitor",
                    reason: "is missing",
                });
            const request = encode(this.#id, this.#unit, point, value);
            this.#parts.lines.write(this.#lineKey, this.#id, { id: write, property, value, request });
        } catch (thrown) {
            this.#parts.tell({ written: { [property]: { id: write, value, error: errorText(thrown) } } });
        }
    }

    values(values: ReadonlyMap<string, DeviceValue>, timestamp: number): void {
        const reported = Object.fromEntries([...values].map(([name, value]) => [name, { value, timestamp }]));
        this.#parts.tell({ reported });
    }

    refused(properties: readonly string[], reason: string): void {
        this.#parts.tell({ reported: bad(properties, reason) });
    }

    state(state: "online" | "offline", reason: string): void {
        if (state === "online") this.#parts.tell({ state });
        else this.#parts.tell({ state, reported: bad([...this.#points.keys()], reason) });
    }

    written({ property, id, value }: WriteJob, error: string | undefined): void {
        this.#parts.tell({ written: { [property]: { id, value, ...(error === undefined ? {} : { error }) } } });
    }
}

function bad(properties: readonly string[], reason: string): NonNullable<MapperReport["reported"]> {
    return Object.fromEntries(properties.map((name) => [name, { value: null, quality: "bad" as const, reason }]));
}
