// SPDX-License-Identifier: Apache-2.0
import { hkdfSync } from "node:crypto";
import type { TlsMaterial } from "../../identity/ports.ts";
import type { Quiche, QuicheConfig } from "./library.ts";
import { DATAGRAM_BYTES } from "./peer.ts";

/** What both ends name at the handshake (ALPN): the framing described in docs/architecture.md. */
const PROTOCOL = "redge-link/1";
/** What one stream may have under way: bounds what a peer can make this end hold. */
const WINDOW_BYTES = 512 * 1024;

/** Mutual TLS: each end refuses a peer without a valid certificate of the CA. */
export function quicConfig(quiche: Quiche, { caPem, keyPem, certPem }: TlsMaterial, idleMs: number): QuicheConfig {
    const [ca, key, cert] = [caPem, keyPem, certPem].map((pem) => Buffer.from(pem)) as [Buffer, Buffer, Buffer];
    const config = quiche.Config.withBoringSslCtx(true, false, ca, [key], [cert], null);
    config.setApplicationProtos([PROTOCOL]);
    config.setMaxIdleTimeout(idleMs);
    config.setMaxSendUdpPayloadSize(DATAGRAM_BYTES);
    config.setInitialMaxData(2 * WINDOW_BYTES);
    config.setMaxConnectionWindow(2 * WINDOW_BYTES);
    config.setInitialMaxStreamDataBidiLocal(WINDOW_BYTES);
    config.setInitialMaxStreamDataBidiRemote(WINDOW_BYTES);
    config.setMaxStreamWindow(WINDOW_BYTES);
    config.setInitialMaxStreamsBidi(2);
    config.setInitialMaxStreamsUni(0);
    config.setDisableActiveMigration(true);
    return config;
}

/** A key of the listener's own that is the same after a restart and on every replica with the same certificate. */
export function derivedKey({ keyPem }: TlsMaterial, purpose: string): Buffer {
    return Buffer.from(hkdfSync("sha256", keyPem, "", `redge cloudhub quic ${purpose}`, 32));
}
