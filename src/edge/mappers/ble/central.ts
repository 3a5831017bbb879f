// SPDX-License-Identifier: Apache-2.0

/** A connected Bluetooth LE device; characteristics by full lower-case UUID. */
export interface BlePeripheral {
    canNotify(uuid: string): boolean;
    read(uuid: string): Promise<Buffer>;
    write(uuid: string, bytes: Buffer): Promise<void>;
    notify(uuid: string, arrived: (bytes: Buffer) => void): Promise<void>;
    disconnect(): Promise<void>;
}

/** Whatever connects to Bluetooth LE devices. */
export interface BleCentral {
    /** Scans when it has to. `lost` is called once when the connection ends by itself. */
    connect(mac: string, timeoutMs: number, lost: () => void): Promise<BlePeripheral>;
    stop(): Promise<void>;
}
