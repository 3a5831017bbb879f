// SPDX-License-Identifier: Apache-2.0

/** Modbus function codes that mappers use: 1 to 4 read coils, discrete inputs, holding and input registers. */
export type ReadCode = 1 | 2 | 3 | 4;
export type WriteCode = 5 | 6 | 15 | 16;

export interface ReadRequest {
    readonly unit: number;
    readonly fc: ReadCode;
    readonly address: number;
    readonly quantity: number;
}

export interface WriteRequest {
    readonly unit: number;
    readonly fc: WriteCode;
    readonly address: number;
    /** Registers as unsigned 16-bit numbers, coils as 0 and 1. */
    readonly values: readonly number[];
}

export type ModbusRequest = ReadRequest | WriteRequest;

/**
 * timeout: the slave said nothing. exception: it refused (`code` is Modbus' own). connection: nothing got through,
 * which says nothing about the slave.
 */
export type ModbusResult = { readonly ok: true; readonly values: readonly number[] } | ModbusFailure;

export interface ModbusFailure {
    readonly ok: false;
    readonly kind: "timeout" | "connection" | "exception";
    readonly reason: string;
    /** Of an exception. */
    readonly code?: number;
}

/** Where slaves are. Two devices with the same key share one line. */
export type LineAddress =
    | { readonly kind: "tcp"; readonly key: string; readonly host: string; readonly port: number }
    | {
          readonly kind: "rtu";
          readonly key: string;
          readonly path: string;
          readonly baudRate: number;
          readonly dataBits: 5 | 6 | 7 | 8;
          readonly stopBits: 1 | 2;
          readonly parity: "none" | "even" | "odd";
      };

/** One line to slaves, however it is served. */
export interface LineTransport {
    /** How many requests may be under way at once. */
    readonly width: number;
    /** Never rejects. */
    request(request: ModbusRequest, timeoutMs: number): Promise<ModbusResult>;
    close(): Promise<void>;
}

export const MAX_REGISTERS = 125;
export const MAX_BITS = 2000;

export function isRead(request: ModbusRequest): request is ReadRequest {
    return request.fc <= 4;
}
