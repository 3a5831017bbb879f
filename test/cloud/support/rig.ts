// SPDX-License-Identifier: Apache-2.0
import { DeviceController, deviceControllerConfig } from "../../../src/cloud/devicecontroller/index.ts";
import { EdgeController, edgeControllerConfig } from "../../../src/cloud/edgecontroller/index.ts";
import type { Ports } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import { MemoryCluster } from "./memory-cluster.ts";

export const NODE = "edge-1";

/** One controller on a memory cluster and a manual clock, with everything it sends. */
export class Rig<C extends EdgeController | DeviceController> {
    readonly cluster: MemoryCluster;
    readonly clock: ManualClock;
    readonly controller: C;
    readonly sent: Envelope[] = [];

    constructor(make: (ports: Ports & { cluster: MemoryCluster }) => C, cluster = new MemoryCluster()) {
        this.cluster = cluster;
        this.clock = new ManualClock(Date.UTC(2026, 10, 22, 14, 20));
        const { clock } = this;
        this.controller = make({ clock, log: silentLogger, metrics: noMetrics, random: () => 0, cluster });
        this.controller.on("output", (_, envelope) => this.sent.push(envelope));
    }

    async start(): Promise<this> {
        await this.controller.start();
        await this.settle();
        return this;
    }

    async connect(node = NODE): Promise<void> {
        await this.controller.receive(this.message("connect", `node/${node}`, null, { node }));
        await this.settle();
    }

    /** Sends a message up and answers what came of it. */
    async up(
        operation: string,
        resource: string,
        content: unknown = null,
        extra: { node?: string; sync?: boolean } = {},
    ) {
        const message = this.message(operation, resource, content, extra);
        const error = await this.controller.receive(message).then(
            () => undefined,
            (thrown: unknown) => thrown,
        );
        await this.settle();
        const reply = this.sent.find((sent) => sent.header.parent_msg_id === message.header.msg_id);
        return { message, reply, error };
    }

    message(operation: string, resource: string, content: unknown, { node = NODE, sync = false } = {}): Envelope {
        const envelope = newEnvelope({ route: { source: "edged", group: "meta", operation, resource }, content, node });
        return sync ? { ...envelope, header: { ...envelope.header, sync } } : envelope;
    }

    /** What was sent since the last call, as "operation resource". */
    take(): string[] {
        return this.sent.splice(0).map(({ route }) => `${route.operation} ${route.resource}`);
    }

    settle(byMs = 0): Promise<void> {
        return this.clock.advance(byMs);
    }
}

export function edgeRig(config: Record<string, unknown> = {}, cluster?: MemoryCluster): Rig<EdgeController> {
    return new Rig((ports) => new EdgeController(parseConfig(edgeControllerConfig, config), ports), cluster);
}

export function deviceRig(config: Record<string, unknown> = {}, cluster?: MemoryCluster): Rig<DeviceController> {
    return new Rig((ports) => new DeviceController(parseConfig(deviceControllerConfig, config), ports), cluster);
}
