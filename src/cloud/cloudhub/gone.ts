// SPDX-License-Identifier: Apache-2.0
import { asRecord } from "../../core/json.ts";
import { type Envelope, Group, newEnvelope, Operation } from "../../envelope/envelope.ts";
import { formatResource } from "../../envelope/resource.ts";
import type { SyncRecord } from "./sync-ledger.ts";

/**
 * `sync` names everything a node should have of some kinds: what it acknowledged beyond that is deleted there.
 * @param sync content `{ kinds, uids }`
 * @param held what the node has acknowledged
 * @returns one deletion for each object too many, as EdgeController would send it
 */
export function deletionsOf({ content, route, node }: Envelope, held: Iterable<SyncRecord>, nowMs: number): Envelope[] {
    const { kinds, uids } = asRecord(content);
    const wanted = new Set(strings(uids));
    const listed = new Set(strings(kinds));
    const deletions: Envelope[] = [];
    for (const { apiVersion, kind, namespace, name, uid } of held) {
        if (!listed.has(kind) || wanted.has(uid)) continue;
        const metadata = { ...(namespace === undefined ? {} : { namespace }), name, uid };
        deletions.push(
            newEnvelope({
                route: {
                    ...(route.source === undefined ? {} : { source: route.source }),
                    group: Group.resource,
                    operation: Operation.delete,
                    resource: formatResource(namespace, kind.toLowerCase(), name),
                },
                content: { apiVersion, kind, metadata },
                ...(node === undefined ? {} : { node }),
                timestamp: nowMs,
            }),
        );
    }
    return deletions;
}

function strings(value: unknown): readonly string[] {
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
