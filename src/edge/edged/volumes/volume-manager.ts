// SPDX-License-Identifier: Apache-2.0
import { chmod, chown, lstat, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { errorText, isRedgeError, RedgeError } from "../../../core/errors/redge-error.ts";
import { expand } from "../env.ts";
import type { Container, Pod, Volume } from "../podspec/types.ts";
import type { Mount } from "../runtimes/runtime.ts";
import { writeAtomically } from "./atomic-writer.ts";
import { mountMemory, unmountAll } from "./memory.ts";
import { payloadOf, type VolumeContext } from "./payload.ts";

const PROPAGATION: Readonly<Record<string, NonNullable<Mount["propagation"]>>> = {
    HostToContainer: "rslave",
    Bidirectional: "rshared",
};

/** The folders of pods below `<rootDir>/pods/<uid>/`: volumes, termination messages, hosts file. */
export class VolumeManager {
    readonly #podsDir: string;

    constructor(rootDir: string) {
        this.#podsDir = join(rootDir, "pods");
    }

    podDir(podUid: string): string {
        return join(this.#podsDir, podUid);
    }

    /** Makes every volume of the pod; true when a file changed under one that was there. @throws REDGE_VOLUME_FAILED */
    async prepare(pod: Pod, context: VolumeContext): Promise<boolean> {
        let changed = false;
        for (const volume of pod.spec.volumes ?? []) {
            try {
                changed = (await this.#prepareOne(pod, volume, context)) || changed;
            } catch (thrown) {
                if (isRedgeError(thrown, "REDGE_VOLUME_FAILED")) throw thrown;
                throw new RedgeError("REDGE_VOLUME_FAILED", { volume: volume.name, reason: errorText(thrown) }, thrown);
            }
        }
        return changed;
    }

    /** Where a container sees the pod's volumes. @throws REDGE_VOLUME_FAILED */
    async mounts(pod: Pod, container: Container, env: ReadonlyMap<string, string>): Promise<readonly Mount[]> {
        const mounts: Mount[] = [];
        for (const mount of container.volumeMounts ?? []) {
            const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
            if (volume === undefined) {
                throw new RedgeError("REDGE_VOLUME_FAILED", {
                    volume: mount.name,
                    reason: "the pod has no such volume",
                });
            }
            const root = volume.hostPath?.path ?? this.volumeDir(pod.metadata.uid, volume.name);
            const sub = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, env);
            const propagation = PROPAGATION[mount.mountPropagation ?? ""];
            mounts.push({
                hostPath: sub ? await subPath(volume.name, root, sub) : root,
                containerPath: mount.mountPath,
                readOnly: mount.readOnly === true || payloadVolume(volume),
                ...(propagation === undefined ? {} : { propagation }),
            });
        }
        return mounts;
    }

    /** A fresh, empty file that becomes the container's termination message. */
    async terminationFile(podUid: string, container: string, attempt: number): Promise<string> {
        const dir = join(this.podDir(podUid), "containers", container);
        await mkdir(dir, { recursive: true });
        const path = join(dir, `message-${attempt}`);
        const file = await open(path, "a", 0o666);
        await file.chmod(0o666);
        await file.close();
        return path;
    }

    async remove(podUid: string): Promise<void> {
        await unmountAll(this.podDir(podUid));
        await rm(this.podDir(podUid), { recursive: true, force: true });
    }

    /** Pods that have a folder here. */
    async podUids(): Promise<readonly string[]> {
        return readdir(this.#podsDir).catch((thrown: NodeJS.ErrnoException) => {
            if (thrown.code === "ENOENT") return [];
            throw thrown;
        });
    }

    volumeDir(podUid: string, volume: string): string {
        return join(this.podDir(podUid), "volumes", volume);
    }

    async #prepareOne(pod: Pod, volume: Volume, context: VolumeContext): Promise<boolean> {
        if (volume.hostPath !== undefined) {
            await checkHostPath(volume.name, volume.hostPath.path, volume.hostPath.type ?? "");
            return false;
        }
        const dir = this.volumeDir(pod.metadata.uid, volume.name);
        const fsGroup = pod.spec.securityContext?.fsGroup;
        const payload = await payloadOf(pod, volume, context);
        if (payload !== undefined) {
            const existed = await exists(dir);
            return (await writeAtomically(dir, payload, fsGroup)) && existed;
        }
        if (volume.emptyDir !== undefined && !(await exists(dir))) {
            await mkdir(dir, { recursive: true });
            if (volume.emptyDir.medium === "Memory") await mountMemory(dir, volume.emptyDir.sizeLimit);
            await chmod(dir, fsGroup === undefined ? 0o777 : 0o2777);
            if (fsGroup !== undefined) await chown(dir, process.getuid?.() ?? 0, fsGroup);
        }
        return false;
    }
}

/** Volumes made of API objects are read-only for containers, as in Kubernetes. */
function payloadVolume(volume: Volume): boolean {
    return [volume.configMap, volume.secret, volume.downwardAPI, volume.projected].some((kind) => kind !== undefined);
}

async function subPath(volume: string, root: string, sub: string): Promise<string> {
    const clean = posix.normalize(sub);
    if (clean.startsWith("..") || posix.isAbsolute(clean)) {
        throw new RedgeError("REDGE_VOLUME_FAILED", { volume, reason: `subPath ${sub} leaves the volume` });
    }
    const path = join(root, clean);
    if (!(await exists(path))) await mkdir(path, { recursive: true });
    return path;
}

/** hostPath types of core/v1. */
async function checkHostPath(volume: string, path: string, type: string): Promise<void> {
    const wrong = (reason: string): RedgeError => new RedgeError("REDGE_VOLUME_FAILED", { volume, reason });
    if (type === "DirectoryOrCreate") await mkdir(path, { recursive: true, mode: 0o755 });
    if (type === "FileOrCreate") await (await open(path, "a", 0o644)).close();
    if (type === "") {
        // As container engines do for a bind whose source is missing.
        if (!(await exists(path))) await mkdir(path, { recursive: true, mode: 0o755 });
        return;
    }
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw wrong(`hostPath ${path} does not exist`);
    const fits: Readonly<Record<string, boolean>> = {
        Directory: found.isDirectory(),
        DirectoryOrCreate: found.isDirectory(),
        File: found.isFile(),
        FileOrCreate: found.isFile(),
        Socket: found.isSocket(),
        CharDevice: found.isCharacterDevice(),
        BlockDevice: found.isBlockDevice(),
    };
    if (fits[type] !== true) throw wrong(`hostPath ${path} is not a ${type}`);
}

async function exists(path: string): Promise<boolean> {
    return (await lstat(path).catch(() => undefined)) !== undefined;
}
