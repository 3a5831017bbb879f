// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance, PropertyInstance } from "../device-instance.ts";
import type { MappedDevice } from "../device-mapper.ts";
import { checkLimits } from "../values.ts";
import type { DesiredWrite, MapperReport, MethodRequest } from "../wire.ts";
import type { Generator } from "./generators.ts";

export interface VirtualPoint {
    readonly property: PropertyInstance;
    readonly generator: Generator;
}

export interface VirtualDeviceParts {
    readonly clock: Clock;
    readonly points: readonly VirtualPoint[];
    readonly methods: DeviceInstance["methods"];
    /** It never answers. */
    readonly offline: boolean;
    readonly tell: (report: MapperReport) => void;
}

/** A device that is only imagined: its properties are made up at their collect cycles, those of one cycle together. */
export class VirtualDevice implements MappedDevice {
    readonly #clock: Clock;
    readonly #points: readonly VirtualPoint[];
    readonly #methods: DeviceInstance["methods"];
    readonly #offline: boolean;
    readonly #tell: (report: MapperReport) => void;
    readonly #timers = new Map<number, Timer>();

    constructor({ clock, points, methods, offline, tell }: VirtualDeviceParts) {
        this.#clock = clock;
        this.#points = points;
        this.#methods = methods;
        this.#offline = offline;
        this.#tell = tell;
    }

    start(): this {
        if (this.#offline) {
            const reason = "offline is true in spec.protocol.configData";
            const bad = { value: null, quality: "bad" as const, reason };
            const reported = Object.fromEntries(this.#points.map(({ property }) => [property.name, bad]));
            this.#tell({ state: "offline", reported });
            return this;
        }
        this.#tell({ state: "online" });
        const cycles = new Set(this.#points.map(({ property }) => property.collectCycleMs));
        for (const cycleMs of cycles) this.#collect(cycleMs);
        return this;
    }

    async stop(): Promise<void> {
        for (const timer of this.#timers.values()) timer.cancel();
        this.#timers.clear();
    }

    /** A device that is offline answers nothing: the desired value waits, as it does for a real one. */
    write({ id, property: name, value }: DesiredWrite): void {
        if (this.#offline) return;
        const point = this.#points.find(({ property }) => property.name === name);
        try {
            if (point === undefined) throw new Error("the device has no such property, or it cannot be mapped");
            if (point.property.accessMode === "ReadOnly") throw new Error("the property can only be read");
            if (point.generator.set === undefined) throw new Error("the property's values are given by its generator");
            checkLimits(value, point.property, name);
            point.generator.set(value);
        } catch (thrown) {
            this.#tell({ written: { [name]: { id, value, error: errorText(thrown) } } });
            return;
        }
        this.#tell({ written: { [name]: { id, value } }, reported: this.#read([point]) });
    }

    /** What a method writes comes as writes; one that is given nothing to write is answered with what its properties read. */
    call({ id, method: name, params }: MethodRequest): void {
        if (this.#offline) return;
        const named = this.#methods.find((method) => method.name === name)?.propertyNames ?? [];
        if (named.length > 0 && Object.keys(params).length > 0) return;
        const points = this.#points.filter(({ property }) => named.length === 0 || named.includes(property.name));
        const read = Object.entries(this.#read(points)).map(([property, { value }]) => [property, value]);
        this.#tell({ called: { [id]: { result: Object.fromEntries(read) } } });
    }

    #collect(cycleMs: number): void {
        this.#tell({
            reported: this.#read(this.#points.filter(({ property }) => property.collectCycleMs === cycleMs)),
        });
        this.#timers.set(
            cycleMs,
            this.#clock.after(cycleMs, () => this.#collect(cycleMs)),
        );
    }

    #read(points: readonly VirtualPoint[]): NonNullable<MapperReport["reported"]> {
        const timestamp = this.#clock.nowMs();
        return Object.fromEntries(
            points.map(({ property, generator }) => [property.name, { value: generator.next(timestamp), timestamp }]),
        );
    }
}
