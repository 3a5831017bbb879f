// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import { tryProbe } from "../../../../src/edge/edged/probes/handlers.ts";
import { Prober } from "../../../../src/edge/edged/probes/prober.ts";
import type { ContainerRecord, PodRuntime } from "../../../../src/edge/edged/runtimes/runtime.ts";
import { freePorts } from "../../../support/free-ports.ts";
import { pod } from "../harness.ts";

const container = { name: "web", livenessProbe: { exec: { command: ["x"] }, periodSeconds: 1, failureThreshold: 3 } };
const record = (id: string): ContainerRecord =>
    ({ id, name: "web", state: { phase: "running", startedMs: 0 } }) as unknown as ContainerRecord;

it("tells every failure, kills once, and rests until the container is another one", async () => {
    const clock = new ManualClock();
    const told: string[] = [];
    const prober = new Prober({
        clock,
        random: () => 0,
        attempt: async () => "sick",
        changed: () => {},
        failed: (_, kind, message) => told.push(`${kind}: ${message}`),
        dead: (_, id, kind) => told.push(`${kind} kills ${id}`),
    });
    prober.follow(pod("web", {}), [{ container, record: record("one") }]);
    await clock.advance(10_000);
    expect(told).toEqual(["liveness: sick", "liveness: sick", "liveness: sick", "liveness kills one"]);
    prober.follow(pod("web", {}), [{ container, record: record("two") }]);
    await clock.advance(10_000);
    expect(told.slice(4)).toEqual(["liveness: sick", "liveness: sick", "liveness: sick", "liveness kills two"]);
    prober.stop();
});

it("says in the kubelet's words why a port does not answer", async () => {
    const [port = 0] = await freePorts(1);
    const target = { runtime: {} as PodRuntime, container: { name: "web" }, containerId: "c", host: "127.0.0.1" };
    expect(await tryProbe(target, { tcpSocket: { port } }, 1_000)).toBe(
        `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
    expect(await tryProbe(target, { httpGet: { port, path: "/health" } }, 1_000)).toBe(
        `Get "http://127.0.0.1:${port}/health": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
    expect(await tryProbe(target, { grpc: { port } }, 1_000)).toBe(
        `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
});
