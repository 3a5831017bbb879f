// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { parseConfig } from "../../../../src/core/config.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { type DmiConfig, DmiServer, dmiConfig } from "../../../../src/edge/mappers/dmi/index.ts";
import type { Envelope } from "../../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { type Harness, startTwin, thermo, thermoModel } from "../../devicetwin/harness.ts";
import { type Behaviour, startStockMapper } from "./stock-mapper.ts";

/** The device of these tests. */
export const ID = "default/thermo-1";

export function device(target: string | undefined, name = "thermo-1") {
    const given = thermo(target, name);
    return {
        ...given,
        spec: {
            ...given.spec,
            protocol: {
                protocolName: "thermo",
                configData: { port: "502", slaveID: 1, big: 16_777_217, deep: { a: 1 }, on: true },
            },
        },
    };
}

export async function twinWith(target?: string): Promise<Harness> {
    const harness = await startTwin();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", device(target));
    return harness;
}

export const twin = (harness: Harness, property: string) => harness.twin.records.get(ID)?.twin.get(property);
export const state = (harness: Harness) => harness.twin.records.get(ID)?.state;

/** Starts what one test needs, in a folder of its own, and ends it with the test. */
export class DmiRig {
    readonly cleanups: (() => Promise<void>)[] = [];
    folder = "";

    /** Call it once, where the tests are described. */
    static forEachTest(): DmiRig {
        const rig = new DmiRig();
        beforeEach(() => {
            rig.folder = mkdtempSync(join(tmpdir(), "redge-dmi-"));
        });
        afterEach(async () => {
            for (const cleanup of rig.cleanups.splice(0).reverse()) await cleanup();
            rmSync(rig.folder, { recursive: true, force: true });
        });
        return rig;
    }

    /** `connected` false: DeviceTwin does not hear what this one asks. */
    async start(harness: Harness, store = new MemoryStore(), config: Partial<DmiConfig> = {}, connected = true) {
        const dmi = new DmiServer(
            parseConfig<DmiConfig>(dmiConfig, {
                socketPath: join(this.folder, "dmi.sock"),
                livenessMs: 1000,
                ...config,
            }),
            { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random, store },
        );
        const off = harness.twin.on(
            "output",
            (output, envelope) => void (output === "mappers" && dmi.receive(envelope)),
        );
        const asked: Envelope[] = [];
        const answered = (envelope: Envelope): void => void harness.twin.receive(envelope).catch(() => {});
        dmi.on("output", (_output, envelope) => (connected ? answered(envelope) : asked.push(envelope)));
        await dmi.start();
        const stop = async (): Promise<void> => {
            off();
            await dmi.stop();
        };
        this.cleanups.push(stop);
        /** DeviceTwin hears now what it was asked. */
        const connect = (): void => asked.splice(0).forEach(answered);
        return { dmi, store, stop, connect };
    }

    async mapper(behaviour: Behaviour = {}) {
        const started = await startStockMapper(this.path("dmi.sock"), this.path("mapper.sock"), behaviour);
        this.cleanups.push(() => started.stop());
        return started;
    }

    path(name: string): string {
        return join(this.folder, name);
    }
}
