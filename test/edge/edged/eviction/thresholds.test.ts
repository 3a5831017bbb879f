// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { PressureGauge } from "../../../../src/edge/edged/eviction/pressure.ts";
import { rank } from "../../../../src/edge/edged/eviction/rank.ts";
import {
    crossed,
    DEFAULT_HARD,
    parseDuration,
    parseThresholds,
    type Readings,
} from "../../../../src/edge/edged/eviction/thresholds.ts";
import type { Pod } from "../../../../src/edge/edged/podspec/types.ts";
import { pod } from "../harness.ts";

const MIB = 2 ** 20;

describe("eviction thresholds", () => {
    it("are the kubelet's by default", () => {
        const all = parseThresholds(DEFAULT_HARD, "", "");
        const texts = all.map(({ signal, text, graceMs }) => `${signal}<${text}:${graceMs}`);
        expect(texts).toEqual([
            "memory.available<100Mi:0",
            "nodefs.available<10%:0",
            "nodefs.inodesFree<5%:0",
            "imagefs.available<15%:0",
            "imagefs.inodesFree<5%:0",
            "pid.available<1%:0",
        ]);
    });

    it("compare quantities and shares, and leave out what is not measured", () => {
        const all = parseThresholds("memory.available<100Mi, imagefs.available<15%", "", "");
        const at = (readings: Readings): string[] => crossed(all, readings).map(({ signal }) => signal);
        expect(at({ "memory.available": { available: 100 * MIB, capacity: 1000 * MIB } })).toEqual([]);
        expect(at({ "memory.available": { available: 100 * MIB - 1, capacity: 1000 * MIB } })).toEqual([
            "memory.available",
        ]);
        expect(at({ "imagefs.available": { available: 14, capacity: 100 } })).toEqual(["imagefs.available"]);
        expect(at({})).toEqual([]);
    });

    it("are off at 0", () => {
        expect(parseThresholds("memory.available<0%,pid.available<0", "", "")).toEqual([]);
    });

    it.each([
        ["memory<100Mi", "evictionHard"],
        ["memory.available", "evictionHard"],
        ["memory.available<lots", "evictionHard"],
        ["memory.available<120%", "evictionHard"],
        ["memory.available<1<2", "evictionHard"],
    ])("refuse %s", (hard, field) => {
        expect(() => parseThresholds(hard, "", "")).toThrowError(
            expect.objectContaining({ code: "REDGE_CONFIG_INVALID", details: expect.objectContaining({ field }) }),
        );
    });

    it("want a grace period for every soft one", () => {
        const [soft] = parseThresholds("", "memory.available<300Mi", "memory.available=1m30s");
        expect(soft?.graceMs).toBe(90_000);
        for (const graces of ["", "nodefs.available=1m", "memory.available=soon"]) {
            expect(() => parseThresholds("", "memory.available<300Mi", graces)).toThrowError(
                expect.objectContaining({ code: "REDGE_CONFIG_INVALID" }),
            );
        }
    });

    it("read Go's durations", () => {
        expect(["90s", "2m", "1h2m3s", "", "5", "-1s"].map(parseDuration)).toEqual([
            90_000,
            120_000,
            3_723_000,
            undefined,
            undefined,
            undefined,
        ]);
    });
});

describe("pressure over time", () => {
    const low: Readings = { "memory.available": { available: 10, capacity: 100 } };
    const fine: Readings = { "memory.available": { available: 90, capacity: 100 } };

    it("acts on a soft threshold only when it was crossed for the whole grace period without a break", () => {
        const gauge = new PressureGauge(parseThresholds("", "memory.available<20%", "memory.available=30s"), 0);
        expect(gauge.observe(low, 0)).toEqual([]);
        expect(gauge.observe(low, 29_999)).toEqual([]);
        expect(gauge.observe(fine, 30_000)).toEqual([]);
        expect(gauge.observe(low, 40_000)).toEqual([]);
        expect(gauge.pressures(40_000).size).toBe(0);
        expect(gauge.observe(low, 70_000)).toHaveLength(1);
        expect([...gauge.pressures(80_000)]).toEqual(["MemoryPressure"]);
    });

    it("keeps the condition for the transition period after the pressure went", () => {
        const gauge = new PressureGauge(parseThresholds("memory.available<20%", "", ""), 300_000);
        expect(gauge.observe(low, 0)).toHaveLength(1);
        expect(gauge.observe(fine, 10_000)).toEqual([]);
        expect([...gauge.pressures(299_999)]).toEqual(["MemoryPressure"]);
        expect([...gauge.pressures(300_000)]).toEqual([]);
    });
});

describe("the order of eviction", () => {
    function using(name: string, used: number, request: number | undefined, more: Partial<Pod["spec"]> = {}) {
        const resources = request === undefined ? {} : { resources: { requests: { memory: String(request) } } };
        return { owner: name, pod: pod(name, { containers: [{ name: "c", ...resources }], ...more }), used };
    }
    const order = (candidates: ReturnType<typeof using>[]): string[] =>
        rank(candidates, "memory").map(({ owner }) => owner);

    it("is: over its request, then lower priority, then furthest over it", () => {
        expect(
            order([
                using("within", 900, 1000),
                using("important", 500, undefined, { priority: 1000 }),
                using("best-effort", 300, undefined),
                using("a-bit-over", 1010, 1000),
            ]),
        ).toEqual(["best-effort", "a-bit-over", "important", "within"]);
    });

    it("never takes critical pods and those of the gateway's own folder", () => {
        const own = using("static", 999, undefined);
        own.pod.metadata.annotations = { "kubernetes.io/config.source": "file" };
        expect(
            order([own, using("critical", 999, undefined, { priority: 2_000_000_000 }), using("web", 1, 5)]),
        ).toEqual(["web"]);
    });
});
