// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { EventBusConfig } from "./config.ts";

export interface TlsFiles {
    readonly cert?: Buffer;
    readonly key?: Buffer;
    readonly ca?: Buffer;
}

/** Reads the PEM files that the configuration names. @throws REDGE_EVENTBUS_TLS */
export async function readTlsFiles({ certFile, keyFile, caFile }: EventBusConfig): Promise<TlsFiles> {
    try {
        return {
            ...(certFile === undefined ? {} : { cert: await readFile(certFile) }),
            ...(keyFile === undefined ? {} : { key: await readFile(keyFile) }),
            ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
        };
    } catch (thrown) {
        throw new RedgeError("REDGE_EVENTBUS_TLS", { reason: errorText(thrown) }, thrown);
    }
}
