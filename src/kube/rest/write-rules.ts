// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../types.ts";
import type { ServedResource } from "./resources.ts";
import {
    conflict,
    type FieldError,
    invalid,
    invalidValue,
    MODIFIED_MEANWHILE,
    required,
    StatusError,
} from "./status.ts";

const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const PATH_SEGMENT = /^[^/%]+$/;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const MAX_NAME = 253;
const MAX_LABEL = 63;
const MAX_ANNOTATIONS_BYTES = 256 * 1024;
/** Kinds whose names need only be a path segment (names with colons). */
const FREE_NAMES = new Set([
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "certificatesigningrequests",
]);
const LABEL_NAMED = new Set(["namespaces", "services"]);

/** The rules of ObjectMeta that hold for every kind. */
export function validateMetadata(resource: ServedResource, { metadata }: KubeObject): FieldError[] {
    const errors: FieldError[] = [];
    const { name } = metadata;
    if (name === undefined || name === "") {
        errors.push(required("metadata.name", "name or generateName is required"));
    } else if (FREE_NAMES.has(resource.plural)) {
        if (!PATH_SEGMENT.test(name) || name === "." || name === "..") {
            errors.push(invalidValue("metadata.name", name, "may not contain '/' or '%' and may not be '.' or '..'"));
        }
    } else if (LABEL_NAMED.has(resource.plural) && resource.group === "") {
        if (!DNS_LABEL.test(name) || name.length > MAX_LABEL) {
            errors.push(
                invalidValue(
                    "metadata.name",
                    name,
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                ),
            );
        }
    } else if (!DNS_SUBDOMAIN.test(name) || name.length > MAX_NAME) {
        errors.push(
            invalidValue(
                "metadata.name",
                name,
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            ),
        );
    }
    for (const [key, value] of Object.entries(metadata.labels ?? {})) {
        validateKey("metadata.labels", key, errors);
        if (value !== "" && (!LABEL_NAME.test(value) || value.length > MAX_LABEL)) {
            errors.push(
                invalidValue(
                    "metadata.labels",
                    value,
                    "a valid label must be an empty string or consist of at most 63 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
                ),
            );
        }
    }
    let bytes = 0;
    for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
        validateKey("metadata.annotations", key.toLowerCase(), errors);
        bytes += key.length + value.length;
    }
    if (bytes > MAX_ANNOTATIONS_BYTES) {
        errors.push({
            reason: "FieldValueTooLong",
            field: "metadata.annotations",
            detail: `Too long: may not be more than ${MAX_ANNOTATIONS_BYTES} bytes`,
        });
    }
    (metadata.ownerReferences ?? []).forEach((owner, at) => {
        for (const field of ["apiVersion", "kind", "name", "uid"] as const) {
            if (!owner[field]) errors.push(required(`metadata.ownerReferences[${at}].${field}`, "must not be empty"));
        }
    });
    return errors;
}

function validateKey(field: string, key: string, errors: FieldError[]): void {
    const [name = "", prefix] = key.split("/").reverse();
    const parts = key.split("/").length;
    const good =
        parts <= 2 &&
        LABEL_NAME.test(name) &&
        name.length <= MAX_LABEL &&
        (prefix === undefined || (DNS_SUBDOMAIN.test(prefix) && prefix.length <= MAX_NAME));
    if (!good) {
        errors.push(
            invalidValue(
                field,
                key,
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, with an optional DNS subdomain prefix and '/'",
            ),
        );
    }
}

const STATUS_OWNED_KEYS = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "name",
    "namespace",
    "generateName",
    "selfLink",
] as const;

/**
 * What an update may change: system fields stay, the main endpoint keeps the status, the status endpoint keeps the
 * rest; counts generations.
 * @throws 409 when the client based its update on another version or another object of that name
 */
export function mergeForUpdate(
    resource: ServedResource,
    current: KubeObject,
    sent: KubeObject,
    subresource: string | undefined,
): KubeObject {
    const { name } = current.metadata;
    const { resourceVersion, uid } = sent.metadata;
    if (uid !== undefined && uid !== "" && uid !== current.metadata.uid) {
        throw conflict(
            resource,
            name,
            `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
        );
    }
    if (
        resourceVersion !== undefined &&
        resourceVersion !== "" &&
        resourceVersion !== current.metadata.resourceVersion
    ) {
        throw conflict(resource, name, MODIFIED_MEANWHILE);
    }
    if (sent.metadata.name !== undefined && sent.metadata.name !== name) {
        throw invalid(resource, name, [invalidValue("metadata.name", sent.metadata.name, "field is immutable")]);
    }
    let next: KubeObject;
    if (subresource === "status") {
        next = { ...current };
        if (sent["status"] === undefined) delete next["status"];
        else next["status"] = sent["status"];
        next.metadata = resource.statusCarriesMetadata ? { ...sent.metadata } : { ...current.metadata };
        if (current.metadata.ownerReferences === undefined) delete next.metadata.ownerReferences;
        else next.metadata.ownerReferences = current.metadata.ownerReferences;
        if (sent.metadata["managedFields"] !== undefined)
            next.metadata["managedFields"] = sent.metadata["managedFields"];
    } else {
        next = { ...sent, metadata: { ...sent.metadata } };
        if (resource.hasStatus) {
            if (current["status"] === undefined) delete next["status"];
            else next["status"] = current["status"];
        }
    }
    next.apiVersion = current.apiVersion;
    next.kind = current.kind;
    const metadata = next.metadata as Record<string, unknown>;
    for (const key of STATUS_OWNED_KEYS) {
        if (current.metadata[key] === undefined) delete metadata[key];
        else metadata[key] = current.metadata[key];
    }
    if (current.metadata.deletionTimestamp !== undefined) refuseNewFinalizers(resource, current, next);
    metadata["resourceVersion"] = current.metadata.resourceVersion;
    return next;
}

function refuseNewFinalizers(resource: ServedResource, current: KubeObject, next: KubeObject): void {
    const before = current.metadata.finalizers ?? [];
    const added = (next.metadata.finalizers ?? []).filter((finalizer) => !before.includes(finalizer));
    if (added.length === 0) return;
    throw invalid(resource, current.metadata.name, [
        {
            reason: "FieldValueForbidden",
            field: "metadata.finalizers",
            detail: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
        },
    ]);
}

/** True when the desired state differs: anything beside metadata and (where it is separate) status. */
export function desiredStateChanged(resource: ServedResource, current: KubeObject, next: KubeObject): boolean {
    const desired = ({ metadata: _metadata, status, ...rest }: KubeObject): unknown =>
        resource.hasStatus ? rest : { ...rest, status };
    return !isDeepStrictEqual(desired(current), desired(next));
}

/** Dropped, so that "no labels" has one form. */
export function dropEmptyMetadata(object: KubeObject): void {
    const metadata = object.metadata as Record<string, unknown>;
    for (const key of ["labels", "annotations", "finalizers", "ownerReferences", "managedFields"]) {
        const value = metadata[key];
        if (value === null || (typeof value === "object" && value !== null && Object.keys(value).length === 0))
            delete metadata[key];
    }
}

export const namespaceTerminating = (resource: ServedResource, name: string, namespace: string): StatusError =>
    new StatusError(
        403,
        "Forbidden",
        `${resource.plural}${name === "" ? "" : ` "${name}"`} is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
        {
            name,
            kind: resource.plural,
            causes: [
                {
                    reason: "NamespaceTerminating",
                    message: `namespace ${namespace} is being terminated`,
                    field: "metadata.namespace",
                },
            ],
        },
    );
