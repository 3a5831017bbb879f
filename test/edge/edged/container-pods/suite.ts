// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll } from "vitest";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import type { PodRuntime } from "../../../../src/edge/edged/runtimes/runtime.ts";
import { type FakeCloud, type Gateway, removeTempDirs, startGateway, until } from "../harness.ts";

export const POD = "default/pod/web";

/** A real engine, and how Edged is to speak to it. */
export interface EngineUnderTest {
    readonly image: string;
    runtime(rootDir: string): PodRuntime;
    /** Ids of everything in the engine, sandboxes too. */
    containers(): Promise<readonly string[]>;
    kill(): Promise<void>;
    start(): Promise<void>;
    stop(): Promise<void>;
    /** The OCI runtime that a container was started by. */
    runtimeOf(id: string): Promise<string>;
    /** Loads another image under that name. */
    addImage(name: string): Promise<void>;
}

/** The system's time, moved on by the test. */
export class MovedClock implements Clock {
    #movedMs = 0;
    readonly after = systemClock.after;

    move(ms: number): void {
        this.#movedMs += ms;
    }

    nowMs(): number {
        return systemClock.nowMs() + this.#movedMs;
    }

    monotonicMs(): number {
        return systemClock.monotonicMs() + this.#movedMs;
    }
}

/** What the tests of one engine share: gateways on it, and questions about the pod `POD`. */
export interface EngineSuite {
    readonly engine: EngineUnderTest;
    /** Started; stopped after the test. */
    gateway(more?: Partial<Parameters<typeof startGateway>[0]>): Promise<Gateway>;
    phaseIs(cloud: FakeCloud, phase: string): Promise<unknown>;
    logOf(gateway: Gateway, container?: string): Promise<string>;
    /** Deletes the pod and waits until it is gone. */
    end(cloud: FakeCloud): Promise<void>;
}

/** Makes the engine before the tests of the `describe` around it, and ends it after them. */
export function engineSuite(make: () => Promise<EngineUnderTest>): EngineSuite {
    let engine: EngineUnderTest;
    const running: Gateway[] = [];

    beforeAll(async () => {
        engine = await make();
    });
    afterAll(() => engine?.stop());
    afterEach(async () => {
        for (const each of running.splice(0)) await each.stop();
        await removeTempDirs();
    });

    async function gateway(more: Partial<Parameters<typeof startGateway>[0]> = {}): Promise<Gateway> {
        const started = await startGateway({ runtimes: (rootDir) => [engine.runtime(rootDir)], ...more });
        running.push(started);
        return started;
    }
    function phaseIs(cloud: FakeCloud, phase: string): Promise<unknown> {
        return until(() => cloud.status(POD)?.phase === phase || undefined, `${POD} ${phase}`);
    }
    async function logOf({ edged }: Gateway, container = "web"): Promise<string> {
        const worker = edged.pods.find("default", "web");
        const record = worker?.record?.containers.filter(({ name }) => name === container).at(-1);
        if (worker?.runtime === undefined || record === undefined) return "";
        const chunks: Buffer[] = [];
        for await (const { data } of worker.runtime.logs(record.id, {})) chunks.push(data);
        return Buffer.concat(chunks).toString("utf8");
    }
    async function end(cloud: FakeCloud): Promise<void> {
        cloud.deletePod(POD, 1);
        await until(() => !cloud.objects.has(POD) || undefined, "pod deleted");
    }

    return {
        get engine(): EngineUnderTest {
            return engine;
        },
        gateway,
        phaseIs,
        logOf,
        end,
    };
}
