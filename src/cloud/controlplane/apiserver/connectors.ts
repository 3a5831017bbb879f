// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import type { Applier } from "../../../kube/apply/applier.ts";
import type { RbacAuthorizer } from "../../../kube/authz/rbac.ts";
import { writeOptions } from "../../../kube/rest/context.ts";
import type { ObjectService } from "../../../kube/rest/objects.ts";
import {
    type ResourceHandler,
    type ResourceRequest,
    readObject,
    shapeOf,
} from "../../../kube/rest/resource-handler.ts";
import type { ResourceTable } from "../../../kube/rest/resources.ts";
import { sendObject } from "../../../kube/rest/respond.ts";
import type { Connector } from "../../../kube/rest/rest-handler.ts";
import { badRequest, methodNotAllowed } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import { serveMetrics } from "../../shared/resource-metrics.ts";
import type { Authenticator } from "./authenticator.ts";
import { refuseProtectedNamespace } from "./cluster-rules.ts";
import type { KubeletProxy } from "./kubelet-proxy.ts";
import { bindPod, evictPod, proxyNode, serveLog } from "./pod-subresources.ts";
import { requestToken, reviewAccess, reviewRules, reviewSelf, reviewToken } from "./reviews.ts";
import { serveScale } from "./scale.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import { StoredUsage } from "./stored-usage.ts";

export interface ConnectorPorts {
    readonly reader: ObjectReader;
    readonly objects: ObjectService;
    readonly resources: ResourceHandler;
    readonly table: ResourceTable;
    readonly kubelet: KubeletProxy;
    readonly tokens: ServiceAccountTokens;
    readonly authenticator: Authenticator;
    readonly authorizer: RbacAuthorizer;
    readonly applier: Applier;
    readonly clock: Clock;
}

/** Everything that is more than reading and writing objects. */
export function connectors(ports: ConnectorPorts): ReadonlyMap<string, Connector> {
    const { objects, kubelet, authorizer, authenticator, clock, resources, applier } = ports;
    const usage = new StoredUsage(ports.reader, kubelet);
    const upgradeOnly: Connector = async () => {
        throw badRequest("Upgrade request required");
    };
    return new Map<string, Connector>([
        ["*/scale", (request) => serveScale(request, objects, applier)],
        ["/pods/binding", (request) => bindPod(request, objects, clock)],
        ["/bindings", (request) => bindByName(request, ports)],
        ["/pods/eviction", (request) => evictPod(request, objects)],
        ["/pods/log", (request) => serveLog(request, kubelet)],
        ["/pods/exec", upgradeOnly],
        ["/pods/attach", upgradeOnly],
        ["/pods/portforward", upgradeOnly],
        ["/nodes/proxy", (request) => proxyNode(request, kubelet)],
        ["metrics.k8s.io/nodes", (request) => serveMetrics(request, usage, clock)],
        ["metrics.k8s.io/pods", (request) => serveMetrics(request, usage, clock)],
        ["/serviceaccounts/token", (request) => requestToken(request, ports)],
        ["/namespaces/finalize", (request) => finalizeNamespace(request, ports)],
        [
            "/namespaces",
            async (request) => {
                if (request.verb === "delete") refuseProtectedNamespace(request.resource, request.path.name ?? "");
                if (request.verb === "deletecollection") throw methodNotAllowed();
                await resources.handle(request);
            },
        ],
        ["certificates.k8s.io/certificatesigningrequests/approval", (request) => approve(request, ports)],
        ["authorization.k8s.io/selfsubjectaccessreviews", (request) => reviewAccess(request, authorizer)],
        ["authorization.k8s.io/subjectaccessreviews", (request) => reviewAccess(request, authorizer)],
        ["authorization.k8s.io/selfsubjectrulesreviews", (request) => reviewRules(request, authorizer)],
        ["authentication.k8s.io/selfsubjectreviews", reviewSelf],
        ["authentication.k8s.io/tokenreviews", (request) => reviewToken(request, authenticator)],
    ]);
}

/** The older way to bind: POST bindings, the pod named in the body. */
async function bindByName(request: ResourceRequest, { table, objects, clock }: ConnectorPorts): Promise<void> {
    const pods = table.get("", "v1", "pods");
    if (pods === undefined) throw methodNotAllowed();
    await bindPod({ ...request, resource: pods }, objects, clock);
}

/** PUT namespaces/<name>/finalize: takes the namespace's own finalizers away, after which it goes. */
async function finalizeNamespace(
    { context, path, resource, verb }: ResourceRequest,
    { objects, clock }: ConnectorPorts,
): Promise<void> {
    if (verb !== "update") throw methodNotAllowed();
    const sent = await readObject(context, resource);
    const stored = await objects.update(
        resource,
        undefined,
        path.name ?? "",
        (current) => ({
            ...current,
            spec: sent["spec"] ?? {},
            metadata: {
                ...current.metadata,
                ...(sent.metadata.resourceVersion ? { resourceVersion: sent.metadata.resourceVersion } : {}),
            },
        }),
        writeOptions(context, { trusted: true }),
    );
    await sendObject(context.response, 200, stored, shapeOf(context, resource, clock.nowMs()));
}

/** Approval is a condition in the status, written at an endpoint of its own. */
async function approve(request: ResourceRequest, { resources }: ConnectorPorts): Promise<void> {
    await resources.handle({ ...request, path: { ...request.path, subresource: "status" } });
}
