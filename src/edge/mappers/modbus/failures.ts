// SPDX-License-Identifier: Apache-2.0
import { field, text } from "../fields.ts";
import type { ModbusFailure } from "./protocol.ts";

/** What a failed request of modbus-serial, or of the nodes built on it, says about slave and line. */
export function failureOf(thrown: unknown): ModbusFailure {
    // The library's own errors are no instances of Error.
    const reason = text(field(thrown, "message")) ?? String(thrown);
    const given = field(thrown, "modbusCode");
    const code = typeof given === "number" ? given : Number(/Modbus exception (\d+)/.exec(reason)?.[1]);
    if (Number.isInteger(code)) return { ok: false, kind: "exception", code, reason };
    if (/timed out/i.test(reason) && !/connect/i.test(reason)) return { ok: false, kind: "timeout", reason };
    return { ok: false, kind: "connection", reason };
}
