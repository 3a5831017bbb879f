// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type * as Certificates from "node-opcua-certificate-manager";
import type * as Opcua from "node-opcua-client";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import type { OpcuaConnection, OpcuaUser } from "./connection.ts";
import type { OpcuaDialer, OpcuaLink } from "./link.ts";
import { SessionLink } from "./session-link.ts";

type Library = typeof Opcua & typeof Certificates;

const APPLICATION = "Redge";

/**
 * Sessions by node-opcua-client, which is loaded when the first is opened. Certificates are in `folder`, as OPC UA stacks keep
 * them: `own`, `trusted/certs`, and in `rejected` those of servers that nobody has trusted yet.
 */
export class NodeOpcuaDialer implements OpcuaDialer {
    readonly #folder: string;
    readonly #log: Logger;
    #library: Promise<Library> | undefined;
    #store: Promise<Certificates.OPCUACertificateManager> | undefined;

    constructor(folder: string, log: Logger) {
        this.#folder = folder;
        this.#log = log;
    }

    /** @throws REDGE_OPCUA_LIBRARY, REDGE_OPCUA_FILE, REDGE_OPCUA_CONNECT */
    async connect(connection: OpcuaConnection, lost: (reason: string) => void): Promise<OpcuaLink> {
        const library = await this.#load();
        const client = await this.#client(library, connection);
        const { url } = connection;
        try {
            const userIdentity = await identityOf(library, connection.user);
            await client.connect(url);
            const session = await client.createSession(userIdentity);
            const link = new SessionLink(library, client, session);
            const gone = (): void => {
                if (!link.closing) lost(`the session with ${url} was lost`);
            };
            client.once("connection_lost", gone);
            client.once("close", gone);
            session.once("session_closed", gone);
            session.once("keepalive_failure", gone);
            return link;
        } catch (thrown) {
            await client.disconnect();
            if (thrown instanceof RedgeError) throw thrown;
            throw new RedgeError("REDGE_OPCUA_CONNECT", { url, reason: this.#reason(thrown) }, thrown);
        } finally {
            // The library sets the variable while it reads a key, and puts the text "undefined" back: no openssl that this process
            // starts would find its configuration.
            if (process.env["OPENSSL_CONF"] === "undefined") delete process.env["OPENSSL_CONF"];
        }
    }

    async stop(): Promise<void> {
        const store = this.#store;
        this.#store = undefined;
        await (await store)?.dispose();
    }

    async #client(library: Library, connection: OpcuaConnection): Promise<Opcua.OPCUAClient> {
        const { securityMode, securityPolicy, timeoutMs, certificate, privateKey, remoteCertificate } = connection;
        const store = await this.#certificates(library);
        if (remoteCertificate !== undefined) await store.trustCertificate((await certificateIn(remoteCertificate)).raw);
        const applicationUri = certificate === undefined ? undefined : uriOf(await certificateIn(certificate));
        return library.OPCUAClient.create({
            applicationName: APPLICATION,
            clientName: APPLICATION,
            ...(applicationUri === undefined ? {} : { applicationUri }),
            ...(certificate === undefined || privateKey === undefined
                ? {}
                : { certificateFile: certificate, privateKeyFile: privateKey }),
            clientCertificateManager: store,
            securityMode: library.MessageSecurityMode[securityMode],
            securityPolicy: library.SecurityPolicy[securityPolicy],
            // Servers tell the name they know themselves by, which is often not the one they are reached by.
            endpointMustExist: false,
            // The session is opened anew as a whole: the pauses, and what the devices are told meanwhile, are ours.
            connectionStrategy: { maxRetry: 0 },
            transportTimeout: timeoutMs,
            defaultTransactionTimeout: timeoutMs,
            keepSessionAlive: true,
            keepAliveInterval: timeoutMs,
            requestedSessionTimeout: Math.max(60_000, 4 * timeoutMs),
        });
    }

    async #certificates(library: Library): Promise<Certificates.OPCUACertificateManager> {
        this.#store ??= (async () => {
            await mkdir(this.#folder, { recursive: true, mode: 0o700 });
            const store = new library.OPCUACertificateManager({
                rootFolder: this.#folder,
                automaticallyAcceptUnknownCertificate: false,
            });
            await store.initialize();
            return store;
        })();
        try {
            return await this.#store;
        } catch (thrown) {
            this.#store = undefined;
            throw new RedgeError("REDGE_OPCUA_FILE", { path: this.#folder, reason: errorText(thrown) }, thrown);
        }
    }

    async #load(): Promise<Library> {
        this.#library ??= this.#imported();
        try {
            return await this.#library;
        } catch (thrown) {
            this.#library = undefined;
            throw new RedgeError("REDGE_OPCUA_LIBRARY", {}, thrown);
        }
    }

    /** What it says by itself goes where everything else is said. */
    async #imported(): Promise<Library> {
        const [client, certificates] = await Promise.all([
            import("node-opcua-client"),
            import("node-opcua-certificate-manager"),
        ]);
        const say = (...parts: unknown[]): void => this.#log.debug(parts.map(String).join(" "));
        client.setWarningLogger(say);
        client.setErrorLogger(say);
        return { ...certificates, ...client };
    }

    #reason(thrown: unknown): string {
        const reason = errorText(thrown);
        const untrusted = /BadCertificateUntrusted|BadSecurityChecksFailed.*server certificate/i.test(reason);
        return untrusted ? `${reason}; its certificate lies in ${this.#folder}/rejected` : reason;
    }
}

async function identityOf(library: Library, user: OpcuaUser | undefined): Promise<Opcua.UserIdentityInfo> {
    if (user === undefined) return { type: library.UserTokenType.Anonymous };
    const { name: userName, password } = user;
    // KubeEdge's mapper takes the path of a file; a password that is one itself would begin with a slash.
    const secret = isAbsolute(password) ? (await contentOf(password)).toString("utf8").replace(/\r?\n$/, "") : password;
    return { type: library.UserTokenType.UserName, userName, password: secret };
}

/** @throws REDGE_OPCUA_FILE */
async function certificateIn(path: string): Promise<X509Certificate> {
    const content = await contentOf(path);
    try {
        return new X509Certificate(content);
    } catch (thrown) {
        throw new RedgeError("REDGE_OPCUA_FILE", { path, reason: "is no certificate in PEM or DER" }, thrown);
    }
}

/** A server compares the application's name with the one in its certificate. */
function uriOf(certificate: X509Certificate): string | undefined {
    return /(?:^|, )URI:([^,]+)/.exec(certificate.subjectAltName ?? "")?.[1];
}

async function contentOf(path: string): Promise<Buffer> {
    try {
        return await readFile(path);
    } catch (thrown) {
        throw new RedgeError("REDGE_OPCUA_FILE", { path, reason: errorText(thrown) }, thrown);
    }
}
