// SPDX-License-Identifier: Apache-2.0
import { type Envelope, Group, Operation, Source } from "../envelope/envelope.ts";
import { parseResource } from "../envelope/resource.ts";

/**
 * What must reach the cloud whatever happens, as classes with a name for counters:
 * `twin` and `state` are device reports, `event` Kubernetes events, `user` what applications upload.
 */
export type DurableClass = "twin" | "state" | "event" | "user";

const TWIN = /^device\/[^/]+\/[^/]+\/twin\/edge_updated$/;
const STATE = /^device\/[^/]+\/[^/]+\/state\/update$/;

/** Both ends decide by this alone. Undefined for everything that has a waiting asker or is stale once the link is down. */
export function durableClass({ header, route }: Envelope): DurableClass | undefined {
    if (header.parent_msg_id !== undefined) return undefined;
    if (route.group === Group.user) return route.operation === Operation.upload ? "user" : undefined;
    if (route.source === Source.twin) {
        if (TWIN.test(route.resource)) return "twin";
        return STATE.test(route.resource) ? "state" : undefined;
    }
    const { type, name } = parseResource(route.resource) ?? {};
    if (type !== "event" || name === undefined) return undefined;
    const writes: readonly string[] = [Operation.insert, Operation.update, Operation.patch];
    return writes.includes(route.operation) ? "event" : undefined;
}
