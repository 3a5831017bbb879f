// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { isRecord } from "../../../core/json.ts";

export interface Address {
    readonly host: string;
    readonly port: number;
}

/** What `quiche` (https://docs.rs/quiche) offers of a connection, as far as it is used here. */
export interface QuicheConnection {
    recv(datagram: Uint8Array, path: { readonly from: Address; readonly to: Address }): number;
    /** Writes one datagram into `into`; null when there is none to send. */
    send(into: Uint8Array): [length: number, info: { readonly to: Address }] | null;
    streamRecv(stream: number, into: Uint8Array): [length: number, last: boolean] | null;
    /** How much was taken; null for nothing. */
    streamSend(stream: number, bytes: Uint8Array, last: boolean): number | null;
    streamPriority(stream: number, urgency: number, incremental: boolean): void;
    streamReadable(stream: number): boolean;
    timeout(): number | null;
    onTimeout(): void;
    close(application: boolean, code: number, reason: Uint8Array): unknown;
    peerCertChain(): Uint8Array[] | null;
    isEstablished(): boolean;
    isDraining(): boolean;
    isClosed(): boolean;
    peerError(): QuicheError | null;
    localError(): QuicheError | null;
    sendAckEliciting(): void;
}

export interface QuicheError {
    readonly isApp: boolean;
    readonly errorCode: number;
    readonly reason: Uint8Array;
}

export interface QuicheConfig {
    setApplicationProtos(names: string[]): void;
    setMaxIdleTimeout(ms: number): void;
    setMaxSendUdpPayloadSize(bytes: number): void;
    setInitialMaxData(bytes: number): void;
    setInitialMaxStreamDataBidiLocal(bytes: number): void;
    setInitialMaxStreamDataBidiRemote(bytes: number): void;
    setInitialMaxStreamsBidi(count: number): void;
    setInitialMaxStreamsUni(count: number): void;
    setMaxConnectionWindow(bytes: number): void;
    setMaxStreamWindow(bytes: number): void;
    setDisableActiveMigration(disable: boolean): void;
    setStatelessResetToken(token: bigint): void;
}

export interface QuicheHeader {
    readonly ty: number;
    readonly version: number;
    readonly dcid: Uint8Array;
    readonly scid: Uint8Array;
    readonly token?: Uint8Array;
}

export interface Quiche {
    readonly Config: {
        withBoringSslCtx(
            verifyPeer: boolean,
            verifyAllowFail: boolean,
            ca: Uint8Array,
            keys: Uint8Array[] | null,
            certificates: Uint8Array[] | null,
            signatureAlgorithms?: string | null,
        ): QuicheConfig;
    };
    readonly Connection: {
        connect(
            serverName: string | null,
            scid: Uint8Array,
            local: Address,
            remote: Address,
            config: QuicheConfig,
        ): QuicheConnection;
        accept(
            scid: Uint8Array,
            originalDcid: Uint8Array,
            local: Address,
            remote: Address,
            config: QuicheConfig,
        ): QuicheConnection;
    };
    readonly Header: { fromSlice(datagram: Uint8Array, dcidLength: number): QuicheHeader };
    versionIsSupported(version: number): boolean;
    negotiateVersion(scid: Uint8Array, dcid: Uint8Array, into: Uint8Array): number;
    retry(
        scid: Uint8Array,
        dcid: Uint8Array,
        newScid: Uint8Array,
        token: Uint8Array,
        version: number,
        into: Uint8Array,
    ): number;
}

/**
 * Packages that bring `quiche` as a Node-API addon under the same interface. Only the addon itself is loaded: their own
 * JavaScript above it costs twenty times the processor time a message. The second one is a fork that names ARM builds.
 */
const MODULES = ["@matrixai/quic/native/index.js", "@infisical/quic/dist/native/index.js"] as const;

let loaded: Promise<Quiche> | undefined;

/**
 * The addon, loaded at the first call.
 * @throws REDGE_LINK_QUIC_LIBRARY when neither package is installed or has a build for this machine
 */
export function loadQuiche(): Promise<Quiche> {
    loaded ??= findQuiche((name) => import(name));
    return loaded;
}

/** As `loadQuiche`, with another way to load a module. */
export async function findQuiche(load: (name: string) => Promise<unknown>): Promise<Quiche> {
    let first: unknown;
    for (const name of MODULES) {
        try {
            const module = await load(name);
            if (isRecord(module) && isQuiche(module["quiche"])) return module["quiche"];
            throw new Error(`${name} is not what it was`);
        } catch (thrown) {
            first ??= thrown;
        }
    }
    const platform = `${process.platform}-${process.arch}`;
    const reason = errorText(first).split("\n")[0] ?? "";
    throw new RedgeError("REDGE_LINK_QUIC_LIBRARY", { platform, reason }, first);
}

function isQuiche(value: unknown): value is Quiche {
    if (!isRecord(value)) return false;
    return ["Config", "Connection", "Header", "retry", "negotiateVersion", "versionIsSupported"].every(
        (name) => typeof value[name] === "function",
    );
}
