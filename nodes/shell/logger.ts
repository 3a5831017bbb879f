// SPDX-License-Identifier: Apache-2.0
import { createLogger, type LogFields, type Logger } from "../../src/core/log.ts";
import type { RedNode } from "./red.ts";

/**
 * A component's log on its node's log. Node-RED's console prints `message`; structured handlers find the fields beside
 * it. Lines below a component never reach Catch nodes: what a flow should react to is thrown or sent.
 */
export function nodeLogger(node: RedNode): Logger {
    return createLogger((level, text, fields) => {
        const line = { ...fields, message: text + suffix(fields) };
        if (level === "error") node.error(line);
        else if (level === "warn") node.warn(line);
        else if (level === "info") node.log(line);
        else node.debug(line);
    });
}

function suffix(fields: LogFields): string {
    const parts = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
    return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
