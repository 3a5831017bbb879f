// SPDX-License-Identifier: Apache-2.0

const SUFFIX: Readonly<Record<string, number>> = {
    n: 1e-9,
    u: 1e-6,
    m: 1e-3,
    "": 1,
    k: 1e3,
    M: 1e6,
    G: 1e9,
    T: 1e12,
    P: 1e15,
    E: 1e18,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
    Pi: 2 ** 50,
    Ei: 2 ** 60,
};

/** A Kubernetes resource quantity as a number of base units ("100m" → 0.1, "64Mi" → 67108864); undefined when it is none. */
export function parseQuantity(text: string | number | undefined): number | undefined {
    if (text === undefined) return undefined;
    if (typeof text === "number") return text;
    const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(text.trim());
    const factor = SUFFIX[match?.[2] ?? "?"];
    const number = Number(match?.[1]);
    return factor === undefined || Number.isNaN(number) ? undefined : number * factor;
}

/** The value in thousandths, rounded up as Kubernetes does; what is no quantity counts 0. */
export function milli(quantity: string | number | undefined): number {
    return Math.ceil(Number(((parseQuantity(quantity) ?? 0) * 1000).toFixed(6)));
}
