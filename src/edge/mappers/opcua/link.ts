// SPDX-License-Identifier: Apache-2.0
import type { DeviceValue } from "../values.ts";
import type { OpcuaConnection } from "./connection.ts";

/** A value as the server gave it, with its own time (ms since the epoch) where it says one, or why there is none. */
export type OpcuaReading =
    | { readonly value: DeviceValue; readonly timestampMs: number | undefined }
    | { readonly error: string };

/** A session with a server. Everything rejects when the session is gone. */
export interface OpcuaLink {
    /** In the order of the node ids. */
    read(nodeIds: readonly string[]): Promise<readonly OpcuaReading[]>;
    /** Resolves with why the server refuses it, if it does. @throws REDGE_DEVICE_VALUE when the value does not fit the variable */
    write(nodeId: string, property: string, value: DeviceValue): Promise<string | undefined>;
    /**
     * Tells every change, at most one in `cycleMs`, by the place of its node id; first of all the values as they are. Resolves with
     * what ends it. Rejects also when the server gives no subscriptions.
     */
    follow(
        nodeIds: readonly string[],
        cycleMs: number,
        changed: (place: number, reading: OpcuaReading) => void,
    ): Promise<() => Promise<void>>;
    close(): Promise<void>;
}

/** Whatever opens sessions with OPC UA servers. */
export interface OpcuaDialer {
    /** `lost` is called once when the session ends by itself. */
    connect(connection: OpcuaConnection, lost: (reason: string) => void): Promise<OpcuaLink>;
    stop(): Promise<void>;
}
