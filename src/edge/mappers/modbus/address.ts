// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { field, text } from "../fields.ts";
import type { LineAddress } from "./protocol.ts";

/** Where one device is: its line, its unit id there, and how patient to be with it. */
export interface ModbusAddress {
    readonly line: LineAddress;
    readonly unit: number;
    readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_MS = 1000;
const MIN_TIMEOUT_MS = 50;
/** KubeEdge's samples give `timeout` in seconds; nobody means a Modbus time-out of so few milliseconds or so many seconds. */
const LARGEST_SECONDS = 49;

/**
 * Reads `spec.protocol.configData` in the forms that KubeEdge's Modbus mappers know (device plane reference 6.5): flat
 * (`ip`, `port`, `slaveID`, `serialName`, `baudRate` …) or nested (`tcp`/`com`, `modbus.slaveID`).
 * @throws REDGE_MODBUS_CONNECTION
 */
export function parseAddress({ id, protocol }: DeviceInstance): ModbusAddress {
    const data = protocol.configData;
    const nested = [data, field(data, "modbus"), field(data, "common"), field(data, "tcp"), field(data, "com")];
    const inner = [field(field(data, "common"), "tcp"), field(field(data, "common"), "com")];
    const get = (...keys: string[]): unknown => {
        for (const record of [...nested, ...inner]) {
            for (const key of keys) {
                const value = field(record, key);
                if (value !== undefined && value !== null && value !== "") return value;
            }
        }
        return undefined;
    };
    const refuse = (name: string, reason: string): never => {
        throw new RedgeError("REDGE_MODBUS_CONNECTION", { device: id, field: name, reason });
    };
    const integer = (name: string, value: unknown, least: number, most: number, otherwise?: number): number => {
        if (value === undefined && otherwise !== undefined) return otherwise;
        const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
        if (Number.isInteger(number) && number >= least && number <= most) return number;
        return refuse(name, value === undefined ? "is missing" : `is not a whole number from ${least} to ${most}`);
    };
    const serial = text(get("serialName", "serialPort"));
    const mode = text(get("communicateMode"))?.toUpperCase() ?? (serial === undefined ? "TCP" : "RTU");
    const timeout = get("timeout");
    const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : Number(timeout);
    if (!(timeoutMs > 0)) refuse("timeout", "is not a positive number");
    const line = mode === "TCP" ? tcp() : mode === "RTU" ? rtu() : refuse("communicateMode", "is neither TCP nor RTU");
    return {
        line,
        unit: integer("slaveID", get("slaveID", "unitID", "slave"), 0, mode === "TCP" ? 255 : 247, 1),
        timeoutMs: Math.max(MIN_TIMEOUT_MS, timeoutMs <= LARGEST_SECONDS ? timeoutMs * 1000 : timeoutMs),
    };

    function tcp(): LineAddress {
        const host = text(get("ip", "host", "address")) ?? refuse("ip", "is missing");
        const port = integer("port", get("port"), 1, 65_535, 502);
        return { kind: "tcp", key: `tcp://${host}:${port}`, host, port };
    }

    function rtu(): LineAddress {
        const path = serial ?? refuse("serialName", "is missing");
        const baudRate = integer("baudRate", get("baudRate"), 50, 4_000_000, 9600);
        const dataBits = integer("dataBits", get("dataBits"), 5, 8, 8) as 5 | 6 | 7 | 8;
        const stopBits = integer("stopBits", get("stopBits"), 1, 2, 1) as 1 | 2;
        const given = (text(get("parity")) ?? "none").toLowerCase();
        const parity =
            given === "none" || given === "even" || given === "odd" ? given : refuse("parity", "is not known");
        return { kind: "rtu", key: `rtu://${path}`, path, baudRate, dataBits, stopBits, parity };
    }
}
