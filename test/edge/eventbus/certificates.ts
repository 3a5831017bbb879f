// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const openssl = (folder: string, args: string): void => {
    const { status, stderr } = spawnSync("openssl", args.split(" "), { cwd: folder });
    if (status !== 0) throw new Error(stderr.toString());
};

/**
 * Makes a CA (ca.crt), a certificate of it for localhost (server.crt, server.key) and one for a client (client.crt, client.key), by openssl.
 * @returns the new folder, which is the caller's to remove
 */
export function makeCertificates(): string {
    const folder = mkdtempSync(join(tmpdir(), "redge-certificates-"));
    const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder, `req -x509 ${key} -keyout ca.key -out ca.crt -days 2 -subj /CN=ca`);
    writeFileSync(join(folder, "ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
    for (const name of ["server", "client"]) {
        openssl(folder, `req ${key} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
        const sign = `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out ${name}.crt -days 2`;
        openssl(folder, name === "server" ? `${sign} -extfile ext` : sign);
    }
    return folder;
}
