// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../core/clock.ts";
import { type Attributes, MASTERS } from "../../../kube/authz/user.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import { ResourceTable } from "../../../kube/rest/resources.ts";
import { type Connector, plainText, RestHandler } from "../../../kube/rest/rest-handler.ts";
import { methodNotAllowed, unauthorized } from "../../../kube/rest/status.ts";
import { isAllowed } from "../../shared/access-review.ts";
import { metricsResources, serveMetrics, type UsageSource } from "../../shared/resource-metrics.ts";
import type { Authorities } from "../authorities.ts";
import { frontProxyUser } from "./front-proxy.ts";

export interface MetricsApiPorts {
    readonly usage: UsageSource;
    readonly cluster: KubeClient;
    readonly authorities: Authorities;
    readonly clock: Clock;
}

/** metrics.k8s.io/v1beta1 as an API server behind the cluster's own one: what `kubectl top` and autoscalers read. */
export class MetricsApi {
    readonly #handler: RestHandler;

    constructor({ usage, cluster, authorities, clock }: MetricsApiPorts) {
        const table = new ResourceTable();
        for (const resource of metricsResources) table.set(resource);
        const serve: Connector = (request) => serveMetrics(request, usage, clock);
        const ok = plainText(() => "ok");
        this.#handler = new RestHandler({
            table,
            // Every resource served has a connector, which judges the verb itself.
            resources: {
                handle: async () => {
                    throw methodNotAllowed();
                },
            },
            authenticate: async (request) => {
                const { frontProxy } = authorities;
                const user = frontProxy && frontProxyUser(request, frontProxy, clock.nowMs());
                if (user === undefined) throw unauthorized();
                return user;
            },
            authorizer: { refuse: (attributes) => refuse(cluster, attributes) },
            connectors: new Map(metricsResources.map(({ group, plural }) => [`${group}/${plural}`, serve])),
            paths: new Map(["/healthz", "/livez", "/readyz"].map((path) => [path, ok])),
        });
    }

    /** Paths of an API server, none of which a kubelet has. */
    serves(path: string): boolean {
        return /^\/(?:apis|openapi|healthz|livez|readyz)(?:[/?]|$)/.test(path);
    }

    /** Never rejects: failures are answered as metav1.Status. */
    handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        return this.#handler.handle(request, response);
    }
}

/** The cluster's own rules decide; what is no resource (discovery, health) is nobody's secret. */
async function refuse(cluster: KubeClient, attributes: Attributes): Promise<string | undefined> {
    const { user, verb, group, resource, namespace, name } = attributes;
    if (resource === undefined || user.groups.includes(MASTERS)) return undefined;
    const subject = { user: user.name, groups: user.groups };
    return (await isAllowed(cluster, subject, { verb, group, resource, namespace, name })) ? undefined : "";
}
