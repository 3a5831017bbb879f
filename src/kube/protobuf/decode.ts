// SPDX-License-Identifier: Apache-2.0
import raw from "./fields.json";
import { readFields, toNumber, type WireField } from "./wire.ts";

/** Name, type (a scalar or a message of the table), and 0 one, 1 a list, 2 a map. */
type Field = readonly [name: string, type: string, many: number];
type Message = Readonly<Record<string, Field>>;
type Fields = Record<string, unknown>;

/** Made by scripts/protobuf-fields.mjs. */
const messages = raw as unknown as Readonly<Record<string, Message>>;

const MAGIC = Buffer.from("k8s\0");
const MAX_DEPTH = 64;

/** Kinds that every group serves under its own version. */
const META_KINDS = new Set(["DeleteOptions", "CreateOptions", "PatchOptions", "UpdateOptions"]);

/** Messages that Go embeds: in JSON their fields stand among those of their parent. */
const INLINE = new Set([
    "volumeSource",
    "persistentVolumeSource",
    "localObjectReference",
    "handler",
    "ephemeralContainerCommon",
    "ingressRuleValue",
]);
/** A RuntimeClass' handler is a text of its own. */
const NOT_INLINE = new Set(["node.v1.RuntimeClass"]);

/**
 * Go leaves "not set" and "zero" of plain numbers, booleans and texts no different on the wire, and JSON leaves both
 * out. Fields that are pointers in Go are only sent when they were set: in these a zero means something.
 */
const ZERO_COUNTS = new Set(
    (
        "replicas parallelism completions backoffLimit activeDeadlineSeconds ttlSecondsAfterFinished suspend partition " +
        "terminationGracePeriodSeconds gracePeriodSeconds tolerationSeconds runAsUser runAsGroup fsGroup defaultMode mode " +
        "revisionHistoryLimit progressDeadlineSeconds priority successfulJobsHistoryLimit failedJobsHistoryLimit " +
        "startingDeadlineSeconds minReplicas stabilizationWindowSeconds automountServiceAccountToken enableServiceLinks " +
        "allowPrivilegeEscalation privileged readOnlyRootFilesystem runAsNonRoot controller blockOwnerDeletion optional " +
        "immutable shareProcessNamespace hostUsers orphanDependents allowVolumeExpansion storageClassName " +
        "allocateLoadBalancerNodePorts"
    ).split(" "),
);

/**
 * A Kubernetes object from `application/vnd.kubernetes.protobuf`, as its JSON would be. kubectl sends this for its
 * `create` sub-commands and evictions (kubernetes.io, "Kubernetes Protobuf encoding").
 * @throws Error when it is no such object or of a kind that is not built in
 */
export function decodeProtobuf(body: Buffer): unknown {
    if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error("it does not begin with the mark of Kubernetes");
    const unknown = readFields(body.subarray(MAGIC.length));
    const typeMeta = readFields(bytesOf(unknown, 1) ?? Buffer.alloc(0));
    const apiVersion = bytesOf(typeMeta, 1)?.toString("utf8") ?? "";
    const kind = bytesOf(typeMeta, 2)?.toString("utf8") ?? "";
    const contentType = bytesOf(unknown, 4)?.toString("utf8") ?? "";
    const content = bytesOf(unknown, 2) ?? Buffer.alloc(0);
    if (contentType === "application/json") return JSON.parse(content.toString("utf8")) as unknown;
    const type = messageOf(apiVersion, kind);
    if (type === undefined) throw new Error(`${apiVersion} ${kind} is not known in protobuf; send it as JSON`);
    return { apiVersion, kind, ...message(type, content, 0) };
}

function messageOf(apiVersion: string, kind: string): string | undefined {
    if (META_KINDS.has(kind)) return `meta.v1.${kind}`;
    const slash = apiVersion.indexOf("/");
    const group = slash < 0 ? "core" : apiVersion.slice(0, slash).split(".")[0];
    const name = `${group}.${apiVersion.slice(slash + 1)}.${kind}`;
    return Object.hasOwn(messages, name) ? name : undefined;
}

function message(type: string, bytes: Buffer, depth: number): Fields {
    if (depth > MAX_DEPTH) throw new Error("it is nested too deeply");
    const schema = messages[type];
    if (schema === undefined) throw new Error(`${type} is not known in protobuf`);
    const result: Fields = {};
    for (const wire of readFields(bytes)) {
        const field = schema[wire.number];
        // A field of a newer Kubernetes: ignored, as JSON of an unknown field would be.
        if (field !== undefined) place(result, type, field, wire, depth);
    }
    return result;
}

function place(result: Fields, owner: string, [name, type, many]: Field, wire: WireField, depth: number): void {
    if (many === 2) {
        const entry = message(type, rawBytes(wire), depth + 1);
        const map = (result[name] ?? {}) as Fields;
        define(map, String(entry["key"] ?? ""), entry["value"] ?? "");
        result[name] = map;
        return;
    }
    const value = decodeField(name, type, wire, depth);
    if (many === 1) {
        const list = (result[name] ?? []) as unknown[];
        list.push(value ?? "");
        result[name] = list;
    } else if (INLINE.has(name) && !NOT_INLINE.has(owner)) Object.assign(result, value);
    else if (value !== undefined) result[name] = value;
}

function decodeField(name: string, type: string, wire: WireField, depth: number): unknown {
    const keep = ZERO_COUNTS.has(name);
    switch (type) {
        case "string": {
            const text = rawBytes(wire).toString("utf8");
            return text === "" && !keep ? undefined : text;
        }
        case "bytes":
            return rawBytes(wire).toString("base64");
        case "int": {
            const number = "varint" in wire ? toNumber(wire.varint) : 0;
            return number === 0 && !keep ? undefined : number;
        }
        case "bool": {
            const set = "varint" in wire && wire.varint !== 0n;
            return set || keep ? set : undefined;
        }
        case "double":
            return rawBytes(wire).readDoubleLE(0);
        default:
            return SPECIAL.has(type) ? special(type, wire) : message(type, rawBytes(wire), depth + 1);
    }
}

/** Types whose JSON is not an object of their fields. */
function special(type: string, wire: WireField): unknown {
    const fields = readFields(rawBytes(wire));
    const text = (number: number): string => bytesOf(fields, number)?.toString("utf8") ?? "";
    const number = (wanted: number): number => {
        const found = fields.find((field) => field.number === wanted);
        return found !== undefined && "varint" in found ? toNumber(found.varint) : 0;
    };
    switch (type) {
        case "meta.v1.Time":
            if (fields.length === 0) return undefined;
            return new Date(number(1) * 1000).toISOString().replace(/\.\d+Z$/, "Z");
        case "meta.v1.MicroTime": {
            if (fields.length === 0) return undefined;
            const micros = String(Math.floor(number(2) / 1000)).padStart(6, "0");
            return new Date(number(1) * 1000).toISOString().replace(/\.\d+Z$/, `.${micros}Z`);
        }
        case "meta.v1.Duration":
            return `${number(1) / 1e9}s`;
        case "api.resource.Quantity":
            return text(1);
        case "util.intstr.IntOrString":
            return number(1) === 1 ? text(3) : number(2);
        case "authentication.v1.ExtraValue":
        case "authorization.v1.ExtraValue":
            return fields.map((field) => rawBytes(field).toString("utf8"));
        default: {
            const json = text(1);
            return json === "" ? undefined : (JSON.parse(json) as unknown);
        }
    }
}

const SPECIAL = new Set([
    "meta.v1.Time",
    "meta.v1.MicroTime",
    "meta.v1.Duration",
    "api.resource.Quantity",
    "util.intstr.IntOrString",
    "authentication.v1.ExtraValue",
    "authorization.v1.ExtraValue",
    "runtime.RawExtension",
    "meta.v1.FieldsV1",
]);

function rawBytes(wire: WireField): Buffer {
    if ("bytes" in wire) return wire.bytes;
    throw new Error(`field ${wire.number} is a number where bytes are wanted`);
}

function bytesOf(fields: readonly WireField[], number: number): Buffer | undefined {
    const found = fields.find((field) => field.number === number);
    return found !== undefined && "bytes" in found ? found.bytes : undefined;
}

/** A key of a map is the client's choice: "__proto__" must become an ordinary property. */
function define(map: Fields, key: string, value: unknown): void {
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}
