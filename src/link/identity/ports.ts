// SPDX-License-Identifier: Apache-2.0

/** Certificate and key as PEM text. `caPem` is what the peer is verified against. */
export interface TlsMaterial {
    readonly certPem: string;
    readonly keyPem: string;
    readonly caPem: string;
}

export interface JoinTokenRequest {
    readonly ttlMs: number;
    /** Only this node may use it. */
    readonly nodeName?: string | undefined;
    /** How many certificates it may obtain; absent: any number until it expires. */
    readonly uses?: number | undefined;
}

export interface CertificateRequest {
    readonly nodeName: string;
    readonly csrDer: Buffer;
    /** JWT of a join token, or the certificate the client presented on TLS (DER), whichever it used. */
    readonly proof: { readonly token: string } | { readonly clientCertificateDer: Buffer };
}

/** The cloud end's certificate authority: `kubeedge-identity` in its cloud role. Errors: REDGE_IDENTITY_*. */
export interface CloudIdentity {
    readonly caDer: Buffer;
    readonly caPem: string;
    /** The hub's own server certificate; asked for at every new listener, renewed before expiry. */
    serverTls(): Promise<TlsMaterial>;
    createToken(request: JoinTokenRequest): Promise<string>;
    /** Every use of the token up to now and to come is refused. */
    revokeToken(token: string): Promise<void>;
    /** Checks the proof, ties the CSR's CN to the node name, and answers the certificate as DER. */
    issue(request: CertificateRequest): Promise<Buffer>;
    /** Called after the server certificate was renewed. Returns the function that stops listening. */
    onRenewed(listener: () => void): () => void;
}

/** The edge end: a node's certificate, got by join token, kept on disk, renewed at 70 to 90 % of its life. */
export interface EdgeIdentity {
    readonly nodeName: string;
    /** The certificate to connect with; joins first when there is none. Rejects while joining is impossible. */
    tls(): Promise<TlsMaterial>;
    onRenewed(listener: () => void): () => void;
}
