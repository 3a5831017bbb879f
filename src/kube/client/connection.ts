// SPDX-License-Identifier: Apache-2.0

/** How one API server is reached and who asks. Either a client certificate or a bearer token, or neither. */
export interface ClusterConnection {
    /** Base address, e.g. "https://127.0.0.1:6443"; a path before /api is kept. */
    readonly server: string;
    readonly caPem?: string | undefined;
    readonly certPem?: string | undefined;
    readonly keyPem?: string | undefined;
    /** Asked before every request, so that a rotated token is used at once. The provider caches. */
    readonly token?: (() => Promise<string>) | undefined;
    /** The name the server's certificate is checked against, when it is not the host of `server`. */
    readonly tlsServerName?: string | undefined;
    readonly insecureSkipTlsVerify?: boolean | undefined;
}
