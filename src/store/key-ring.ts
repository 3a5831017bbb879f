// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { chmod, rename, rm } from "node:fs/promises";
import type { Ports } from "../core/component.ts";
import { errorText, RedgeError } from "../core/errors/redge-error.ts";
import { readIfThere, writeWhole } from "./files.ts";
import { quarantinePath } from "./quarantine.ts";
import { KEY_BYTES, type SealKey, sealKey } from "./seal.ts";

export interface OperatorKeys {
    readonly key?: string;
    readonly previousKey?: string;
}

/**
 * The keys of a store: the operator's, or those of a file only its owner can read, one a line, the newest first. The
 * first one seals; the others still open, until every record is sealed with the first.
 */
export class KeyRing {
    readonly #file: string;
    readonly #ports: Pick<Ports, "log" | "clock">;
    readonly #given: readonly SealKey[];
    readonly #isOperators: boolean;
    readonly #keys = new Map<string, SealKey>();
    #fileKeys: readonly SealKey[] = [];
    #making: Promise<SealKey> | undefined;

    /** @throws REDGE_STORE_KEY for an operator's key that is none */
    constructor(file: string, ports: Pick<Ports, "log" | "clock">, { key, previousKey }: OperatorKeys) {
        this.#file = file;
        this.#ports = ports;
        this.#isOperators = key !== undefined;
        const given: SealKey[] = [];
        if (key !== undefined) given.push(parseKey(key, "The given store key"));
        if (previousKey !== undefined) given.push(parseKey(previousKey, "The given previous store key"));
        this.#given = given;
    }

    /** All that open records, by id. */
    get all(): ReadonlyMap<string, SealKey> {
        return this.#keys;
    }

    /** Reads what there is; makes nothing. A file that holds no keys is put aside and reported. */
    async load(): Promise<void> {
        this.#fileKeys = await this.#readFile();
        const [first, ...older] = this.#given;
        const ordered = this.#isOperators ? [first, ...older, ...this.#fileKeys] : [...this.#fileKeys, ...this.#given];
        for (const key of ordered) if (key !== undefined) this.#keys.set(key.id, key);
    }

    /** The one that seals, made and on disk when there was none. */
    current(): Promise<SealKey> {
        const known = this.#isOperators ? this.#given[0] : this.#fileKeys[0];
        if (known !== undefined) return Promise.resolve(known);
        this.#making ??= this.#make().finally(() => {
            this.#making = undefined;
        });
        return this.#making;
    }

    /** Forgets all keys but the current one, also in the file: nothing is sealed with them any more. */
    async dropOlder(): Promise<void> {
        const kept = await this.current();
        if (this.#isOperators) await rm(this.#file, { force: true });
        else if (this.#fileKeys.length > 1) await this.#write([kept]);
        this.#fileKeys = this.#isOperators ? [] : [kept];
        this.#keys.clear();
        this.#keys.set(kept.id, kept);
    }

    async #make(): Promise<SealKey> {
        const key = sealKey(randomBytes(KEY_BYTES));
        await this.#write([key]);
        this.#fileKeys = [key];
        this.#keys.set(key.id, key);
        return key;
    }

    #write(keys: readonly SealKey[]): Promise<void> {
        return writeWhole(this.#file, keys.map(({ bytes }) => `${bytes.toString("hex")}\n`).join(""), 0o600);
    }

    async #readFile(): Promise<readonly SealKey[]> {
        const text = (await readIfThere(this.#file))?.toString("utf8");
        if (text === undefined) return [];
        await chmod(this.#file, 0o600);
        try {
            const lines = text.split("\n").filter((line) => line.trim() !== "");
            if (lines.length === 0)
                throw new RedgeError("REDGE_STORE_KEY", { where: this.#file, reason: "it is empty" });
            return lines.map((line) => parseKey(line, this.#file));
        } catch (thrown) {
            const kept = quarantinePath(this.#file, this.#ports.clock.nowMs());
            await rename(this.#file, kept);
            this.#ports.log.error("the key file of the store was put aside", { kept, reason: errorText(thrown) });
            return [];
        }
    }
}

/** Puts a new key first in a key file; the store takes it up when it is opened next. Answers how many keys it holds. */
export async function rotateKeyFile(file: string): Promise<number> {
    const text = (await readIfThere(file))?.toString("utf8") ?? "";
    const kept = text.split("\n").filter((line) => line.trim() !== "");
    for (const line of kept) parseKey(line, file);
    const all = [randomBytes(KEY_BYTES).toString("hex"), ...kept];
    await writeWhole(file, `${all.join("\n")}\n`, 0o600);
    return all.length;
}

function parseKey(text: string, where: string): SealKey {
    const trimmed = text.trim();
    const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, "hex") : Buffer.from(trimmed, "base64");
    if (bytes.length !== KEY_BYTES) {
        throw new RedgeError("REDGE_STORE_KEY", { where, reason: `it has ${bytes.length} bytes, not ${KEY_BYTES}` });
    }
    return sealKey(bytes);
}
