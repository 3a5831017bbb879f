// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import type { Component, ComponentState, Ports } from "../../core/component.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { Callers } from "./callers.ts";
import type { CloudStreamConfig } from "./config.ts";
import { StreamServer } from "./stream-server.ts";
import { TunnelServer } from "./tunnel-server.ts";

export interface CloudStreamPorts extends Ports {
    readonly identity: CloudIdentity;
    readonly cluster: KubeClient;
}

/** The API server's CA is asked for again so often: at the start it may not be there yet, later it may rotate. */
const FIRST_CA_CHECK_MS = 10_000;
const CA_CHECK_MS = 600_000;

/**
 * What makes `kubectl logs`, `exec`, `attach` and `port-forward` reach pods behind NAT: the edges keep a tunnel to one
 * port, the API server uses the other as if it were the kubelet of every node (wire protocol, section 7).
 */
export class CloudStream extends Emitter<{ state: [state: ComponentState] }> implements Component {
    readonly #config: CloudStreamConfig;
    readonly #ports: CloudStreamPorts;
    readonly #tunnels: TunnelServer;
    readonly #streams: StreamServer;
    readonly #callers: Callers;
    #unlisten: (() => void) | undefined;
    #timer: Timer | undefined;
    #stopping: Promise<void> | undefined;

    constructor(config: CloudStreamConfig, ports: CloudStreamPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#callers = new Callers(ports.cluster, ports);
        this.#tunnels = new TunnelServer(config, ports, () => this.#report());
        this.#streams = new StreamServer(config, ports, ports.cluster, this.#tunnels, this.#callers);
    }

    /** @throws REDGE_STREAM_LISTEN, and what the identity rejects with */
    async start(): Promise<void> {
        const { identity } = this.#ports;
        const material = await identity.serverTls();
        await this.#callers.refresh(this.#config.clientCaPem);
        await this.#tunnels.start();
        await this.#streams.start(material);
        this.#unlisten = identity.onRenewed(() => void this.#renew());
        this.#checkCallersIn(FIRST_CA_CHECK_MS);
        this.#report();
    }

    stop(): Promise<void> {
        this.#stopping ??= this.#shut();
        return this.#stopping;
    }

    /** Ports in use, once started. */
    get ports(): { readonly tunnel: number; readonly stream: number } {
        return { tunnel: this.#tunnels.port, stream: this.#streams.port };
    }

    async #shut(): Promise<void> {
        this.#timer?.cancel();
        this.#unlisten?.();
        await Promise.all([this.#tunnels.stop(), this.#streams.stop()]);
    }

    async #renew(): Promise<void> {
        try {
            const material = await this.#ports.identity.serverTls();
            this.#streams.renew(material);
        } catch (error) {
            this.#ports.log.error("the renewed server certificate is not in use", { reason: errorText(error) });
        }
    }

    #checkCallersIn(delayMs: number): void {
        this.#timer = this.#ports.clock.after(delayMs, () => {
            void this.#callers.refresh(this.#config.clientCaPem).then(() => {
                if (this.#stopping === undefined) this.#checkCallersIn(CA_CHECK_MS);
            });
        });
    }

    #report(): void {
        if (this.#stopping !== undefined) return;
        const nodes = this.#tunnels.nodes.length;
        this.#ports.metrics.gauge("redge_cloudstream_tunnels", "Edge nodes with an open tunnel").set(nodes);
        this.emit("state", { level: "ready", text: "tunnels", params: { count: nodes } });
    }
}
