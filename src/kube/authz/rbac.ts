// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, type JsonRecord } from "../../core/json.ts";
import type { ObjectReader } from "../storage/registry.ts";
import type { KubeObject } from "../types.ts";
import { type Attributes, type Authorizer, MASTERS, type User } from "./user.ts";

const GROUP = "rbac.authorization.k8s.io";
/** What anybody may read, known or not. */
const PUBLIC_PATHS = ["/healthz", "/livez", "/readyz", "/version"];
/** What everybody who is known may read: what is served, never what is kept. */
const DISCOVERY = /^\/(api|apis|openapi)(\/|$)/;
const SELF_REVIEWS = new Set([
    "authorization.k8s.io/selfsubjectaccessreviews",
    "authorization.k8s.io/selfsubjectrulesreviews",
    "authentication.k8s.io/selfsubjectreviews",
]);

/** Role-based access control over the stored Role and ClusterRole objects. */
export class RbacAuthorizer implements Authorizer {
    readonly #reader: ObjectReader;

    constructor(reader: ObjectReader) {
        this.#reader = reader;
    }

    async refuse(attributes: Attributes): Promise<string | undefined> {
        const { user, resource, path, verb, group } = attributes;
        if (user.groups.includes(MASTERS)) return undefined;
        const known = user.groups.includes("system:authenticated");
        if (resource === undefined) {
            if (verb === "get" && PUBLIC_PATHS.some((open) => path === open || path.startsWith(`${open}/`)))
                return undefined;
            if (verb === "get" && known && (path === "/" || DISCOVERY.test(path))) return undefined;
        } else if (known && verb === "create" && SELF_REVIEWS.has(`${group}/${resource}`)) return undefined;
        for (const rule of await this.rulesFor(user, attributes.namespace))
            if (allows(rule, attributes)) return undefined;
        return "";
    }

    /** Every rule bound to the user, cluster-wide or in the namespace. */
    async rulesFor(user: User, namespace: string | undefined): Promise<readonly JsonRecord[]> {
        const rules: JsonRecord[] = [];
        const list = async (plural: string, within: string | undefined): Promise<readonly KubeObject[]> =>
            (await this.#reader.list({ group: GROUP, plural }, within)).items.map((stored) => stored.object);
        const bindings = [...(await list("clusterrolebindings", undefined))];
        if (namespace !== undefined) bindings.push(...(await list("rolebindings", namespace)));
        for (const binding of bindings) {
            if (
                asRecords(binding["subjects"]).some((subject) => isSubject(subject, user, binding.metadata.namespace))
            ) {
                rules.push(...(await this.#rulesOf(binding)));
            }
        }
        return rules;
    }

    async #rulesOf(binding: KubeObject): Promise<readonly JsonRecord[]> {
        const { kind, name } = asRecord(binding["roleRef"]);
        const cluster = kind === "ClusterRole";
        const role = await this.#reader.get({
            group: GROUP,
            plural: cluster ? "clusterroles" : "roles",
            namespace: cluster ? "" : (binding.metadata.namespace ?? ""),
            name: asText(name) ?? "",
        });
        return asRecords(role?.object["rules"]);
    }
}

function isSubject(subject: JsonRecord, user: User, bindingNamespace: string | undefined): boolean {
    const { kind, name } = subject;
    if (kind === "User") return name === user.name;
    if (kind === "Group") return user.groups.includes(String(name));
    const namespace = asText(subject["namespace"]) ?? bindingNamespace;
    return kind === "ServiceAccount" && user.name === `system:serviceaccount:${namespace}:${String(name)}`;
}

const has = (list: unknown, value: string): boolean =>
    Array.isArray(list) && (list.includes("*") || list.includes(value));

export function allows(rule: JsonRecord, { verb, group, resource, name, path }: Attributes): boolean {
    if (!has(rule["verbs"], verb)) return false;
    if (resource === undefined) {
        const urls = Array.isArray(rule["nonResourceURLs"]) ? rule["nonResourceURLs"].map(String) : [];
        return urls.some((url) => url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1))));
    }
    if (!has(rule["apiGroups"], group)) return false;
    const sub = resource.split("/")[1];
    const resources = rule["resources"];
    if (!has(resources, resource) && !(sub !== undefined && has(resources, `*/${sub}`))) return false;
    const names = rule["resourceNames"];
    return !Array.isArray(names) || names.length === 0 || (name !== undefined && names.includes(name));
}
