// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import type { Component, ComponentState, Ports } from "../../core/component.ts";
import { Emitter } from "../../core/emitter.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { Authorities } from "./authorities.ts";
import { Callers } from "./callers.ts";
import type { CloudStreamConfig } from "./config.ts";
import { type Served, ServedMetrics } from "./metrics/served-metrics.ts";
import { NodeTargets } from "./node-target.ts";
import { StreamServer } from "./stream-server.ts";
import { TunnelServer } from "./tunnel-server.ts";

export interface CloudStreamPorts extends Ports {
    readonly identity: CloudIdentity;
    readonly cluster: KubeClient;
}

/** What the API server publishes, and what it is told, is looked at so often: sooner while something is missing. */
const FIRST_CHECK_MS = 10_000;
const CHECK_MS = 600_000;

/**
 * What makes `kubectl logs`, `exec`, `attach`, `port-forward` and `top` reach pods behind NAT: the edges keep a tunnel to
 * one port, the API server uses the other as if it were the kubelet of every node (wire protocol, section 7).
 */
export class CloudStream extends Emitter<{ state: [state: ComponentState] }> implements Component {
    readonly #ports: CloudStreamPorts;
    readonly #tunnels: TunnelServer;
    readonly #streams: StreamServer;
    readonly #authorities: Authorities;
    readonly #metrics: ServedMetrics;
    #served: Served = "off";
    #unlisten: (() => void) | undefined;
    #timer: Timer | undefined;
    #stopping: Promise<void> | undefined;

    constructor(config: CloudStreamConfig, ports: CloudStreamPorts) {
        super();
        const { cluster, clock } = ports;
        this.#ports = ports;
        this.#authorities = new Authorities(cluster, ports, config.clientCaPem);
        this.#tunnels = new TunnelServer(config, ports, () => this.#report());
        this.#metrics = new ServedMetrics(config, { ...ports, authorities: this.#authorities, tunnels: this.#tunnels });
        this.#streams = new StreamServer(config, {
            ...ports,
            tunnels: this.#tunnels,
            callers: new Callers(this.#authorities, cluster, clock),
            targets: new NodeTargets(cluster, this.#tunnels),
            topApi: this.#metrics,
        });
    }

    /** @throws REDGE_STREAM_LISTEN, and what the identity rejects with */
    async start(): Promise<void> {
        const { identity } = this.#ports;
        const material = await identity.serverTls();
        await this.#authorities.refresh();
        await this.#tunnels.start();
        await this.#streams.start(material);
        this.#unlisten = identity.onRenewed(() => void this.#renew());
        this.#report();
        // It may take long, and nothing that was started waits for it.
        void this.#register().then(() => this.#checkIn(FIRST_CHECK_MS));
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

    async #register(): Promise<void> {
        this.#served = await this.#metrics.register(this.#streams.port);
        this.#report();
    }

    #checkIn(delayMs: number): void {
        if (this.#stopping !== undefined) return;
        this.#timer = this.#ports.clock.after(delayMs, () => void this.#check());
    }

    async #check(): Promise<void> {
        await this.#authorities.refresh();
        if (this.#stopping !== undefined) return;
        await this.#register();
        this.#checkIn(this.#served === "failed" ? FIRST_CHECK_MS : CHECK_MS);
    }

    #report(): void {
        if (this.#stopping !== undefined) return;
        const nodes = this.#tunnels.nodes.length;
        this.#ports.metrics.gauge("redge_cloudstream_tunnels", "Edge nodes with an open tunnel").set(nodes);
        this.emit("state", { level: "ready", text: STATE_TEXTS[this.#served], params: { count: nodes } });
    }
}

const STATE_TEXTS: Readonly<Record<Served, string>> = {
    off: "tunnels",
    registered: "tunnelsMetrics",
    another: "tunnelsMetricsElsewhere",
    failed: "tunnelsMetricsFailed",
};
