// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { readIfThere, writeWhole } from "../../store/files.ts";
import { keyPem, readKey } from "./key-pair.ts";
import { toPem } from "./x509.ts";

/** What a certificate authority keeps: its own pair, the hub's pair, and what became of tokens. */
export type RecordName = "ca" | "server" | "tokens";

/** `certificate` and `key`, PEM or DER; `tokens` has the one field `state`. */
export type RecordFields = Readonly<Record<string, Buffer>>;

export interface StoredRecord {
    readonly fields: RecordFields;
    /** Opaque: for `write`. */
    readonly version: string;
}

/** Where the authority's records live. Several processes may share one. Errors: REDGE_IDENTITY_STORAGE. */
export interface AuthorityStorage {
    /** For people: a folder or a namespace. */
    readonly where: string;
    read(name: RecordName): Promise<StoredRecord | undefined>;
    /**
     * Replaces what `version` names (undefined: nothing).
     * @returns false when somebody else was faster; then read again
     */
    write(name: RecordName, fields: RecordFields, version: string | undefined): Promise<boolean>;
}

const FILES: Readonly<Record<RecordName, Readonly<Record<string, { readonly path: string; readonly mode: number }>>>> =
    {
        // The key first: a certificate without its key is the user's mistake, a key alone is an interrupted first start.
        ca: { key: { path: "ca/rootCA.key", mode: 0o600 }, certificate: { path: "ca/rootCA.crt", mode: 0o644 } },
        server: {
            key: { path: "certs/server.key", mode: 0o600 },
            certificate: { path: "certs/server.crt", mode: 0o644 },
        },
        tokens: { state: { path: "tokens.json", mode: 0o600 } },
    };

/** Files below one folder, laid out as KubeEdge lays out /etc/kubeedge. */
export function folderStorage(folder: string): AuthorityStorage {
    const read = async (name: RecordName): Promise<StoredRecord | undefined> => {
        const fields: Record<string, Buffer> = {};
        for (const [field, { path }] of Object.entries(FILES[name])) {
            const content = await readIfThere(join(folder, path));
            if (content !== undefined) fields[field] = content;
        }
        return Object.keys(fields).length === 0 ? undefined : { fields, version: versionOf(fields) };
    };
    return {
        where: folder,
        read: (name) => guard(folder, () => read(name)),
        write: (name, fields, version) =>
            guard(folder, async () => {
                if ((await read(name))?.version !== version) return false;
                for (const [field, { path, mode }] of Object.entries(FILES[name])) {
                    const content = fields[field];
                    if (content !== undefined) await writeWhole(join(folder, path), readable(field, content), mode);
                }
                return true;
            }),
    };
}

/** On disk certificates and keys are PEM, as people and KubeEdge's tools expect. */
function readable(field: string, content: Buffer): Buffer | string {
    if (field === "certificate") return toPem("CERTIFICATE", new X509Certificate(content).raw);
    return field === "key" ? keyPem(readKey(content)) : content;
}

/** Names of KubeEdge's Secrets (wire protocol, section 4.1); `tokenrecords` is Redge's own. */
const SECRETS: Readonly<
    Record<RecordName, { readonly name: string; readonly keys: Readonly<Record<string, string>> }>
> = {
    ca: { name: "casecret", keys: { certificate: "cadata", key: "cakeydata" } },
    server: { name: "cloudcoresecret", keys: { certificate: "cloudcoredata", key: "cloudcorekeydata" } },
    tokens: { name: "tokenrecords", keys: { state: "state" } },
};

/** Secrets in one namespace, in KubeEdge's format: every CloudHub replica and a stock CloudCore share them. */
export function secretStorage(cluster: KubeClient, namespace: string): AuthorityStorage {
    const where = `Secrets of namespace ${namespace}`;
    const refOf = (name: RecordName) => ({ type: Kinds.secret, namespace, name: SECRETS[name].name });
    const read = async (name: RecordName): Promise<StoredRecord | undefined> => {
        const secret = await cluster.get(refOf(name)).catch(absent);
        if (secret === undefined) return undefined;
        const data = (secret["data"] ?? {}) as Record<string, unknown>;
        const fields: Record<string, Buffer> = {};
        for (const [field, key] of Object.entries(SECRETS[name].keys)) {
            const value = data[key];
            if (typeof value === "string") fields[field] = Buffer.from(value, "base64");
        }
        return { fields, version: secret.metadata.resourceVersion ?? "" };
    };
    const write = async (name: RecordName, fields: RecordFields, version: string | undefined): Promise<boolean> => {
        const data: Record<string, string> = {};
        for (const [field, key] of Object.entries(SECRETS[name].keys)) {
            const content = fields[field];
            if (content !== undefined) data[key] = content.toString("base64");
        }
        const metadata = { name: SECRETS[name].name, namespace };
        const secret: KubeObject = { apiVersion: "v1", kind: "Secret", metadata, data };
        try {
            if (version === undefined) await cluster.create(Kinds.secret, secret);
            else
                await cluster.replace(Kinds.secret, { ...secret, metadata: { ...metadata, resourceVersion: version } });
            return true;
        } catch (error) {
            if (hasCode(error, 409)) return false;
            if (version !== undefined || !hasCode(error, 404)) throw error;
            await createNamespace(cluster, namespace);
            return write(name, fields, version);
        }
    };
    return {
        where,
        read: (name) => guard(where, () => read(name)),
        write: (name, fields, version) => guard(where, () => write(name, fields, version)),
    };
}

async function createNamespace(cluster: KubeClient, name: string): Promise<void> {
    try {
        await cluster.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    } catch (error) {
        if (!hasCode(error, 409)) throw error;
    }
}

function absent(error: unknown): undefined {
    if (hasCode(error, 404)) return undefined;
    throw error;
}

function hasCode(error: unknown, code: number): boolean {
    return isRedgeError(error, "REDGE_KUBE_STATUS") && error.details["code"] === code;
}

function versionOf(fields: RecordFields): string {
    const hash = createHash("sha256");
    for (const [field, content] of Object.entries(fields)) hash.update(field).update(content);
    return hash.digest("hex");
}

async function guard<T>(where: string, action: () => Promise<T>): Promise<T> {
    try {
        return await action();
    } catch (error) {
        throw new RedgeError("REDGE_IDENTITY_STORAGE", { where, reason: errorText(error) }, error);
    }
}
