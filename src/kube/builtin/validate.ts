// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { asRecord, asRecords, asText, asTexts, type JsonRecord } from "../../core/json.ts";
import { badRequest, type FieldError, forbiddenField, invalidValue, notSupported, required } from "../rest/status.ts";
import { labelSelectorMatcher } from "../selectors/labels.ts";
import type { KubeObject } from "../types.ts";

/** Rules of the built-in kinds beyond their schema: those whose violation users meet. */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const isBase64 = (text: string): boolean => {
    const bare = text.replace(/[\r\n]/g, "");
    return bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
};
const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const QUANTITY = /^[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/;
const MAX_LABEL = 63;
const MAX_DATA_BYTES = 1024 * 1024;
const RESTART_POLICIES = ["Always", "OnFailure", "Never"];

function duplicates(list: readonly JsonRecord[], path: string, errors: FieldError[]): void {
    const seen = new Set<unknown>();
    list.forEach(({ name }, at) => {
        if (name !== undefined && seen.has(name)) {
            errors.push({
                reason: "FieldValueDuplicate",
                field: `${path}[${at}].name`,
                detail: `Duplicate value: ${JSON.stringify(name)}`,
            });
        }
        seen.add(name);
    });
}

function validateContainer(
    container: JsonRecord,
    path: string,
    volumes: ReadonlySet<unknown>,
    errors: FieldError[],
): void {
    const name = asText(container["name"]);
    if (name === undefined) errors.push(required(`${path}.name`));
    else if (!DNS_LABEL.test(name) || name.length > MAX_LABEL) {
        errors.push(
            invalidValue(
                `${path}.name`,
                name,
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
            ),
        );
    }
    if (asText(container["image"]) === undefined) errors.push(required(`${path}.image`));
    asRecords(container["env"]).forEach((variable, at) => {
        if (asText(variable["name"]) === undefined) errors.push(required(`${path}.env[${at}].name`));
    });
    asRecords(container["ports"]).forEach(({ containerPort, protocol }, at) => {
        const port = Number(containerPort);
        if (containerPort === undefined) errors.push(required(`${path}.ports[${at}].containerPort`));
        else if (port < 1 || port > 65_535)
            errors.push(
                invalidValue(`${path}.ports[${at}].containerPort`, port, "must be between 1 and 65535, inclusive"),
            );
        if (!["TCP", "UDP", "SCTP"].includes(String(protocol)))
            errors.push(notSupported(`${path}.ports[${at}].protocol`, protocol, ["SCTP", "TCP", "UDP"]));
    });
    asRecords(container["volumeMounts"]).forEach((mount, at) => {
        if (!volumes.has(mount["name"])) {
            errors.push({
                reason: "FieldValueNotFound",
                field: `${path}.volumeMounts[${at}].name`,
                detail: `Not found: ${JSON.stringify(mount["name"] ?? "")}`,
            });
        }
        if (asText(mount["mountPath"]) === undefined) errors.push(required(`${path}.volumeMounts[${at}].mountPath`));
    });
    for (const kind of ["limits", "requests"]) {
        for (const [resource, amount] of Object.entries(asRecord(asRecord(container["resources"])[kind]))) {
            if (!QUANTITY.test(String(amount))) {
                errors.push(
                    invalidValue(
                        `${path}.resources.${kind}[${resource}]`,
                        amount,
                        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                    ),
                );
            }
        }
    }
    if (!["Always", "IfNotPresent", "Never"].includes(String(container["imagePullPolicy"]))) {
        errors.push(
            notSupported(`${path}.imagePullPolicy`, container["imagePullPolicy"], ["Always", "IfNotPresent", "Never"]),
        );
    }
}

export function validatePodSpec(
    spec: JsonRecord,
    path: string,
    policies: readonly string[] = RESTART_POLICIES,
): FieldError[] {
    const errors: FieldError[] = [];
    const containers = asRecords(spec["containers"]);
    const volumes = asRecords(spec["volumes"]);
    const volumeNames = new Set(volumes.map(({ name }) => name));
    volumes.forEach(({ name }, at) => {
        if (asText(name) === undefined) errors.push(required(`${path}.volumes[${at}].name`));
    });
    duplicates(volumes, `${path}.volumes`, errors);
    if (containers.length === 0) errors.push(required(`${path}.containers`));
    for (const list of ["initContainers", "containers"]) {
        asRecords(spec[list]).forEach((container, at) => {
            validateContainer(container, `${path}.${list}[${at}]`, volumeNames, errors);
        });
    }
    duplicates([...asRecords(spec["initContainers"]), ...containers], `${path}.containers`, errors);
    const { restartPolicy } = spec;
    if (!policies.includes(String(restartPolicy))) {
        // "Always" is the default: a Job whose author said nothing is told to say something.
        const unsaid = restartPolicy === "Always";
        const values = `valid values: ${policies.map((policy) => `"${policy}"`).join(", ")}`;
        errors.push(
            unsaid
                ? required(`${path}.restartPolicy`, values)
                : notSupported(`${path}.restartPolicy`, restartPolicy, policies),
        );
    }
    return errors;
}

/** Of a pod's spec only images, deadlines and added tolerations may change once it exists. */
export function validatePod(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    const spec = asRecord(object["spec"]);
    if (current === undefined) return validatePodSpec(spec, "spec");
    const fixed = (pod: KubeObject): unknown => {
        const {
            activeDeadlineSeconds,
            tolerations,
            terminationGracePeriodSeconds,
            nodeName,
            ephemeralContainers,
            schedulingGates,
            nodeSelector,
            affinity,
            ...rest
        } = asRecord(pod["spec"]);
        const bare = (list: unknown): unknown => asRecords(list).map(({ image, resources, ...container }) => container);
        return { ...rest, containers: bare(rest["containers"]), initContainers: bare(rest["initContainers"]) };
    };
    const before = asRecord(current["spec"]);
    const rebound = before["nodeName"] !== undefined && before["nodeName"] !== spec["nodeName"];
    if (!rebound && isDeepStrictEqual(fixed(object), fixed(current))) return [];
    return [
        forbiddenField(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ),
    ];
}

/** Selector, template and replica rules shared by the workload kinds. */
export function validateWorkload(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    const errors: FieldError[] = [];
    const spec = asRecord(object["spec"]);
    const { selector, template, replicas } = spec;
    if (typeof replicas === "number" && replicas < 0) {
        errors.push(invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
    const isJob = object.kind === "Job";
    if (selector === undefined && !isJob) errors.push(required("spec.selector"));
    else if (selector !== undefined) {
        const { matchLabels, matchExpressions } = asRecord(selector);
        if (Object.keys(asRecord(matchLabels)).length + asRecords(matchExpressions).length === 0) {
            errors.push(invalidValue("spec.selector", selector, "empty selector is invalid for deployment"));
        }
        const labels = asTexts(asRecord(asRecord(template)["metadata"])["labels"]);
        if (!labelSelectorMatcher(selector)(labels)) {
            errors.push(
                invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
            );
        }
    }
    if (current !== undefined && !isDeepStrictEqual(selector, asRecord(current["spec"])["selector"])) {
        errors.push(invalidValue("spec.selector", selector, "field is immutable"));
    }
    const policies = isJob ? ["OnFailure", "Never"] : ["Always"];
    errors.push(...validatePodSpec(asRecord(asRecord(template)["spec"]), "spec.template.spec", policies));
    return errors;
}

export function validateData(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const field of ["data", "binaryData"]) {
        for (const [key, value] of Object.entries(asRecord(object[field]))) {
            bytes += String(value).length;
            const binary = field === "binaryData" || object.kind === "Secret";
            if (binary && !isBase64(String(value))) {
                throw badRequest(
                    `${object.kind} in version "v1" cannot be handled as a ${object.kind}: ${field}[${key}] is not base64`,
                );
            }
            if (!DATA_KEY.test(key)) {
                errors.push(
                    invalidValue(
                        `${field}[${key}]`,
                        key,
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                    ),
                );
            }
        }
    }
    if (bytes > MAX_DATA_BYTES * (object.kind === "Secret" ? 4 / 3 : 1)) {
        errors.push({
            reason: "FieldValueTooLong",
            field: "data",
            detail: `Too long: may not be more than ${MAX_DATA_BYTES} bytes`,
        });
    }
    if (current?.["immutable"] === true) {
        const changed = ["data", "binaryData", "immutable"].some(
            (field) => !isDeepStrictEqual(object[field], current[field]),
        );
        if (changed) errors.push(forbiddenField("data", "field is immutable when `immutable` is set"));
    }
    if (object.kind === "Secret" && current !== undefined && object["type"] !== current["type"]) {
        errors.push(invalidValue("type", object["type"], "field is immutable"));
    }
    return errors;
}

export function validateNode(object: KubeObject): FieldError[] {
    return asRecords(asRecord(object["spec"])["taints"]).flatMap(({ key, effect }, at) => {
        const errors: FieldError[] = [];
        if (asText(key) === undefined) errors.push(required(`spec.taints[${at}].key`));
        if (!["NoSchedule", "PreferNoSchedule", "NoExecute"].includes(String(effect))) {
            errors.push(
                notSupported(`spec.taints[${at}].effect`, effect ?? "", [
                    "NoSchedule",
                    "PreferNoSchedule",
                    "NoExecute",
                ]),
            );
        }
        return errors;
    });
}

export function validateService(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    const errors: FieldError[] = [];
    const spec = asRecord(object["spec"]);
    const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if (!types.includes(String(spec["type"]))) errors.push(notSupported("spec.type", spec["type"], types));
    const ports = asRecords(spec["ports"]);
    if (ports.length === 0 && spec["type"] !== "ExternalName" && spec["clusterIP"] !== "None")
        errors.push(required("spec.ports"));
    ports.forEach(({ port, name }, at) => {
        if (!(Number(port) >= 1 && Number(port) <= 65_535))
            errors.push(invalidValue(`spec.ports[${at}].port`, port ?? 0, "must be between 1 and 65535, inclusive"));
        if (ports.length > 1 && asText(name) === undefined) errors.push(required(`spec.ports[${at}].name`));
    });
    const before = asRecord(current?.["spec"])["clusterIP"];
    if (asText(before) !== undefined && before !== spec["clusterIP"] && spec["type"] !== "ExternalName") {
        errors.push(invalidValue("spec.clusterIPs[0]", spec["clusterIP"], "may not change once set"));
    }
    return errors;
}

export function validateRoleBinding(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    if (current === undefined || isDeepStrictEqual(object["roleRef"], current["roleRef"])) return [];
    return [invalidValue("roleRef", object["roleRef"], "cannot change roleRef")];
}

export function validateRuntimeClass(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    if (asText(object["handler"]) === undefined) return [required("handler")];
    if (current !== undefined && current["handler"] !== object["handler"])
        return [invalidValue("handler", object["handler"], "field is immutable")];
    return [];
}
