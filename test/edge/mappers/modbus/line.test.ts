// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import { Line } from "../../../../src/edge/mappers/modbus/line.ts";
import type { ModbusRequest, ModbusResult } from "../../../../src/edge/mappers/modbus/protocol.ts";
import type { WriteJob } from "../../../../src/edge/mappers/modbus/slave.ts";

/** A line that carries one request at a time; each is answered when the test says so. */
class OneAtATime {
    readonly width = 1;
    readonly asked: ModbusRequest[] = [];
    #settle: (result: ModbusResult) => void = () => {};

    request(request: ModbusRequest): Promise<ModbusResult> {
        this.asked.push(request);
        return new Promise((resolve) => {
            this.#settle = resolve;
        });
    }

    async answer(): Promise<void> {
        this.#settle({ ok: true, values: [1] });
        await new Promise((resolve) => setImmediate(resolve));
    }

    async close(): Promise<void> {}
}

const setup = (unit: number) => ({
    device: `default/d${unit}`,
    unit,
    timeoutMs: 1000,
    blocks: [{ fc: 3 as const, address: 0, quantity: 1, cycleMs: 100, points: [] }],
});
const write = (unit: number): WriteJob => ({
    id: `w${unit}`,
    property: "p",
    value: 7,
    request: { unit, fc: 6, address: 0, values: [7] },
});

describe("Line", () => {
    it("reads new devices and writes before it reads again what waits for its next turn", async () => {
        const transport = new OneAtATime();
        const clock = new ManualClock();
        const handlers = { values: () => {}, refused: () => {}, state: () => {}, written: () => {} };
        const line = new Line({ transport, clock, random: () => 0, handlers });
        for (const unit of [1, 2, 3]) line.put(setup(unit));
        for (const _ of [1, 2, 3]) await transport.answer();
        // All of them are due again at once: the first is asked, the others wait.
        await clock.advance(100);
        line.put(setup(4));
        line.write("default/d3", write(3));
        line.put(setup(5));
        for (const _ of [1, 2, 3, 4, 5, 6]) await transport.answer();
        await line.stop();
        const asked = transport.asked.map(({ unit, fc }) => `${fc === 6 ? "write" : "read"} ${unit}`);
        expect(asked.slice(0, 3)).toEqual(["read 1", "read 2", "read 3"]);
        expect(asked.slice(3, 7)).toEqual(["read 1", "read 4", "write 3", "read 5"]);
        // Nobody is forgotten meanwhile.
        expect(asked.slice(7, 9)).toEqual(["read 2", "read 3"]);
    });
});
