// SPDX-License-Identifier: Apache-2.0
import { posix } from "node:path";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { type DownwardContext, fieldValue, lookupOptional, resourceValue } from "../env.ts";
import { dataOf } from "../objects.ts";
import type { DownwardItem, KeyToPath, Pod, ProjectedSource, Volume } from "../podspec/types.ts";
import type { Payload, PayloadFile } from "./atomic-writer.ts";

const DEFAULT_MODE = 0o644;

type Access = Omit<PayloadFile, "data">;

export interface VolumeContext extends DownwardContext {
    /** A service account token for that audience and life. */
    token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
}

/** The files of a volume that is made of API objects; undefined for the other kinds. */
export async function payloadOf(pod: Pod, volume: Volume, context: VolumeContext): Promise<Payload | undefined> {
    const files = new Map<string, PayloadFile>();
    if (volume.configMap !== undefined || volume.secret !== undefined) {
        const spec = volume.configMap ?? volume.secret ?? {};
        const type = volume.configMap === undefined ? "secret" : "configmap";
        const name = volume.configMap?.name ?? volume.secret?.secretName ?? "";
        const object = await lookupOptional(pod, type, name, spec.optional === true, context);
        addKeys(files, volume.name, object, spec.items, spec.defaultMode ?? DEFAULT_MODE, spec.optional === true);
        return files;
    }
    if (volume.downwardAPI !== undefined) {
        addDownward(files, pod, volume, volume.downwardAPI.items, volume.downwardAPI.defaultMode, context);
        return files;
    }
    if (volume.projected !== undefined) {
        const mode = volume.projected.defaultMode ?? DEFAULT_MODE;
        for (const source of volume.projected.sources ?? []) await project(files, pod, volume, source, mode, context);
        return files;
    }
    return undefined;
}

async function project(
    files: Map<string, PayloadFile>,
    pod: Pod,
    volume: Volume,
    source: ProjectedSource,
    mode: number,
    context: VolumeContext,
): Promise<void> {
    const keyed = source.configMap ?? source.secret;
    if (keyed !== undefined) {
        const type = source.configMap === undefined ? "secret" : "configmap";
        const optional = keyed.optional === true;
        const object = await lookupOptional(pod, type, keyed.name ?? "", optional, context);
        addKeys(files, volume.name, object, keyed.items, mode, optional);
    } else if (source.downwardAPI !== undefined) {
        addDownward(files, pod, volume, source.downwardAPI.items, mode, context);
    } else if (source.serviceAccountToken !== undefined) {
        const { audience, expirationSeconds, path } = source.serviceAccountToken;
        const token = await context.token(pod, audience, expirationSeconds ?? 3600);
        put(files, volume.name, path, Buffer.from(token), tokenAccess(pod, mode));
    }
}

/**
 * A token is for the user that the pod's containers run as, when they say one, or for the pod's group; who runs as what its
 * image says could not be foreseen, so the volume's mode counts then. A gateway that is not root can give it to nobody else.
 */
function tokenAccess(pod: Pod, mode: number): Access {
    const { securityContext, containers, initContainers = [] } = pod.spec;
    const users = new Set(
        [...containers, ...initContainers].map((one) => one.securityContext?.runAsUser ?? securityContext?.runAsUser),
    );
    const [uid] = users;
    if (process.getuid?.() !== 0) return { mode };
    if (users.size === 1 && uid !== undefined) return { mode: 0o600, uid };
    return { mode: securityContext?.fsGroup === undefined ? mode : 0o600 };
}

function addKeys(
    files: Map<string, PayloadFile>,
    volume: string,
    object: KubeObject | undefined,
    items: readonly KeyToPath[] | undefined,
    mode: number,
    optional: boolean,
): void {
    if (object === undefined) return;
    const data = dataOf(object);
    if (items === undefined || items.length === 0) {
        for (const [key, bytes] of data) put(files, volume, key, bytes, mode);
        return;
    }
    for (const item of items) {
        const bytes = data.get(item.key);
        if (bytes !== undefined) put(files, volume, item.path, bytes, item.mode ?? mode);
        else if (!optional) throw failed(volume, `${object.kind} ${object.metadata.name} has no key ${item.key}`);
    }
}

function addDownward(
    files: Map<string, PayloadFile>,
    pod: Pod,
    volume: Volume,
    items: readonly DownwardItem[] | undefined,
    mode: number | undefined,
    context: DownwardContext,
): void {
    const [first] = pod.spec.containers;
    for (const item of items ?? []) {
        const text =
            item.fieldRef !== undefined
                ? fieldValue(pod, item.fieldRef.fieldPath, context)
                : item.resourceFieldRef !== undefined && first !== undefined
                  ? resourceValue(pod, first, item.resourceFieldRef, context)
                  : "";
        put(files, volume.name, item.path, Buffer.from(text), item.mode ?? mode ?? DEFAULT_MODE);
    }
}

/** A path from an object must stay inside the volume. */
function put(
    files: Map<string, PayloadFile>,
    volume: string,
    path: string,
    data: Buffer,
    access: number | Access,
): void {
    const clean = posix.normalize(path);
    if (clean.startsWith("..") || posix.isAbsolute(clean) || clean === ".") {
        throw failed(volume, `the path ${path} leaves the volume`);
    }
    files.set(clean, { data, ...(typeof access === "number" ? { mode: access } : access) });
}

function failed(volume: string, reason: string): RedgeError {
    return new RedgeError("REDGE_VOLUME_FAILED", { volume, reason });
}
