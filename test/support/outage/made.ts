// SPDX-License-Identifier: Apache-2.0

/** What one device has said: its reports are numbered from `first` on. */
export interface MadeReports {
    readonly first: number;
    /** When each was made, ms since the epoch. */
    readonly atMs: number[];
    /** The cloud must have exactly these times; otherwise the gateway gives the time, a little later. */
    readonly ownTimes: boolean;
}

/** Every report of every device, as those who made them remember it. */
export class Made {
    readonly devices = new Map<string, MadeReports>();

    begin(device: string, first: number, ownTimes: boolean): void {
        this.devices.set(device, { first, atMs: [], ownTimes });
    }

    /** Notes the next report and answers its number. Undefined: the device does not count yet. */
    next(device: string, nowMs: number): number | undefined {
        const made = this.devices.get(device);
        if (made === undefined) return undefined;
        made.atMs.push(nowMs);
        return made.first + made.atMs.length - 1;
    }

    get count(): number {
        return [...this.devices.values()].reduce((sum, { atMs }) => sum + atMs.length, 0);
    }
}
