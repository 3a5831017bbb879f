// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import type { Container, Pod } from "../podspec/types.ts";
import type { ContainerRecord, PodRecord, PodRuntime } from "../runtimes/runtime.ts";

const MAX_BYTES = 4096;
const FALLBACK = { bytes: 2048, lines: 80 } as const;

/** Why containers ended, in their own words: the termination message file, or the end of the log where that is asked for. */
export class ExitMessages {
    readonly all = new Map<string, string>();

    of(record: ContainerRecord): string | undefined {
        return this.all.get(record.id) ?? (record.state.phase === "exited" ? record.state.message : undefined);
    }

    async collect(runtime: PodRuntime, pod: Pod, record: PodRecord | undefined): Promise<void> {
        const exited = (record?.containers ?? []).filter(({ state }) => state.phase === "exited");
        for (const id of this.all.keys()) if (!exited.some((one) => one.id === id)) this.all.delete(id);
        for (const one of exited) {
            if (this.all.has(one.id)) continue;
            const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
            const container = containers.find(({ name }) => name === one.name);
            if (container !== undefined) this.all.set(one.id, await messageOf(runtime, container, one));
        }
    }
}

async function messageOf(runtime: PodRuntime, container: Container, record: ContainerRecord): Promise<string> {
    if (record.state.phase !== "exited") return "";
    if (record.terminationMessageFile !== undefined) {
        const text = await readFile(record.terminationMessageFile, "utf8").catch((thrown: NodeJS.ErrnoException) => {
            if (thrown.code === "ENOENT") return "";
            throw thrown;
        });
        if (text !== "") return text.slice(0, MAX_BYTES);
    }
    const fallback = container.terminationMessagePolicy === "FallbackToLogsOnError" && record.state.exitCode !== 0;
    if (!fallback) return record.state.message ?? "";
    const chunks: Buffer[] = [];
    for await (const { data } of runtime.logs(record.id, { tailLines: FALLBACK.lines })) chunks.push(data);
    return Buffer.concat(chunks).subarray(-FALLBACK.bytes).toString("utf8");
}
