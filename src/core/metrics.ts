// SPDX-License-Identifier: Apache-2.0

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
    add(by?: number, labels?: Labels): void;
}

export interface Gauge {
    set(value: number, labels?: Labels): void;
}

export interface Histogram {
    observe(value: number, labels?: Labels): void;
}

/** Where components count. Names follow `redge_<component>_<what>_<unit>`; asking twice for a name gives the same one. */
export interface Metrics {
    counter(name: string, help: string, labelNames?: readonly string[]): Counter;
    gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
    histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): Histogram;
}

/** Counts nothing. */
export const noMetrics: Metrics = {
    counter: () => ({ add: () => {} }),
    gauge: () => ({ set: () => {} }),
    histogram: () => ({ observe: () => {} }),
};
