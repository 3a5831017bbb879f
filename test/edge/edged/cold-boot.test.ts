// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { FlowRuntime, type PodRuntime } from "../../../src/edge/edged/index.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";
import {
    configMap,
    flowPod,
    type Gateway,
    removeTempDirs,
    startGateway,
    tempDir,
    testPorts,
    until,
} from "./harness.ts";

const PODS = 20;
const DAY_MS = 24 * 3_600_000;
const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);
const TOKEN = "volumes/token/token";
const running: Gateway[] = [];

afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
    await removeTempDirs();
});

/** A flow pod that also mounts a service account token, as the API server makes them. */
function podWithToken(name: string): ReturnType<typeof flowPod> {
    const made = flowPod(name);
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }];
    return {
        ...made,
        spec: { ...made.spec, volumes: [...(made.spec.volumes ?? []), { name: "token", projected: { sources } }] },
    };
}

it.each([0, 400])("boots %i days later without a cloud and has all its pods again", async (days) => {
    const later: Clock = { ...systemClock, nowMs: () => Date.now() + days * DAY_MS };
    const store = new MemoryStore();
    const rootDir = await tempDir();
    const on =
        (host: FakeFlowHost) =>
        (dir: string, from: DocumentStore): PodRuntime[] => [
            new FlowRuntime({ ...testPorts, store: from, host, logDir: join(dir, "logs") }),
        ];
    const first = await startGateway({ runtimes: on(new FakeFlowHost()), store, rootDir });
    running.push(first);
    const names = Array.from({ length: PODS }, (_, index) => `pod-${index}`);
    for (const name of names) {
        first.cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": FLOW }));
        first.cloud.apply(`default/pod/${name}`, podWithToken(name));
    }
    await until(
        () => names.every((name) => first.cloud.status(`default/pod/${name}`)?.phase === "Running") || undefined,
        "all run",
    );
    const uid = first.cloud.objects.get("default/pod/pod-7")?.metadata.uid ?? "";
    const token = await readFile(join(rootDir, "pods", uid, TOKEN), "utf8");
    await first.stop();

    const host = new FakeFlowHost();
    const beganMs = performance.now();
    const second = await startGateway({ runtimes: on(host), store, rootDir, link: false, clock: later });
    running.push(second);
    await until(() => host.units.size === PODS || undefined, "all run again");
    console.log(
        `${PODS} pods Running ${Math.round(performance.now() - beganMs)} ms after a cold boot without a link, ${days} days later`,
    );
    const statuses = second.edged.pods.workers.flatMap(({ pod: { status } }) => status?.containerStatuses ?? []);
    expect(statuses).toHaveLength(PODS);
    expect(statuses.every(({ restartCount }) => restartCount === 0)).toBe(true);
    expect(await readFile(join(rootDir, "pods", uid, TOKEN), "utf8")).toBe(token);
});
