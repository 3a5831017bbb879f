// SPDX-License-Identifier: Apache-2.0
import type { SecureContext } from "node:tls";
import type { Ports } from "../../../core/component.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import type { Authorities } from "../authorities.ts";
import type { CloudStreamConfig } from "../config.ts";
import type { TunnelServer } from "../tunnel-server.ts";
import { MetricsApi } from "./metrics-api.ts";
import { Registration } from "./registration.ts";
import { METRICS_HOST, type ServiceCertificate, serviceCertificate } from "./service.ts";
import { TunnelUsage } from "./tunnel-usage.ts";

export interface ServedMetricsPorts extends Ports {
    readonly cluster: KubeClient;
    readonly authorities: Authorities;
    readonly tunnels: TunnelServer;
}

/** another: whoever is registered, or the API server itself, answers. */
export type Served = "off" | "registered" | "another" | "failed";

/** metrics.k8s.io as the operator wants it: answered here and registered with the API server, or neither. */
export class ServedMetrics {
    readonly #config: CloudStreamConfig;
    readonly #ports: ServedMetricsPorts;
    readonly #registration: Registration;
    /** Undefined when it is off. */
    readonly api: MetricsApi | undefined;
    /** Made when it is first needed. */
    #certificate: ServiceCertificate | undefined;
    #said: string | undefined;

    constructor(config: CloudStreamConfig, ports: ServedMetricsPorts) {
        const { cluster, tunnels, authorities, clock } = ports;
        this.#config = config;
        this.#ports = ports;
        this.#registration = new Registration(cluster);
        const usage = new TunnelUsage(cluster, tunnels, clock);
        this.api = config.metricsApi === "on" ? new MetricsApi({ usage, cluster, authorities, clock }) : undefined;
    }

    /** What a caller sees who dials a server name; undefined: what everybody sees. */
    contextFor(serverName: string): SecureContext | undefined {
        return this.api !== undefined && serverName === METRICS_HOST ? this.#shown().context : undefined;
    }

    #shown(): ServiceCertificate {
        this.#certificate ??= serviceCertificate(this.#ports.clock);
        return this.#certificate;
    }

    /** Makes the API server ask here, or no longer. Never rejects: failures are logged and answered. */
    async register(streamPort: number): Promise<Served> {
        try {
            if (this.#config.metricsApi === "on") return await this.#put(streamPort);
            await this.#registration.withdraw();
            return "off";
        } catch (thrown) {
            if (this.#config.metricsApi === "on") this.#warn(thrown);
            else this.#ports.log.debug("nothing was looked up of metrics.k8s.io", { reason: errorText(thrown) });
            return this.#config.metricsApi === "on" ? "failed" : "off";
        }
    }

    async #put(streamPort: number): Promise<Served> {
        const { authorities } = this.#ports;
        const { certPem } = this.#shown();
        const { host, port } = addressOf(this.#config.streamAddress ?? `${this.#config.streamHost}:${streamPort}`);
        const isTrusted = authorities.frontProxy !== undefined;
        const registered = await this.#registration.put({ host, port, certPem, isTrusted });
        this.#said = undefined;
        return registered;
    }

    #warn(thrown: unknown): void {
        const { message } = new RedgeError("REDGE_STREAM_METRICS_API", { reason: errorText(thrown) }, thrown);
        if (message !== this.#said) this.#ports.log.warn(message);
        this.#said = message;
    }
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}
