// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { asTexts } from "../../src/core/json.ts";
import { ensureFolder } from "./secrets.ts";

/** What a gateway was told when it joined; later starts need not be told again. */
const REMEMBERED = ["REDGE_NODE_NAME", "REDGE_CLOUD_URL", "REDGE_CLOUDHUB_URL", "REDGE_TUNNEL_URL"] as const;

/**
 * Fills the variables that this start was not told from what an earlier one was, and keeps them all for the next.
 * @throws REDGE_CLI_NOT_JOINED when no start was ever told where the cloud is
 */
export function recallCloud(userDir: string): void {
    ensureFolder(userDir);
    const path = join(userDir, "cloud.json");
    const kept = existsSync(path) ? asTexts(JSON.parse(readFileSync(path, "utf8"))) : {};
    for (const name of REMEMBERED) {
        const value = kept[name];
        if (value !== undefined) process.env[name] ??= value;
    }
    process.env["REDGE_NODE_NAME"] ??= hostname().toLowerCase();
    if (process.env["REDGE_CLOUD_URL"] === undefined) throw new RedgeError("REDGE_CLI_NOT_JOINED", { path: userDir });
    const record = Object.fromEntries(REMEMBERED.map((name) => [name, process.env[name]]));
    writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 4)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
}
