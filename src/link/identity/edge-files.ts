// SPDX-License-Identifier: Apache-2.0
import { type KeyObject, X509Certificate } from "node:crypto";
import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { readIfThere, writeWhole } from "../../store/files.ts";
import { syncFolder } from "../../store/nedb-file.ts";
import { type KeyPair, keyPem, newKey, readKey } from "./key-pair.ts";
import { toPem } from "./x509.ts";

/** What a node has: the CA it trusts and its pair. */
export interface NodeMaterial extends KeyPair {
    readonly ca: X509Certificate;
}

/**
 * A node's certificate files, named as EdgeCore names them below /etc/kubeedge. A new pair is written beside the old one
 * (`.next`) and then renamed; whatever moment the power fails at, a matching pair is found again.
 */
export class EdgeFiles {
    readonly #ca: string;
    readonly #certificate: string;
    readonly #key: string;

    constructor(folder: string) {
        this.#ca = join(folder, "ca/rootCA.crt");
        this.#certificate = join(folder, "certs/server.crt");
        this.#key = join(folder, "certs/server.key");
    }

    /**
     * Undefined when the node has not joined yet.
     * @throws REDGE_IDENTITY_MATERIAL for files that are damaged, REDGE_IDENTITY_STORAGE
     */
    async load(): Promise<NodeMaterial | undefined> {
        const pair = await this.#guard(() => this.#loadPair());
        const ca = await this.#guard(() => readIfThere(this.#ca));
        if (pair === undefined || ca === undefined) return undefined;
        try {
            return { ...pair, ca: new X509Certificate(ca) };
        } catch (error) {
            throw this.#damaged("CA certificate", error);
        }
    }

    /** The key to ask a certificate for: kept until it has one, so that a repeated request is the same request. */
    async nextKey(): Promise<KeyObject> {
        return await this.#guard(async () => {
            const kept = await readIfThere(next(this.#key));
            if (kept !== undefined) {
                try {
                    return readKey(kept);
                } catch {
                    // Nothing was issued for a key that cannot be read: make another.
                }
            }
            const { key } = newKey();
            await writeWhole(next(this.#key), keyPem(key), 0o600);
            return key;
        });
    }

    /** Puts the pair of `nextKey` and its certificate in force. */
    async save(ca: X509Certificate, certificate: X509Certificate): Promise<void> {
        await this.#guard(async () => {
            await writeWhole(this.#ca, toPem("CERTIFICATE", ca.raw), 0o644);
            await writeWhole(next(this.#certificate), toPem("CERTIFICATE", certificate.raw), 0o644);
            await this.#promote();
        });
    }

    async #loadPair(): Promise<KeyPair | undefined> {
        const fresh = await this.#read(next(this.#certificate), [next(this.#key), this.#key]);
        if (fresh !== undefined) {
            await this.#promote();
            return fresh;
        }
        const pair = await this.#read(this.#certificate, [this.#key, next(this.#key)]);
        if (pair !== undefined) return pair;
        const certificate = await readIfThere(this.#certificate);
        if (certificate === undefined) return undefined;
        throw this.#damaged("node certificate", new Error("there is no key that belongs to it"));
    }

    async #read(certificateFile: string, keyFiles: readonly string[]): Promise<KeyPair | undefined> {
        const text = await readIfThere(certificateFile);
        if (text === undefined) return undefined;
        for (const keyFile of keyFiles) {
            const keyText = await readIfThere(keyFile);
            if (keyText === undefined) continue;
            try {
                const pair = { certificate: new X509Certificate(text), key: readKey(keyText) };
                if (pair.certificate.checkPrivateKey(pair.key)) return pair;
            } catch (error) {
                if (certificateFile === this.#certificate) throw this.#damaged("node certificate", error);
            }
        }
        return undefined;
    }

    /** The key first: between the two renames the new certificate is still found under its `.next` name. */
    async #promote(): Promise<void> {
        for (const file of [this.#key, this.#certificate]) {
            try {
                await rename(next(file), file);
            } catch (error) {
                if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
            }
        }
        await syncFolder(dirname(this.#certificate));
    }

    #damaged(what: string, error: unknown): RedgeError {
        const where = dirname(this.#certificate);
        return new RedgeError("REDGE_IDENTITY_MATERIAL", { what, where, reason: errorText(error) }, error);
    }

    async #guard<T>(action: () => Promise<T>): Promise<T> {
        try {
            return await action();
        } catch (error) {
            if (error instanceof RedgeError) throw error;
            const where = dirname(this.#certificate);
            throw new RedgeError("REDGE_IDENTITY_STORAGE", { where, reason: errorText(error) }, error);
        }
    }
}

function next(file: string): string {
    return `${file}.next`;
}
