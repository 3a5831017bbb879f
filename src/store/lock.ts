// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { RedgeError } from "../core/errors/redge-error.ts";

interface Holder {
    readonly pid: number;
    /** When that process started, on this boot: a number that was given again names another process. */
    readonly born: string;
    readonly nonce: string;
}

/** Locks of this process; a file lock cannot tell two openings by one process apart. */
const held = new Map<string, string>();

/**
 * One writer a store: `<path>.lock` names the process that has it open. The lock of a process that is gone is taken over.
 * @returns the function that gives the lock back
 * @throws REDGE_STORE_LOCKED
 */
export async function lockStore(path: string): Promise<() => Promise<void>> {
    const file = `${path}.lock`;
    if (held.has(file)) throw new RedgeError("REDGE_STORE_LOCKED", { path, pid: process.pid });
    const nonce = randomUUID();
    held.set(file, nonce);
    try {
        const mine: Holder = { pid: process.pid, born: (await bornOf(process.pid)) ?? "", nonce };
        while (!(await create(file, mine))) await removeStale(path, file);
    } catch (error) {
        held.delete(file);
        throw error;
    }
    return async () => {
        if (held.get(file) !== nonce) return;
        held.delete(file);
        if ((await holderOf(file))?.nonce === nonce) await rm(file, { force: true });
    };
}

/** The whole content appears at once, so that nobody reads half a lock. */
async function create(file: string, mine: Holder): Promise<boolean> {
    const draft = `${file}.${mine.nonce}`;
    await writeFile(draft, JSON.stringify(mine), { mode: 0o600 });
    try {
        await link(draft, file);
        return true;
    } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EEXIST") return false;
        // FAT has no links: there the file is made first and filled at once.
        if (code === "EPERM" || code === "ENOTSUP" || code === "ENOSYS") return await createInPlace(file, mine);
        throw error;
    } finally {
        await rm(draft, { force: true });
    }
}

async function createInPlace(file: string, mine: Holder): Promise<boolean> {
    try {
        await writeFile(file, JSON.stringify(mine), { mode: 0o600, flag: "wx" });
        return true;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        throw error;
    }
}

async function removeStale(path: string, file: string): Promise<void> {
    const holder = await holderOf(file);
    if (holder !== undefined && (await isAlive(holder)))
        throw new RedgeError("REDGE_STORE_LOCKED", { path, pid: holder.pid });
    // Two processes may judge the same lock stale: the one whose renaming found another lock puts it back.
    const aside = `${file}.${randomUUID()}`;
    try {
        await rename(file, aside);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
        throw error;
    }
    const removed = await holderOf(aside);
    if (removed !== undefined && removed.nonce !== holder?.nonce) await link(aside, file);
    await rm(aside, { force: true });
}

async function holderOf(file: string): Promise<Holder | undefined> {
    try {
        const parsed: unknown = JSON.parse(await readFile(file, "utf8"));
        const { pid, born, nonce } = (parsed ?? {}) as Record<string, unknown>;
        if (typeof pid !== "number" || typeof nonce !== "string") return undefined;
        return { pid, born: String(born), nonce };
    } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT" || error instanceof SyntaxError) return undefined;
        throw error;
    }
}

async function isAlive(holder: Holder): Promise<boolean> {
    if (holder.pid === process.pid) return false; // Ours would be in `held`: the number was given again.
    try {
        process.kill(holder.pid, 0);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    }
    const born = await bornOf(holder.pid);
    return born === undefined || born === holder.born;
}

/** Boot and start time of a process, where /proc tells (Linux). */
async function bornOf(pid: number): Promise<string | undefined> {
    try {
        const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
        const stat = await readFile(`/proc/${pid}/stat`, "utf8");
        // Field 22, counted behind the command's closing parenthesis (proc(5)).
        return `${boot} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
    } catch {
        return undefined; // No /proc here, or no such process: then the process number alone decides.
    }
}
