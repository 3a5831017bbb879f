// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorText, RedgeError } from "../../../src/core/errors/redge-error.ts";

const INSTALL_TIMEOUT_MS = 300_000;
/** A set of modules that no pod has asked for in so long is removed. */
const KEEP_MS = 30 * 24 * 3_600_000;
/** Beginning with no dash: npm would take it for an option. */
const NAME = "(?:@[a-z0-9~][a-z0-9-._~]*/)?[a-z0-9~][a-z0-9-._~]*";
const SPEC = new RegExp(`^(${NAME})@(\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z.-]+)?|file:/.+\\.tgz)$`);

export interface PaletteModule {
    readonly name: string;
    /** An exact version, or `file:/path.tgz` on the gateway. */
    readonly version: string;
}

/** Reads one entry of the annotation. A range would give two gateways different code. @throws REDGE_FLOW_MODULE */
export function parseModule(text: string): PaletteModule {
    const [, name, version] = SPEC.exec(text) ?? [];
    if (name === undefined || version === undefined) {
        const reason = "it is not like name@1.2.3, with an exact version";
        throw new RedgeError("REDGE_FLOW_MODULE", { module: text, reason });
    }
    return { name, version };
}

/**
 * Folders of palette modules for processes of pods' own, one folder for each list: installed once, locked by npm's lock file,
 * kept over restarts so that a gateway without a link starts its pods, shared by pods of the same list.
 */
export class ModuleFolders {
    readonly #dir: string;
    readonly #running = new Map<string, Promise<string>>();

    constructor(dir: string) {
        this.#dir = dir;
    }

    /** The folder whose node_modules has exactly these modules and what they need. @throws REDGE_FLOW_MODULE */
    get(modules: readonly string[]): Promise<string> {
        const specs = [...modules].sort();
        for (const spec of specs) parseModule(spec);
        const folder = join(this.#dir, createHash("sha256").update(specs.join("\n")).digest("hex").slice(0, 16));
        const running = this.#running.get(folder) ?? install(folder, specs).finally(() => this.#running.delete(folder));
        this.#running.set(folder, running);
        return running;
    }

    /** Removes what was not asked for in a long time, and installs that a kill cut off. */
    async prune(nowMs: number): Promise<void> {
        await mkdir(this.#dir, { recursive: true });
        for (const name of await readdir(this.#dir)) {
            const path = join(this.#dir, name);
            const { mtimeMs } = await stat(path);
            if (name.endsWith(".new") || nowMs - mtimeMs > KEEP_MS) await rm(path, { recursive: true, force: true });
        }
    }
}

async function install(folder: string, specs: readonly string[]): Promise<string> {
    if (existsSync(folder)) {
        const now = new Date();
        await utimes(folder, now, now);
        return folder;
    }
    const making = `${folder}.new`;
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { recursive: true });
    await writeFile(join(making, "package.json"), JSON.stringify({ name: "pod-modules", private: true }));
    const options = ["--no-audit", "--no-fund", "--no-progress", "--save-exact", "--loglevel=error"];
    try {
        await promisify(execFile)("npm", ["install", "--prefix", making, ...options, "--", ...specs], {
            cwd: making,
            timeout: INSTALL_TIMEOUT_MS,
        });
    } catch (thrown) {
        await rm(making, { recursive: true, force: true });
        const stderr = (thrown as { stderr?: string }).stderr?.trim();
        throw new RedgeError(
            "REDGE_FLOW_MODULE",
            { module: specs.join(", "), reason: stderr || errorText(thrown) },
            thrown,
        );
    }
    await rename(making, folder);
    return folder;
}
