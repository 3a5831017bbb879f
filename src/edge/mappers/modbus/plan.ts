// SPDX-License-Identifier: Apache-2.0
import { MAX_BITS, MAX_REGISTERS, type ReadCode } from "./protocol.ts";
import type { ModbusPoint } from "./visitor.ts";

/** Points of one device that one read fetches together. */
export interface ReadBlock {
    readonly fc: ReadCode;
    readonly address: number;
    readonly quantity: number;
    readonly cycleMs: number;
    readonly points: readonly ModbusPoint[];
}

/** Registers (or bits) that nobody asked for, fetched along so that two neighbours need one request instead of two. */
const MAX_GAP_REGISTERS = 8;
const MAX_GAP_BITS = 64;

/** As few reads as possible: same function code and cycle, neighbours or nearly so, within Modbus' limits. */
export function planReads(points: readonly ModbusPoint[]): ReadBlock[] {
    const groups = new Map<string, ModbusPoint[]>();
    for (const point of points) {
        const key = `${point.fc}/${point.property.collectCycleMs}`;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [point]);
        else group.push(point);
    }
    // Copied, as the points of a block are: an array that was pushed to keeps room for sixteen more, in each of thousands of devices.
    return [...[...groups.values()].flatMap((group) => merge(group))];
}

/** The same points one by one, for a slave that refuses a block as a whole (it may hold a register that is not there). */
export function splitBlock(block: ReadBlock): ReadBlock[] {
    return block.points.map((point) => blockOf([point]));
}

/** The part of a block's values that belongs to a point. */
export function valuesOf(block: ReadBlock, point: ModbusPoint, values: readonly number[]): readonly number[] {
    const from = point.address - block.address;
    return values.slice(from, from + point.length);
}

function merge(group: ModbusPoint[]): ReadBlock[] {
    const sorted = [...group].sort((a, b) => a.address - b.address || a.length - b.length);
    const blocks: ModbusPoint[][] = [];
    let start = 0;
    let end = 0;
    for (const point of sorted) {
        const bits = point.fc <= 2;
        const last = blocks.at(-1);
        const newEnd = Math.max(end, point.address + point.length);
        const near = point.address - end <= (bits ? MAX_GAP_BITS : MAX_GAP_REGISTERS);
        if (last !== undefined && near && newEnd - start <= (bits ? MAX_BITS : MAX_REGISTERS)) {
            last.push(point);
            end = newEnd;
        } else {
            blocks.push([point]);
            start = point.address;
            end = point.address + point.length;
        }
    }
    return blocks.map(blockOf);
}

function blockOf(points: readonly ModbusPoint[]): ReadBlock {
    const [first] = points;
    if (first === undefined) throw new RangeError("a block has at least one point");
    const address = Math.min(...points.map((point) => point.address));
    const end = Math.max(...points.map((point) => point.address + point.length));
    return {
        fc: first.fc,
        address,
        quantity: end - address,
        cycleMs: first.property.collectCycleMs,
        points: [...points],
    };
}
