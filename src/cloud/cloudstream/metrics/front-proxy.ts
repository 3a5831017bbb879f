// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { authenticated, type User } from "../../../kube/authz/user.ts";
import { readCertificate } from "../../../link/identity/x509.ts";
import { type FrontProxy, isIssued } from "../authorities.ts";

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/**
 * On whose behalf the API server's aggregation layer asks, as its headers say; undefined when the caller is not it. (The
 * "authenticating proxy" of the Kubernetes documentation.)
 */
export function frontProxyUser(request: IncomingMessage, proxy: FrontProxy, nowMs: number): User | undefined {
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
    if (certificate === undefined || certificate.keyUsage?.includes(CLIENT_AUTH) === false) return undefined;
    if (!isIssued(certificate, proxy.authorities, nowMs)) return undefined;
    const { commonName } = readCertificate(certificate.raw);
    if (proxy.allowedNames.length > 0 && !proxy.allowedNames.includes(commonName)) return undefined;
    const [name] = valuesOf(request, proxy.userHeaders);
    if (name === undefined) return undefined;
    const groups = valuesOf(request, proxy.groupHeaders);
    return authenticated(name, groups);
}

/** What the first of the headers that is there says, all its values. */
function valuesOf(request: IncomingMessage, names: readonly string[]): readonly string[] {
    for (const name of names) {
        const values = request.headersDistinct[name]?.filter((value) => value !== "");
        if (values !== undefined && values.length > 0) return values;
    }
    return [];
}
