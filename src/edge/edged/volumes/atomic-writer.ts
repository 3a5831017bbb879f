// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
    chmod,
    chown,
    mkdir,
    mkdtemp,
    readdir,
    readlink,
    rename,
    rm,
    symlink,
    unlink,
    writeFile,
} from "node:fs/promises";
import { dirname, join, posix } from "node:path";

export interface PayloadFile {
    readonly data: Buffer;
    /** Permission bits, e.g. 0o644. */
    readonly mode: number;
    /** Owned by this user id; absent: by the gateway's. */
    readonly uid?: number;
}

/** Relative path → file. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/**
 * Makes `dir` show exactly `payload`, all files changing at one moment: they lie in a fresh folder that the link `..data`
 * names, and every visible name is a link through `..data` (the layout that Kubernetes gives ConfigMap volumes, which
 * applications watch for). Returns false when it already showed that.
 */
export async function writeAtomically(dir: string, payload: Payload, fsGroup?: number): Promise<boolean> {
    await mkdir(dir, { recursive: true, mode: 0o755 });
    const digest = digestOf(payload, fsGroup);
    const current = await readlink(join(dir, "..data")).catch(() => undefined);
    if (current?.endsWith(digest)) return false;
    const stage = await mkdtemp(join(dir, "..stage_"));
    for (const [path, file] of payload) {
        const target = join(stage, path);
        await mkdir(dirname(target), { recursive: true, mode: 0o755 });
        await writeFile(target, file.data);
        await chmod(target, fsGroup === undefined ? file.mode : file.mode | ((file.mode & 0o400) >> 3));
        const [uid, gid] = [file.uid ?? process.getuid?.() ?? 0, fsGroup ?? process.getgid?.() ?? 0];
        if (file.uid !== undefined || fsGroup !== undefined) await chown(target, uid, gid).catch(ignoreNotRoot);
    }
    await chmod(stage, 0o755);
    const folder = `..${Date.now().toString(36)}_${digest}`;
    await rename(stage, join(dir, folder));
    await rm(join(dir, "..data_tmp"), { force: true });
    await symlink(folder, join(dir, "..data_tmp"));
    await rename(join(dir, "..data_tmp"), join(dir, "..data"));
    await showNames(dir, payload);
    await sweep(dir, folder);
    return true;
}

async function showNames(dir: string, payload: Payload): Promise<void> {
    const names = new Set([...payload.keys()].map((path) => path.split("/")[0] ?? path));
    for (const name of names) {
        await symlink(posix.join("..data", name), join(dir, name)).catch((thrown: NodeJS.ErrnoException) => {
            if (thrown.code !== "EEXIST") throw thrown;
        });
    }
    for (const name of await readdir(dir)) {
        if (!name.startsWith("..") && !names.has(name)) await unlink(join(dir, name));
    }
}

async function sweep(dir: string, keep: string): Promise<void> {
    for (const name of await readdir(dir)) {
        if (name.startsWith("..") && name !== "..data" && name !== keep) {
            await rm(join(dir, name), { recursive: true, force: true });
        }
    }
}

function digestOf(payload: Payload, fsGroup: number | undefined): string {
    const hash = createHash("sha256").update(String(fsGroup));
    for (const [path, { data, mode, uid }] of [...payload].sort(([a], [b]) => (a < b ? -1 : 1))) {
        hash.update(`\0${path}\0${mode}${uid === undefined ? "" : ` ${uid}`}\0${data.length}\0`).update(data);
    }
    return hash.digest("hex").slice(0, 32);
}

function ignoreNotRoot(thrown: NodeJS.ErrnoException): void {
    if (thrown.code !== "EPERM") throw thrown;
}
