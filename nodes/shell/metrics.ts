// SPDX-License-Identifier: Apache-2.0
import * as prom from "prom-client";
import type { Metrics } from "../../src/core/metrics.ts";

/** Components' metrics in a prom-client registry. Asking twice for a name gives the same metric. */
export function promMetrics(registry: prom.Registry): Metrics {
    return {
        counter(name, help, labelNames = []) {
            const metric = once(registry, name, prom.Counter, { name, help, labelNames: [...labelNames] });
            return { add: (by = 1, labels = {}) => metric.inc({ ...labels }, by) };
        },
        gauge(name, help, labelNames = []) {
            const metric = once(registry, name, prom.Gauge, { name, help, labelNames: [...labelNames] });
            return { set: (value, labels = {}) => metric.set({ ...labels }, value) };
        },
        histogram(name, help, buckets, labelNames = []) {
            const options = { name, help, labelNames: [...labelNames], buckets: [...buckets] };
            const metric = once(registry, name, prom.Histogram, options);
            return { observe: (value, labels = {}) => metric.observe({ ...labels }, value) };
        },
    };
}

/** The registry that all nodes of this process count in. */
export const processRegistry: prom.Registry = prom.register;

function once<Metric, Options extends object>(
    registry: prom.Registry,
    name: string,
    kind: new (options: Options & { registers: prom.Registry[] }) => Metric,
    options: Options,
): Metric {
    const known: unknown = registry.getSingleMetric(name);
    return known instanceof kind ? known : new kind({ ...options, registers: [registry] });
}
