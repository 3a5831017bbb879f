// SPDX-License-Identifier: Apache-2.0
import { asRecord } from "../../../core/json.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import { forWire } from "../edge-node.ts";
import { objectReply } from "../replies.ts";
import { contentObject, forbidden, type Request } from "../request.ts";
import type { Handler, Tools } from "./handler.ts";

const LEASE_NAMESPACE = "kube-node-lease";

/** `kube-node-lease/lease/<n>` query. */
export const queryLease: Handler = {
    onFailure: "object",
    async run(request, tools) {
        authorize(request, tools);
        const { namespace, name } = request;
        return objectReply(request, forWire(await tools.cluster.get({ type: Kinds.lease, namespace, name })));
    },
};

/** The same, insert. */
export const insertLease: Handler = {
    onFailure: "object",
    async run(request, tools) {
        authorize(request, tools);
        return objectReply(request, forWire(await tools.cluster.create(Kinds.lease, leaseOf(request))));
    },
};

/** The same, update: a whole Lease with the version it is based on. */
export const updateLease: Handler = {
    onFailure: "object",
    async run(request, tools) {
        authorize(request, tools);
        return objectReply(request, forWire(await tools.cluster.replace(Kinds.lease, leaseOf(request))));
    },
};

function authorize(request: Request, tools: Tools): void {
    tools.authorizer.ownName(request);
    if (request.namespace !== LEASE_NAMESPACE) throw forbidden(request, `node leases are in ${LEASE_NAMESPACE}`);
}

function leaseOf(request: Request): KubeObject {
    const given = contentObject(request);
    const metadata = { ...asRecord(given["metadata"]), name: request.name, namespace: LEASE_NAMESPACE };
    return { ...given, apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata };
}
