// SPDX-License-Identifier: Apache-2.0
import { randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorText, RedgeError } from "../../src/core/errors/redge-error.ts";

export const ADMIN_USER = "admin";

/** Makes a folder only its owner can read. @throws REDGE_CLI_HOME_UNUSABLE */
export function ensureFolder(path: string): void {
    try {
        mkdirSync(path, { recursive: true, mode: 0o700 });
        chmodSync(path, 0o700);
    } catch (thrown) {
        throw new RedgeError("REDGE_CLI_HOME_UNUSABLE", { path, reason: errorText(thrown) }, thrown);
    }
}

/** Reads a secret that is made on first use and kept as a file of its owner (0600). */
export function keptSecret(folder: string, name: string, bytes: number): string {
    ensureFolder(folder);
    const path = join(folder, name);
    if (existsSync(path)) return readFileSync(path, "utf8").trim();
    const secret = randomBytes(bytes).toString("base64url");
    writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: "wx" });
    return secret;
}

/** Node-RED's `adminAuth` for one user with the given password. */
export function adminAuth(password: string): Record<string, unknown> {
    const user = { username: ADMIN_USER, permissions: "*" };
    const expected = Buffer.from(password);
    const same = (given: string): boolean => {
        const bytes = Buffer.from(given);
        return bytes.length === expected.length && timingSafeEqual(bytes, expected);
    };
    return {
        type: "credentials",
        users: async (username: string) => (username === ADMIN_USER ? user : null),
        authenticate: async (username: string, given: string) => (username === ADMIN_USER && same(given) ? user : null),
    };
}
