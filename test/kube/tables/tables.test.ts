// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { compileJsonPath } from "../../../src/kube/tables/json-path.ts";
import { podColumns, podPhase } from "../../../src/kube/tables/pods.ts";
import { humanDuration } from "../../../src/kube/tables/table.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

describe("ages", () => {
    it.each([
        [0, "0s"],
        [-900, "0s"],
        [-5000, "<invalid>"],
        [119_000, "119s"],
        [120_000, "2m"],
        [195_000, "3m15s"],
        [600_000, "10m"],
        [179 * 60_000, "179m"],
        [3 * 3_600_000, "3h"],
        [7.5 * 3_600_000, "7h30m"],
        [8.5 * 3_600_000, "8h"],
        [47 * 3_600_000, "47h"],
        [50 * 3_600_000, "2d2h"],
        [10 * 86_400_000, "10d"],
        [729 * 86_400_000, "729d"],
        [800 * 86_400_000, "2y70d"],
        [9 * 365 * 86_400_000, "9y"],
    ])("%d ms is %s", (ms, text) => {
        expect(humanDuration(ms)).toBe(text);
    });
});

describe("pod status", () => {
    const phase = (
        status: Record<string, unknown>,
        metadata: Record<string, unknown> = {},
        spec: Record<string, unknown> = {},
    ): string =>
        podPhase({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", ...metadata }, spec, status } as KubeObject);

    it.each([
        ["the phase", { phase: "Pending" }, "Pending"],
        ["the reason", { phase: "Failed", reason: "Evicted" }, "Evicted"],
        [
            "why a container waits",
            { phase: "Running", containerStatuses: [{ state: { waiting: { reason: "CrashLoopBackOff" } } }] },
            "CrashLoopBackOff",
        ],
        [
            "how it ended",
            { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] },
            "ExitCode:3",
        ],
        [
            "the signal",
            { phase: "Failed", containerStatuses: [{ state: { terminated: { signal: 9, exitCode: 137 } } }] },
            "Signal:9",
        ],
        [
            "Running beside a completed container",
            {
                phase: "Running",
                conditions: [{ type: "Ready", status: "True" }],
                containerStatuses: [
                    { state: { terminated: { reason: "Completed" } } },
                    { ready: true, state: { running: {} } },
                ],
            },
            "Running",
        ],
        [
            "NotReady beside one",
            {
                phase: "Running",
                containerStatuses: [
                    { state: { terminated: { reason: "Completed" } } },
                    { ready: true, state: { running: {} } },
                ],
            },
            "NotReady",
        ],
    ])("shows %s", (_title, status, expected) => {
        expect(phase(status)).toBe(expected);
    });

    it("counts init containers and shows deletion", () => {
        const spec = { initContainers: [{ name: "a" }, { name: "b" }] };
        const status = {
            phase: "Pending",
            initContainerStatuses: [
                { name: "a", state: { terminated: { exitCode: 0 } } },
                { name: "b", state: { running: {} } },
            ],
        };
        expect(phase(status, {}, spec)).toBe("Init:1/2");
        expect(phase({ phase: "Running" }, { deletionTimestamp: "2026-01-01T00:00:00Z" })).toBe("Terminating");
    });
});

describe("printer column paths", () => {
    const value = {
        spec: {
            "a.b": 1,
            list: [
                { type: "Ready", status: "True" },
                { type: "Idle", status: "False" },
            ],
        },
    };
    it.each([
        [".spec.list[0].type", ["Ready"]],
        [".spec.list[-1].type", ["Idle"]],
        [".spec.list[*].type", ["Ready", "Idle"]],
        ['.spec.list[?(@.type=="Idle")].status', ["False"]],
        [".spec.list[?(@.type!='Idle')].status", ["True"]],
        [".spec['a.b']", [1]],
        [".spec.a\\.b", [1]],
        [".spec.none.deeper", []],
        [".constructor", []],
    ])("%s", (path, expected) => {
        expect(compileJsonPath(path)(value)).toEqual(expected);
    });
});

describe("columns of a pod with init containers and a sidecar", () => {
    const spec = {
        initContainers: [{ name: "i" }, { name: "side", restartPolicy: "Always" }],
        containers: [{ name: "c" }],
    };
    const ended = { terminated: { exitCode: 1, reason: "Error", finishedAt: "2026-01-01T00:00:10Z" } };
    const up = { ready: true, started: true, state: { running: {} } };
    const row = (status: Record<string, unknown>, metadata: Record<string, unknown> = {}): unknown[] =>
        podColumns
            .slice(1, 4)
            .map(({ value }) =>
                value(
                    { apiVersion: "v1", kind: "Pod", metadata: { name: "p", ...metadata }, spec, status } as KubeObject,
                    Date.parse("2026-01-01T00:00:15Z"),
                ),
            );

    it("counts the restarts of an init container as long as it is the one that runs", () => {
        const waiting = { waiting: { reason: "CrashLoopBackOff" } };
        const status = {
            phase: "Pending",
            conditions: [{ type: "Initialized", status: "False" }],
            initContainerStatuses: [{ name: "i", restartCount: 3, state: waiting, lastState: ended }, { name: "side" }],
            containerStatuses: [{ name: "c", state: { waiting: { reason: "PodInitializing" } } }],
        };
        expect(row(status)).toEqual(["0/2", "Init:CrashLoopBackOff", "3 (5s ago)"]);
    });

    it("counts a sidecar as the container it is", () => {
        const done = { name: "i", restartCount: 3, ready: true, state: { terminated: { exitCode: 0 } } };
        const status = {
            phase: "Running",
            conditions: [{ type: "Initialized", status: "True" }],
            initContainerStatuses: [done, { name: "side", restartCount: 1, lastState: ended, ...up }],
            containerStatuses: [{ name: "c", restartCount: 2, ...up }],
        };
        expect(row(status)).toEqual(["2/2", "Running", "3 (5s ago)"]);
    });

    it("shows how a pod ended though it is being deleted", () => {
        const status = { phase: "Failed", reason: "Evicted" };
        expect(row(status, { deletionTimestamp: "2026-01-01T00:00:00Z" })[1]).toBe("Evicted");
        expect(row({ phase: "Running" }, { deletionTimestamp: "2026-01-01T00:00:00Z" })[1]).toBe("Terminating");
    });
});
