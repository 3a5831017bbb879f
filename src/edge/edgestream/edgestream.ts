// SPDX-License-Identifier: Apache-2.0
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { sleep, type Timer } from "../../core/clock.ts";
import type { Component, ComponentState, Ports } from "../../core/component.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { Backoff } from "../../link/backoff.ts";
import type { EdgeIdentity } from "../../link/identity/ports.ts";
import { proxiedTls } from "../../link/transport/proxy.ts";
import { MAX_MESSAGE_BYTES, TUNNEL_HEADER, TUNNEL_PATH } from "../../link/tunnel/message.ts";
import { Tunnel } from "../../link/tunnel/tunnel.ts";
import type { EdgeStreamConfig } from "./config.ts";
import { KubeletSide } from "./kubelet-side.ts";

export interface EdgeStreamPorts extends Ports {
    readonly identity: EdgeIdentity;
}

const HANDSHAKE_MS = 30_000;
/** KubeEdge's interval and text. */
const PING_MS = 5_000;
const PING = "ping you";
/** Pings without an answer until the tunnel is given up. */
const MAX_UNANSWERED = 3;
const RECONNECT = { firstMs: 1_000, maxMs: 30_000 };
/** A tunnel that lived this long has earned a quick reconnect. */
const SETTLED_MS = 30_000;
/** As CloudStream's; offered in the handshake, in force when the cloud answers the same. */
const WINDOW_BYTES = 256 * 1024;

/** Keeps a tunnel to CloudStream and serves what comes through it from Edged (wire protocol, section 7). */
export class EdgeStream extends Emitter<{ state: [state: ComponentState] }> implements Component {
    readonly #config: EdgeStreamConfig;
    readonly #ports: EdgeStreamPorts;
    readonly #kubelet: KubeletSide;
    readonly #stop = new AbortController();
    #tunnel: Tunnel | undefined;
    #unlisten: (() => void) | undefined;

    constructor(config: EdgeStreamConfig, ports: EdgeStreamPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#kubelet = new KubeletSide(config.kubelet, ports.log);
    }

    /** Connects in the background: a cloud that is away does not hold the gateway up. */
    async start(): Promise<void> {
        this.#unlisten = this.#ports.identity.onRenewed(() => this.#tunnel?.close("the certificate was renewed"));
        void this.#run();
    }

    async stop(): Promise<void> {
        this.#stop.abort();
        this.#unlisten?.();
        this.#tunnel?.close("EdgeStream is stopping");
    }

    async #run(): Promise<void> {
        const { clock, random, log } = this.#ports;
        const backoff = new Backoff(RECONNECT, random);
        while (!this.#stop.signal.aborted) {
            this.emit("state", { level: "connecting", text: "connecting" });
            const startedMs = clock.monotonicMs();
            const reason = await this.#connection().catch(errorText);
            if (this.#stop.signal.aborted) return;
            if (clock.monotonicMs() - startedMs > SETTLED_MS) backoff.reset();
            log.debug("no tunnel to CloudStream", { cloud: this.#config.cloudUrl, reason });
            this.emit("state", { level: "disconnected", text: "disconnected", params: { reason } });
            await sleep(clock, backoff.next(), this.#stop.signal);
        }
    }

    /** One tunnel from handshake to end. Resolves with why it ended, rejects when there was none. */
    async #connection(): Promise<string> {
        const { certPem, keyPem, caPem } = await this.#ports.identity.tls();
        const { cloudUrl, proxy } = this.#config;
        const url = new URL(TUNNEL_PATH, cloudUrl);
        const tls = { cert: certPem, key: keyPem, ca: caPem };
        const socket = new WebSocket(url, {
            ...tls,
            ...(proxy === undefined ? {} : { createConnection: connectorThrough(proxy, url, tls) }),
            headers: {
                SessionHostNameOverride: this.#ports.identity.nodeName,
                SessionInternalIP: this.#config.nodeAddress,
                [TUNNEL_HEADER]: String(WINDOW_BYTES),
            },
            handshakeTimeout: HANDSHAKE_MS,
            perMessageDeflate: false,
            skipUTF8Validation: true,
            maxPayload: MAX_MESSAGE_BYTES + 32,
        } as ConstructorParameters<typeof WebSocket>[2]);
        const abort = (): void => socket.terminate();
        this.#stop.signal.addEventListener("abort", abort, { once: true });
        try {
            const windowBytes = await opened(socket);
            const tunnel = new Tunnel(socket, { clock: this.#ports.clock, windowBytes });
            this.#tunnel = tunnel;
            tunnel.on("connect", (type, data, stream) => this.#kubelet.serve(type, data, stream));
            this.emit("state", { level: "ready", text: "connected" });
            const kept = this.#kept(tunnel, socket);
            socket.resume();
            return await kept;
        } finally {
            this.#tunnel = undefined;
            this.#stop.signal.removeEventListener("abort", abort);
        }
    }

    /** Pings until the tunnel ends. */
    #kept(tunnel: Tunnel, socket: WebSocket): Promise<string> {
        return new Promise((resolve) => {
            let unanswered = 0;
            let timer: Timer;
            const beat = (): void => {
                if (unanswered >= MAX_UNANSWERED && !socket.isPaused) {
                    socket.terminate();
                    tunnel.close("the cloud does not answer");
                    return;
                }
                unanswered += 1;
                if (socket.readyState === socket.OPEN) socket.ping(PING);
                timer = this.#ports.clock.after(PING_MS, beat);
            };
            timer = this.#ports.clock.after(PING_MS, beat);
            socket.on("pong", () => {
                unanswered = 0;
            });
            tunnel.on("closed", (reason) => {
                timer.cancel();
                resolve(reason);
            });
        });
    }
}

/** How `ws` is given a socket that takes a while to open. */
function connectorThrough(proxy: string, url: URL, tls: ConnectionOptions) {
    return (_options: unknown, ready: (error: Error | null, socket?: TLSSocket) => void): undefined => {
        proxiedTls(proxy, url, tls, HANDSHAKE_MS).then((socket) => ready(null, socket), ready);
    };
}

/**
 * Resolves with the window the cloud agreed to; undefined for a stock CloudCore. The socket is paused until its listeners are
 * there: what came in one piece with the answer to the handshake would find none.
 */
function opened(socket: WebSocket): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
        let windowBytes: number | undefined;
        socket.on("upgrade", (response) => {
            windowBytes = Number(response.headers[TUNNEL_HEADER]) === WINDOW_BYTES ? WINDOW_BYTES : undefined;
        });
        socket.once("open", () => {
            socket.pause();
            resolve(windowBytes);
        });
        socket.once("error", reject);
        socket.once("close", (code) => reject(new Error(`closed in the handshake (${code})`)));
    });
}
