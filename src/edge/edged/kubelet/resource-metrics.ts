// SPDX-License-Identifier: Apache-2.0
import type { Summary } from "./summary.ts";

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;

/** One value of a metric; `atMs` is when it was read, in milliseconds since the epoch. */
interface Point {
    readonly labels: Labels;
    readonly value: number;
    readonly atMs?: number;
}

/** The kubelet's /metrics/resource, which metrics-server reads: Prometheus text, CPU in seconds, memory in bytes. */
export function resourceMetrics({ node, pods }: Summary): string {
    const containers = pods.flatMap(({ podRef: { namespace, name: pod }, containers: all }) =>
        all.map((container) => ({ ...container, labels: { container: container.name, namespace, pod } })),
    );
    // Of a pod without a measured container nothing is known: silence, not zero.
    const measured = pods.filter(({ containers: { length } }) => length > 0);
    const ofPods = measured.map((pod) => ({
        ...pod,
        labels: { namespace: pod.podRef.namespace, pod: pod.podRef.name },
    }));
    const started = containers.map(({ labels, startTime }) => ({ labels, value: Date.parse(startTime) / 1000 }));
    return [
        counter("container_cpu_usage_seconds_total", "CPU time consumed by the container", containers.map(cpu)),
        gauge("container_memory_working_set_bytes", "Working set of the container", containers.map(memory)),
        gauge("container_start_time_seconds", "Start of the container since the epoch", started),
        counter("node_cpu_usage_seconds_total", "CPU time consumed by the node", [cpu({ ...node, labels: {} })]),
        gauge("node_memory_working_set_bytes", "Working set of the node", [memory({ ...node, labels: {} })]),
        counter("pod_cpu_usage_seconds_total", "CPU time consumed by the pod", ofPods.map(cpu)),
        gauge("pod_memory_working_set_bytes", "Working set of the pod", ofPods.map(memory)),
        gauge("resource_scrape_error", "1 if usage could not be read", [{ labels: {}, value: 0 }]),
    ].join("");
}

type Used = Pick<Summary["node"], "cpu" | "memory"> & { readonly labels: Labels };

function cpu({ labels, cpu: { usageCoreNanoSeconds, time } }: Used): Point {
    return { labels, value: usageCoreNanoSeconds / 1e9, atMs: Date.parse(time) };
}

function memory({ labels, memory: { workingSetBytes, time } }: Used): Point {
    return { labels, value: workingSetBytes, atMs: Date.parse(time) };
}

const counter = (name: string, help: string, points: readonly Point[]): string => metric(name, help, "counter", points);
const gauge = (name: string, help: string, points: readonly Point[]): string => metric(name, help, "gauge", points);

function metric(name: string, help: string, type: string, points: readonly Point[]): string {
    if (points.length === 0) return "";
    const lines = points.map(({ labels, value, atMs }) => {
        const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text.replace(/[\\"\n]/g, escaped)}"`);
        const series = pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
        return `${series} ${value}${atMs === undefined ? "" : ` ${atMs}`}\n`;
    });
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function escaped(character: string): string {
    return character === "\n" ? "\\n" : `\\${character}`;
}
