// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a site remembers between starts. */
export interface SiteRecord {
    /** The demo's objects were applied once; later starts leave alone what the operator made of them. */
    readonly demoApplied: boolean;
}

export function readSiteRecord(home: string): SiteRecord {
    const path = join(home, "site.json");
    if (!existsSync(path)) return { demoApplied: false };
    return { demoApplied: (JSON.parse(readFileSync(path, "utf8")) as Partial<SiteRecord>).demoApplied === true };
}

export function writeSiteRecord(home: string, record: SiteRecord): void {
    const path = join(home, "site.json");
    writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
}
