// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { pod } from "../../test/edge/edged/harness.ts";
import { COMMAND, type Kind } from "./kinds.ts";

export interface EngineAlone {
    /** Makes one pod's sandbox and container and removes them; milliseconds to the process, undefined without an engine. */
    start(): Promise<number | undefined>;
    stop(): Promise<void>;
}

/** The engine's own share of a pod's start: its calls and nothing else, no API, no store, no volumes, no status. */
export async function engineAlone(kind: Kind): Promise<EngineAlone> {
    const { image } = kind;
    if (image === undefined) return { start: async () => undefined, stop: async () => {} };
    const dir = await mkdtemp(join(tmpdir(), "redge-bench-engine-"));
    const runtime = kind.runtime(dir, new MemoryStore());
    await runtime.start();
    const imageId = (await runtime.imageId(image)) ?? "";
    return {
        start: async () => {
            const alone = pod("alone", { containers: [{ name: "main", image }] });
            const [container] = alone.spec.containers;
            if (container === undefined) throw new Error("no container");
            const beganMs = Date.now();
            await runtime.ensureSandbox({ pod: alone, handler: "", hostname: "alone" });
            const made = await runtime.startContainer({
                pod: alone,
                container,
                kind: "container",
                handler: "",
                attempt: 0,
                hash: "",
                image,
                imageId,
                env: [],
                command: COMMAND,
                args: [],
                mounts: [],
                oomScoreAdj: 0,
            });
            const startedMs = made.state.phase === "running" ? made.state.startedMs - beganMs : Number.NaN;
            await runtime.stopContainer(made.id, 0);
            await runtime.removePod(alone.metadata.uid);
            return startedMs;
        },
        stop: async () => {
            await runtime.stop();
            await rm(dir, { recursive: true, force: true });
        },
    };
}
