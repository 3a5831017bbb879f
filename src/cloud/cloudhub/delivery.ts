// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../core/json.ts";
import { type Envelope, Group, Operation, Source } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";

/**
 * How a message travels down (wire protocol, section 3.5, with its substring tests replaced by exact ones):
 * `push` is an object, kept until the node acknowledged it; `once` is written once, in order, and forgotten.
 */
export type Delivery = "push" | "once";

const OBJECT_OPERATIONS: ReadonlySet<string> = new Set([Operation.insert, Operation.update, Operation.delete]);
const ANSWERED_ELSEWHERE: ReadonlySet<string> = new Set([
    "podlist",
    "serviceaccounttoken",
    "lease",
    "nodepatch",
    "podpatch",
    "podstatus",
    "nodestatus",
    "certificatesigningrequest",
]);
const PUSHING_SOURCES: ReadonlySet<string> = new Set([
    Source.edgecontroller,
    Source.devicecontroller,
    Source.dynamiccontroller,
    "policycontroller",
]);

/** Every response is `once`: one that its asker no longer waits for must not block the pushes (section 3.6). */
export function deliveryOf({ header, route, content }: Envelope): Delivery {
    if (header.parent_msg_id !== undefined || route.group !== Group.resource) return "once";
    if (!OBJECT_OPERATIONS.has(route.operation) || !PUSHING_SOURCES.has(route.source ?? "")) return "once";
    const name = parseResource(route.resource);
    if (name?.name === undefined || ANSWERED_ELSEWHERE.has(name.type)) return "once";
    if (name.type === "node" && route.operation !== Operation.update) return "once";
    return uidOf(content) === undefined ? "once" : "push";
}

/** What CloudHub needs to know of a pushed object. */
export interface PushedObject {
    readonly uid: string;
    readonly resourceVersion: string | undefined;
    readonly deleting: boolean;
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace: string | undefined;
    readonly name: string;
}

export function pushedObject({ header, route, content }: Envelope): PushedObject {
    const object = asRecord(content);
    const metadata = asRecord(object["metadata"]);
    const resource = parseResource(route.resource);
    const namespace = resource?.namespace === "null" ? undefined : resource?.namespace;
    return {
        uid: uidOf(content) ?? "",
        resourceVersion: header.resourceversion ?? asText(metadata["resourceVersion"]),
        deleting: route.operation === Operation.delete,
        apiVersion: asText(object["apiVersion"]) ?? "v1",
        kind: asText(object["kind"]) ?? resource?.type ?? "",
        namespace,
        name: resource?.name ?? "",
    };
}

/** True when `version` is not newer than `than`; what is not a decimal number is never dropped as old. */
export function notNewer(version: string | undefined, than: string): boolean {
    if (version === undefined || !/^\d+$/.test(version) || !/^\d+$/.test(than)) return false;
    if (version.length !== than.length) return version.length < than.length;
    return version <= than;
}

function uidOf(content: unknown): string | undefined {
    const uid = asText(asRecord(asRecord(content)["metadata"])["uid"]);
    return uid === "" ? undefined : uid;
}
