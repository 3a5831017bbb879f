// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { PropertyInstance } from "../mappers/device-instance.ts";
import { parseValue } from "../mappers/values.ts";
import type { TwinProperty } from "./records.ts";
import { bump } from "./updates.ts";

/**
 * Sets desired values again that a device has lost while it was away: when it comes online, the first reading of each
 * property is compared with what was set. Later changes made at the device itself are left alone.
 */
export class Reconciler {
    /** Properties looked at since the device came online. */
    readonly #checked = new Map<string, Set<string>>();

    stateSaid(device: string, state: string): void {
        const word = state.toLowerCase();
        if (word === "online" || word === "ok") this.#checked.set(device, this.#checked.get(device) ?? new Set());
        else this.#checked.delete(device);
    }

    forget(device: string): void {
        this.#checked.delete(device);
    }

    /** The twin with the desired value waiting to be written again; undefined when there is nothing to do. */
    check(
        device: string,
        property: PropertyInstance | undefined,
        twin: TwinProperty | undefined,
        nowMs: number,
    ): TwinProperty | undefined {
        const checked = this.#checked.get(device);
        if (checked === undefined || property === undefined || checked.has(property.name)) return undefined;
        checked.add(property.name);
        const { desired, actual } = twin ?? {};
        if (twin === undefined || desired === undefined || actual === undefined) return undefined;
        if (twin.pendingWrite !== undefined || twin.failed !== undefined) return undefined;
        if (isSameValue(property, desired, actual.value)) return undefined;
        const expected = { value: desired, timestamp: nowMs };
        return { ...twin, expected, expectedVersion: bump(twin.expectedVersion), pendingWrite: randomUUID() };
    }
}

function isSameValue(property: PropertyInstance, desired: string, actual: string): boolean {
    try {
        const [one, other] = [desired, actual].map((value) => parseValue(property.type, value, property.name));
        return isDeepStrictEqual(one, other);
    } catch {
        return desired === actual;
    }
}
