// SPDX-License-Identifier: Apache-2.0
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../../src/cloud/cloudhub/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { WireComponent } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../../src/edge/edgehub/index.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import type { CloudIdentity, EdgeIdentity } from "../../../src/link/identity/ports.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";
import type { TestPki } from "./test-pki.ts";

export const testPorts = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

/** For `expect.poll`: how long a condition may take on a busy machine. */
export const SOON = { timeout: 60_000 } as const;

export function makeCloudHub(
    pki: TestPki,
    cluster: KubeClient,
    raw: Partial<CloudHubConfig> = {},
    identity: CloudIdentity = pki.cloudIdentity(),
): CloudHub {
    const config = parseConfig<CloudHubConfig>(cloudHubConfig, { websocketPort: 0, httpsPort: 0, ...raw });
    return new CloudHub(config, { ...testPorts, identity, cluster });
}

export function makeEdgeHub(
    identity: EdgeIdentity,
    port: number,
    raw: Partial<EdgeHubConfig> = {},
    store: DocumentStore = new MemoryStore(),
): EdgeHub {
    const url = `wss://127.0.0.1:${port}`;
    const config = parseConfig<EdgeHubConfig>(edgeHubConfig, { url, reconnectFirstMs: 50, ...raw });
    return new EdgeHub(config, { ...testPorts, identity, store });
}

export interface Taken<Output extends string> {
    readonly output: Output;
    readonly envelope: Envelope;
}

/** Collects what leaves a component, and waits for it. */
export class Tap<Output extends string> {
    readonly taken: Taken<Output>[] = [];
    readonly #waiters = new Set<() => void>();

    constructor(component: WireComponent<Output>) {
        component.on("output", (output, envelope) => {
            this.taken.push({ output, envelope });
            for (const check of [...this.#waiters]) check();
        });
    }

    /** The first message that fits, past or to come. */
    async first(fits: (taken: Taken<Output>) => boolean, timeoutMs = 60_000): Promise<Envelope> {
        return await new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.#waiters.delete(check);
                const seen = this.taken.map(({ output, envelope }) => `${output} ${envelope.route.operation}`);
                reject(new Error(`no such message; seen: ${seen.slice(-20).join(", ")}`));
            }, timeoutMs);
            const check = (): void => {
                const found = this.taken.find(fits);
                if (found === undefined) return;
                clearTimeout(timer);
                this.#waiters.delete(check);
                resolve(found.envelope);
            };
            this.#waiters.add(check);
            check();
        });
    }

    async output(output: Output, operation: string, resource?: string): Promise<Envelope> {
        return await this.first(
            (taken) =>
                taken.output === output &&
                taken.envelope.route.operation === operation &&
                (resource === undefined || taken.envelope.route.resource === resource),
        );
    }

    clear(): void {
        this.taken.length = 0;
    }
}
