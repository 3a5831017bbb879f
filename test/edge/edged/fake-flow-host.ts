// SPDX-License-Identifier: Apache-2.0
import type { FlowHost, FlowHostListener, FlowUnit } from "../../../src/edge/edged/index.ts";

/** A flow host in memory: remembers what it was told to run. */
export class FakeFlowHost implements FlowHost {
    readonly handler = "node-red";
    readonly units = new Map<string, FlowUnit>();
    readonly deploys: FlowUnit[] = [];
    listener: FlowHostListener | undefined;
    down: string | undefined;
    /** What each pod's flow uses, by pod name. */
    readonly memoryBytes = new Map<string, number>();

    async start(listener: FlowHostListener): Promise<void> {
        this.listener = listener;
    }

    async stop(): Promise<void> {
        this.units.clear();
    }

    problem(): string | undefined {
        return this.down;
    }

    version(): string {
        return "5.0.7";
    }

    async deploy(unit: FlowUnit): Promise<void> {
        this.units.set(unit.id, unit);
        this.deploys.push(unit);
    }

    async remove(unitId: string): Promise<void> {
        this.units.delete(unitId);
    }

    async usage(unitId: string): Promise<{ cpuNanoseconds: number; memoryBytes: number } | undefined> {
        const memoryBytes = this.memoryBytes.get(this.units.get(unitId)?.pod ?? "");
        return memoryBytes === undefined ? undefined : { cpuNanoseconds: 1_500_000_000, memoryBytes };
    }
}
