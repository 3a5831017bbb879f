// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText, isRecord, type JsonRecord } from "../../../core/json.ts";
import type { KubeStatus, ResourceType } from "../../../kube/types.ts";

/** A request of an edge's MetaServer to the API (wire protocol, section 5.8), with its parts read. */
export interface Application {
    /** As it came: the answer is the same document with the outcome in it. */
    readonly document: JsonRecord;
    readonly id: string;
    readonly verb: string;
    readonly target: { readonly type: ResourceType; readonly namespace?: string; readonly name?: string };
    readonly subresource: string | undefined;
    /** Redge: on whose behalf the node asks, "operator" or "serviceaccount:<namespace>:<name>". Absent: its own. */
    readonly actor: string | undefined;
    readonly options: JsonRecord;
    readonly body: unknown;
}

const ABSENT = "null";

/** Undefined when the key is no path of a resource: raw API paths are not passed on. */
export function parseApplication(content: unknown): Application | undefined {
    const document = asRecord(content);
    const [empty, group, version, plural, namespace, name, ...more] = (asText(document["Key"]) ?? "").split("/");
    if (empty !== "" || !group || !version || !plural || !namespace || !name || more.length > 0) return undefined;
    const namespaced = namespace !== ABSENT;
    // The kind is not in the key; it comes with the answer.
    const type = { group: group === "core" ? "" : group, version, plural, kind: "", namespaced };
    return {
        document,
        id: asText(document["ID"]) ?? "",
        verb: asText(document["Verb"]) ?? "",
        target: { type, ...(namespaced ? { namespace } : {}), ...(name === ABSENT ? {} : { name }) },
        subresource: asText(document["Subresource"]),
        actor: asText(document["Actor"]),
        options: asRecord(decode(document["Option"])),
        body: decode(document["ReqBody"]),
    };
}

export function approved({ document }: Application, answer?: unknown): JsonRecord {
    const body = answer === undefined ? null : Buffer.from(JSON.stringify(answer)).toString("base64");
    return { ...document, RespBody: body, Status: "Approved", Reason: "", Error: { ErrStatus: { metadata: {} } } };
}

export function rejected(document: JsonRecord, status: KubeStatus): JsonRecord {
    return {
        ...document,
        RespBody: null,
        Status: "Rejected",
        Reason: status.message ?? "",
        Error: { ErrStatus: status },
    };
}

/** Go marshals []byte as base64. */
function decode(value: unknown): unknown {
    if (isRecord(value)) return value;
    if (typeof value !== "string" || value === "") return undefined;
    try {
        return JSON.parse(Buffer.from(value, "base64").toString("utf8"));
    } catch {
        return undefined;
    }
}
