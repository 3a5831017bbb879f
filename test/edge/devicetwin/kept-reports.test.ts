// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { ComponentState } from "../../../src/core/component.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { roomForReports } from "../../../src/edge/devicetwin/kept-reports.ts";
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { ScanOptions } from "../../../src/store/store.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";
import { link } from "./thermo.ts";

const ALL = { offlinePolicy: "all" } as const;

async function introduce(harness: Harness, names: readonly string[]): Promise<void> {
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    for (const name of names) await harness.cloud("insert", `default/device/${name}`, thermo(undefined, name));
    await harness.confirmAll();
    await harness.twin.receive(link("disconnect"));
}

async function report(harness: Harness, name: string, from: number, to: number): Promise<void> {
    for (let value = from; value <= to; value += 1)
        await harness.twin.receive(mapperReport(`default/${name}`, { reported: { temperature: { value } } }));
}

/** The values that come when there is a link, by device. */
async function arriving(harness: Harness): Promise<Record<string, number[]>> {
    await harness.twin.receive(link("connect"));
    await harness.clock.advance(0);
    return keptValues(harness);
}

function keptValues(harness: Harness): Record<string, number[]> {
    const values: Record<string, number[]> = {};
    for (const { header, route, content } of harness.sent.edgehub) {
        if (header.type !== "keep-all") continue;
        const { twin } = content as { twin: { temperature: { actual: { value: string } } } };
        const name = route.resource.split("/")[2] ?? "";
        values[name] = [...(values[name] ?? []), Number(twin.temperature.actual.value)];
    }
    return values;
}

test("over the limit the longest queue loses its oldest, and status and log say so", async () => {
    const warnings: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (_text, fields) => void warnings.push(fields) };
    const harness = await startTwin({ ...ALL, keptReports: 10 }, new MemoryStore(), log);
    const states: ComponentState[] = [];
    harness.twin.on("state", (state) => states.push(state));
    await introduce(harness, ["often", "seldom"]);
    await report(harness, "often", 1, 9);
    await report(harness, "seldom", 1, 1);
    await harness.clock.advance(1000);
    expect(states.at(-1)).toMatchObject({ level: "ready", text: "devices" });
    await report(harness, "seldom", 2, 3);
    await report(harness, "often", 10, 12);
    await harness.clock.advance(1000);
    expect(states.at(-1)).toMatchObject({ level: "busy", text: "givenUp", params: { count: 2, givenUp: 5 } });
    expect(warnings).toEqual([{ givenUp: 5, kept: 10, limit: 10 }]);
    await report(harness, "often", 13, 13);
    await harness.clock.advance(1000);
    expect(states.at(-1)).toMatchObject({ params: { givenUp: 6 } });
    expect(warnings.length).toBe(1);
    await harness.clock.advance(60_000);
    await report(harness, "often", 14, 14);
    await harness.clock.advance(1000);
    expect(warnings.at(-1)).toEqual({ givenUp: 7, kept: 10, limit: 10 });
    expect(await arriving(harness)).toEqual({ seldom: [1, 2, 3], often: [8, 9, 10, 11, 12, 13, 14] });
});

test("a start looks at the ends of the queues alone, and counts what is between", async () => {
    let read = 0;
    class WatchedStore extends MemoryStore {
        override async scan<T = unknown>(prefix: string, options?: ScanOptions) {
            const found = await super.scan<T>(prefix, options);
            if (prefix.includes("/report/")) read += found.length;
            return found;
        }
    }
    const store = new WatchedStore();
    const names = ["a", "a-b", "b"];
    const harness = await startTwin({ ...ALL, keptReports: 300 }, store);
    await introduce(harness, names);
    for (const name of names) await report(harness, name, 1, 100);
    await harness.twin.stop();
    read = 0;
    const again = await startTwin({ ...ALL, keptReports: 300 }, store);
    expect(read).toBeLessThanOrEqual(2 * names.length);
    await again.twin.receive(link("disconnect"));
    await report(again, "a-b", 101, 101);
    const values = await arriving(again);
    expect(Object.fromEntries(names.map((name) => [name, [values[name]?.[0], values[name]?.at(-1)]]))).toEqual({
        a: [1, 100],
        "a-b": [2, 101],
        b: [1, 100],
    });
});

/** What went to the cloud beside kept reports: the present values of devices. */
function presentOf(harness: Harness): Record<string, number> {
    const values: Record<string, number> = {};
    for (const { header, route, content } of harness.sent.edgehub) {
        const { present } = content as { present?: { temperature: { actual: { value: string } } } };
        if (header.type === "keep-all" || present === undefined) continue;
        values[route.resource.split("/")[2] ?? ""] = Number(present.temperature.actual.value);
    }
    return values;
}

const toRedge = (): Envelope => ({ ...link("connect"), content: { peer: "redge" } });

test("while a device's reports wait for their turn the cloud is told what is present; the reports come all the same", async () => {
    const harness = await startTwin(ALL);
    const names = Array.from({ length: 10 }, (_, index) => `d${index}`);
    await introduce(harness, names);
    for (const name of names) await report(harness, name, 1, 500);
    harness.take("edgehub");
    await harness.twin.receive(toRedge());
    await harness.clock.advance(0);
    // Eight queues are on their way whole.
    expect(presentOf(harness)).toEqual({ d8: 500, d9: 500 });
    await report(harness, "d9", 501, 501);
    expect(presentOf(harness)["d9"]).toBe(500);
    const arrived: Record<string, number[]> = {};
    const presents: number[] = [];
    while (Object.values(arrived).flat().length < 5001) {
        await harness.clock.advance(0);
        const values = keptValues(harness);
        presents.push(presentOf(harness)["d9"] ?? 0);
        expect(harness.sent.edgehub.length).toBeGreaterThan(0);
        for (const name of Object.keys(values)) arrived[name] = [...(arrived[name] ?? []), ...(values[name] ?? [])];
        await harness.confirmAll();
    }
    expect(presents.slice(0, 2)).toEqual([500, 501]);
    for (const name of names)
        expect(arrived[name]).toEqual(Array.from({ length: name === "d9" ? 501 : 500 }, (_, index) => index + 1));
    // Nobody is behind any more.
    harness.take("edgehub");
    await report(harness, "d9", 502, 502);
    await harness.clock.advance(0);
    expect([keptValues(harness), presentOf(harness)]).toEqual([{ d9: [502] }, {}]);
});

test("a cloud of KubeEdge, which would take it for a report, is told no present value", async () => {
    const harness = await startTwin(ALL);
    await introduce(harness, ["a"]);
    await report(harness, "a", 1, 1000);
    await harness.twin.receive({ ...link("connect"), content: { peer: "kubeedge" } });
    await harness.clock.advance(0);
    expect(presentOf(harness)).toEqual({});
    expect(keptValues(harness)["a"]?.length).toBe(512);
});

test("what was confirmed leaves the disk though the devices have become silent", async () => {
    const harness = await startTwin(ALL);
    await introduce(harness, ["a"]);
    await report(harness, "a", 1, 100);
    const onDisk = async () => (await harness.store.scan("devicetwin/report/")).length;
    expect(await onDisk()).toBe(100);
    await harness.twin.receive(link("connect"));
    await harness.clock.advance(0);
    await harness.confirmAll();
    await harness.clock.advance(1000);
    expect(await onDisk()).toBe(0);
});

test("unless it is told, half of the memory that the process may have is for kept reports", () => {
    expect(roomForReports(256 * 2 ** 20)).toBe(131_072);
    expect(roomForReports(64 * 2 ** 30)).toBe(1_000_000);
});
