// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../core/json.ts";
import type { Envelope } from "../../envelope/envelope.ts";

/**
 * One report out of two of the same device: per property the newer one's, with its own time stamp. It takes the newer
 * message's id, since the older one may have been seen by the cloud. Undefined when either is not a twin report.
 */
export function mergeTwinReports(older: Envelope, newer: Envelope): Envelope | undefined {
    const { content: before } = older;
    const { content: after } = newer;
    if (!isRecord(before) || !isRecord(after) || !isRecord(before["twin"]) || !isRecord(after["twin"]))
        return undefined;
    return { ...newer, content: { ...before, ...after, twin: { ...before["twin"], ...after["twin"] } } };
}
