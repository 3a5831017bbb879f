// SPDX-License-Identifier: Apache-2.0
import { writeWhole } from "../../../store/files.ts";
import type { PemPair } from "./pki.ts";

const NAME = "redge";
const USER = "redge-admin";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Writes a kubeconfig (mode 0600) that holds everything kubectl needs to be the administrator. */
export async function writeKubeconfig(path: string, server: string, caPem: string, admin: PemPair): Promise<void> {
    const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: NAME, cluster: { server, "certificate-authority-data": base64(caPem) } }],
        users: [
            {
                name: USER,
                user: { "client-certificate-data": base64(admin.certPem), "client-key-data": base64(admin.keyPem) },
            },
        ],
        contexts: [{ name: NAME, context: { cluster: NAME, user: USER } }],
        "current-context": NAME,
        preferences: {},
    };
    const { stringify } = await import("yaml");
    await writeWhole(path, stringify(config, { lineWidth: 0 }), 0o600);
}
