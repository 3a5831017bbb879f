// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { ComponentState } from "../../../src/core/component.ts";
import { createLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import type { DeviceInstance } from "../../../src/edge/mappers/device-instance.ts";
import { DeviceMapper, type MappedDevice } from "../../../src/edge/mappers/device-mapper.ts";
import { type DeviceConfiguration, deviceResource, type MapperReport } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";

/** A mapper whose devices say what the test has them say. */
class SayingMapper extends DeviceMapper {
    readonly tell = new Map<string, (report: MapperReport) => void>();

    protected open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice {
        if (instance.protocol.configData["address"] === undefined) throw new Error("it has no address");
        this.tell.set(instance.id, tell);
        return { write: () => {}, stop: async () => {} };
    }
}

async function startMapper() {
    const clock = new ManualClock();
    const lines: string[] = [];
    const log = createLogger((level, text, { device }) => lines.push(`${level} ${device}: ${text}`));
    const mapper = new SayingMapper("saying", { clock, log, metrics: noMetrics, random: () => 0.5 });
    let state: ComponentState | undefined;
    mapper.on("state", (now) => {
        state = now;
    });
    await mapper.start();
    const send = (id: string, operation: string, content: Partial<DeviceConfiguration> = {}) =>
        mapper.receive(newEnvelope({ route: { operation, resource: deviceResource(id) }, content }));
    const put = (id: string, configData: Record<string, unknown>) =>
        send(id, "update", {
            instance: {
                ...{ id, namespace: "default", name: id.slice(8), methods: [], stateReport: {} },
                protocol: { protocolName: "saying", configData },
                properties: [{ name: "speed", visitor: { protocolName: "saying", configData: {} } }],
            } as unknown as DeviceInstance,
        });
    const tell = (id: string, report: MapperReport) => mapper.tell.get(id)?.(report);
    return { clock, lines, put, send, tell, state: () => state };
}

const bad = (reason: string) => ({ value: null, quality: "bad", reason }) as const;

test("a device that does not answer shows in the mapper's status and once in its log, with the reason, until it is well", async () => {
    const { lines, put, tell, state } = await startMapper();
    for (const id of ["default/a", "default/b"]) await put(id, { address: 1 });
    tell("default/a", { state: "online", reported: { speed: { value: 1 } } });
    expect(state()).toEqual({ level: "ready", text: "mapping", params: { devices: 2 } });
    for (const _ of [1, 2]) tell("default/b", { state: "offline", reported: { speed: bad("timed\n  out") } });
    const params = { devices: 2, troubled: 1, device: "default/b", reason: "offline: timed out" };
    expect(state()).toEqual({ level: "connecting", text: "troubled", params });
    tell("default/a", { reported: { speed: bad("illegal data address"), load: bad("illegal data address") } });
    expect(state()).toMatchObject({ level: "disconnected", params: { troubled: 2 } });
    tell("default/b", { state: "online", reported: { speed: { value: 2 } } });
    tell("default/a", { reported: { speed: { value: 1 }, load: { value: 1 } } });
    expect(state()).toEqual({ level: "ready", text: "mapping", params: { devices: 2 } });
    expect(lines).toEqual([
        "warn default/b: offline: timed out",
        "warn default/a: 2 properties, speed first: illegal data address",
        "info default/b: the device is well again",
        "info default/a: the device is well again",
    ]);
});

test("a device that comes and goes is told again after ten minutes, or for another reason", async () => {
    const { clock, lines, put, tell } = await startMapper();
    await put("default/a", { address: 1 });
    const flap = (reason: string) => {
        tell("default/a", { state: "offline", reported: { speed: bad(reason) } });
        tell("default/a", { state: "online", reported: { speed: { value: 1 } } });
        return lines.splice(0).filter((line) => line.startsWith("warn")).length;
    };
    expect([flap("no answer"), flap("refused"), flap("no answer"), flap("refused")]).toEqual([1, 1, 0, 0]);
    for (let reason = 0; reason < 20; reason += 1) flap(`reason ${reason}`);
    expect(flap("one more")).toBe(0);
    await clock.advance(600_000);
    expect([flap("refused"), flap("one more")]).toEqual([1, 1]);
});

test("a device that cannot be mapped as it is described counts, and is forgotten when it is mended or gone", async () => {
    const { lines, put, send, state } = await startMapper();
    await put("default/a", {});
    const reason = "unhealthy: it has no address";
    expect(state()).toMatchObject({ level: "disconnected", params: { devices: 1, troubled: 1, reason } });
    expect(lines).toEqual([`warn default/a: ${reason}`]);
    await put("default/a", { address: 1 });
    expect(state()).toMatchObject({ level: "ready", params: { devices: 1 } });
    await put("default/a", {});
    await send("default/a", "delete");
    expect(state()).toMatchObject({ level: "ready", params: { devices: 0 } });
});
