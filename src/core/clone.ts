// SPDX-License-Identifier: Apache-2.0

/** A deep copy, of what came out of JSON several times faster than structuredClone, which takes the rest. */
export function cloneJson<T>(value: T): T {
    return copy(value) as T;
}

function copy(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(copy);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return structuredClone(value);
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
        const inner = copy((value as Record<string, unknown>)[key]);
        // Plain assignment would call the setter of "__proto__".
        if (key === "__proto__")
            Object.defineProperty(result, key, { value: inner, enumerable: true, writable: true, configurable: true });
        else result[key] = inner;
    }
    return result;
}
