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
const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/;

/** The value of a resource.Quantity in thousandths, rounded up as Kubernetes does; what is no quantity counts 0. */
export function milli(quantity: string | number | undefined): number {
    if (quantity === undefined) return 0;
    const match = QUANTITY.exec(String(quantity));
    if (match === null) return 0;
    const value = Number(match[1]) * (SUFFIX[match[2] ?? ""] ?? 1) * 1000;
    return Math.ceil(Number(value.toFixed(6)));
}
