// SPDX-License-Identifier: Apache-2.0
import type { DeviceInstance } from "../device-instance.ts";
import { formatValue } from "../values.ts";
import type { DesiredWrite } from "../wire.ts";

interface CalledValue {
    readonly value: string;
    /** What the Device desired when the method was called. */
    readonly over: string | undefined;
}

/**
 * DMI knows no methods: what a call writes is told to the mapper as a desired value, until the Device itself desires
 * another one.
 */
export class CalledValues {
    readonly #devices = new Map<string, Map<string, CalledValue>>();

    /** `instance` as it came from DeviceTwin. */
    put(instance: DeviceInstance, { property, value }: DesiredWrite): void {
        const values = this.#devices.get(instance.id) ?? new Map<string, CalledValue>();
        const over = instance.properties.find(({ name }) => name === property)?.desired?.value;
        values.set(property, { value: formatValue(value), over });
        this.#devices.set(instance.id, values);
    }

    /** The instance with the called values as desired ones. */
    over(instance: DeviceInstance): DeviceInstance {
        const values = this.#devices.get(instance.id);
        if (values === undefined) return instance;
        const properties = instance.properties.map((property) => {
            const called = values.get(property.name);
            if (called === undefined) return property;
            if (called.over === property.desired?.value)
                return { ...property, desired: { value: called.value, metadata: property.desired?.metadata ?? {} } };
            values.delete(property.name);
            return property;
        });
        return { ...instance, properties };
    }

    forget(id: string): void {
        this.#devices.delete(id);
    }
}
