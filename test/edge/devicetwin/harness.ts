// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseConfig } from "../../../src/core/config.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import {
    DeviceTwin,
    type DeviceTwinConfig,
    type DeviceTwinOutput,
    deviceTwinConfig,
} from "../../../src/edge/devicetwin/index.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";

export const recordings = resolve(import.meta.dirname, "../../../../shared/fixtures/kubeedge-wire");

export interface Recorded {
    readonly dir: "cloud->edge" | "edge->cloud";
    readonly envelope: Envelope;
}

/** The WebSocket messages of a recording, in order, as envelopes. */
export function recording(name: string): Recorded[] {
    const lines = readFileSync(resolve(recordings, `${name}.jsonl`), "utf8")
        .split("\n")
        .filter(Boolean);
    return lines.flatMap((line) => {
        const { dir, msg } = JSON.parse(line) as {
            dir: Recorded["dir"];
            msg?: { header: Envelope["header"]; route: Envelope["route"]; content: { value: unknown } | null };
        };
        if (msg === undefined) return [];
        return [{ dir, envelope: { header: msg.header, route: msg.route, content: msg.content?.value ?? null } }];
    });
}

export interface Harness {
    readonly twin: DeviceTwin;
    readonly clock: ManualClock;
    readonly store: DocumentStore;
    readonly sent: Record<DeviceTwinOutput, Envelope[]>;
    /** What was sent by an output since the last call. */
    take(output: DeviceTwinOutput): Envelope[];
    mqtt(topic: string, document: unknown): Promise<void>;
    cloud(operation: string, resource: string, content: unknown, group?: string): Promise<Envelope>;
    confirmAll(): Promise<void>;
}

export async function startTwin(
    config: Partial<DeviceTwinConfig> = {},
    store: DocumentStore = new MemoryStore(),
    log: Logger = silentLogger,
) {
    const clock = new ManualClock();
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, config), {
        clock,
        store,
        log,
        metrics: noMetrics,
        random: () => 0.5,
    });
    const sent: Harness["sent"] = { edgehub: [], eventbus: [], mappers: [] };
    twin.on("output", (output, envelope) => sent[output].push(envelope));
    await twin.start();
    const harness: Harness = {
        twin,
        clock,
        store,
        sent,
        take: (output) => sent[output].splice(0),
        mqtt: (topic, document) =>
            twin.receive(
                newEnvelope({
                    route: { source: "bus", group: "user", operation: "response", resource: topic },
                    content: document,
                }),
            ),
        cloud: async (operation, resource, content, group = "resource") => {
            const envelope = newEnvelope({
                route: { source: "devicecontroller", group, operation, resource },
                content,
            });
            await twin.receive(envelope);
            return envelope;
        },
        confirmAll: async () => {
            for (const { header, route } of sent.edgehub.splice(0)) {
                if (route.operation !== "update") continue;
                await twin.receive(
                    newEnvelope({
                        route: { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" },
                        content: "OK",
                        parentId: header.msg_id,
                    }),
                );
            }
        },
    };
    return harness;
}

export const thermoModel = {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "DeviceModel",
    metadata: { name: "thermo-model", namespace: "default" },
    spec: {
        protocol: "modbus",
        properties: [
            { name: "temperature", type: "FLOAT", accessMode: "ReadOnly", unit: "degC" },
            { name: "target", type: "INT", accessMode: "ReadWrite", minimum: "0", maximum: "100" },
        ],
    },
};

export function thermo(target: string | undefined, name = "thermo-1") {
    return {
        apiVersion: "devices.kubeedge.io/v1beta1",
        kind: "Device",
        metadata: { name, namespace: "default" },
        spec: {
            deviceModelRef: { name: "thermo-model" },
            nodeName: "edge",
            protocol: { protocolName: "modbus", configData: { ip: "127.0.0.1", port: "1502", slaveID: 1 } },
            properties: [
                { name: "temperature", visitors: { protocolName: "modbus", configData: { offset: 0 } } },
                {
                    name: "target",
                    ...(target === undefined ? {} : { desired: { value: target } }),
                    visitors: { protocolName: "modbus", configData: { offset: 1 } },
                },
            ],
        },
    };
}
