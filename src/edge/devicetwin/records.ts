// SPDX-License-Identifier: Apache-2.0

/** A value as a twin keeps it: text, and when it was so (ms since the epoch, the edge's time). */
export interface StoredValue {
    readonly value: string;
    readonly timestamp: number;
    /** Present when the last reading failed: `value` and `timestamp` are then those of the last good one. */
    readonly quality?: "bad";
    readonly reason?: string;
}

/** KubeEdge's two-sided version: the edge counts its changes in `edge`. */
export interface Version {
    readonly cloud: number;
    readonly edge: number;
}

/** A desired value that was refused for good. */
export interface FailedValue {
    readonly value: string;
    readonly reason: string;
    readonly timestamp: number;
}

/** One property's twin as it lies in the store. Replaced as a whole, never changed in place. */
export interface TwinProperty {
    readonly expected?: StoredValue;
    readonly actual?: StoredValue;
    readonly expectedVersion?: Version;
    readonly actualVersion?: Version;
    /** May an MQTT client delete the key? */
    readonly optional: boolean;
    /** string, int, integer, float, double, boolean, bytes; `deleted` marks a tombstone. */
    readonly type: string;
    /** The desired value last taken from the Device object, as text. */
    readonly desired?: string;
    /** Set while no mapper has confirmed `desired`: the id that the confirmation must carry. */
    readonly pendingWrite?: string;
    readonly failed?: FailedValue;
    /** Why there is no value yet: what the mapper said of its failed readings. */
    readonly unread?: { readonly reason: string };
    /** Counts changes that the cloud should hear of; `confirmed` follows it. */
    readonly seq: number;
    readonly confirmed: number;
}

/** One call of a device method, from its arrival to some time after its end. */
export interface StoredCall {
    readonly id: string;
    readonly method: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly receivedMs: number;
    readonly timeoutMs: number;
    readonly state: "Pending" | "Succeeded" | "Failed" | "Expired";
    /** Properties that no mapper has written yet. */
    readonly waiting: readonly string[];
    /** Whether the Device still asks for it; once ended it is told to the cloud as long as it does. */
    readonly asked: boolean;
    readonly finishedMs?: number;
    readonly result?: unknown;
    readonly reason?: string;
}

/** A device as DeviceTwin keeps it. `twin` is changed key by key; everything below a key is immutable. */
export interface DeviceRecord {
    readonly id: string;
    name: string;
    description?: string;
    state?: string;
    /** RFC 3339, UTC. */
    lastOnline?: string;
    stateSeq: number;
    stateConfirmed: number;
    calls?: Readonly<Record<string, StoredCall>>;
    readonly twin: Map<string, TwinProperty>;
}

export const DELETED = "deleted";

export function newRecord(id: string, description?: string): DeviceRecord {
    return {
        id,
        name: id.slice(id.indexOf("/") + 1),
        ...(description === undefined ? {} : { description }),
        stateSeq: 0,
        stateConfirmed: 0,
        twin: new Map(),
    };
}

export type StoredRecord = Omit<DeviceRecord, "twin"> & { readonly twin: Readonly<Record<string, TwinProperty>> };

export function toStored(record: DeviceRecord): StoredRecord {
    return { ...record, twin: Object.fromEntries(record.twin) };
}

export function fromStored(stored: StoredRecord): DeviceRecord {
    return { ...stored, twin: new Map(Object.entries(stored.twin)) };
}
