// SPDX-License-Identifier: Apache-2.0
import { asRecord, asTexts, type JsonRecord } from "../../../core/json.ts";
import { isAlreadyExists, isConflict } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import { CLOUDCORE_ANNOTATION, EDGE_ROLE_LABEL, forWire } from "../edge-node.ts";
import { objectReply, okReply, queryReply } from "../replies.ts";
import { contentObject, type Request } from "../request.ts";
import type { Handler, Tools } from "./handler.ts";

const UPDATE_ATTEMPTS = 5;

const byNode = (request: Request): string => `node/${request.name}`;

/** `null/node/<n>` insert: the edge's kubelet registers its node. */
export const insertNode: Handler = {
    onFailure: "object",
    orderBy: byNode,
    async run(request, tools) {
        tools.authorizer.ownName(request);
        const given = contentObject(request);
        const metadata = asRecord(given["metadata"]);
        const node: KubeObject = {
            ...given,
            apiVersion: "v1",
            kind: "Node",
            metadata: {
                ...metadata,
                name: request.name,
                labels: { ...asTexts(metadata["labels"]), [EDGE_ROLE_LABEL]: "" },
                annotations: {
                    ...asTexts(metadata["annotations"]),
                    [CLOUDCORE_ANNOTATION]: tools.cloudAddress,
                    ...tools.address.annotations(request.name),
                },
            },
            status: tools.address.toApi(request.name, asRecord(given["status"])),
        };
        try {
            return reply(request, tools, await tools.cluster.create(Kinds.node, node));
        } catch (thrown) {
            // A re-installed gateway may bring labels the old one lacked; what people changed since is theirs.
            if (isAlreadyExists(thrown)) await addMissing(request, tools, node);
            throw thrown;
        }
    },
};

/** `null/nodepatch/<n>` patch: a strategic merge patch of the status, as JSON text. */
export const patchNode: Handler = {
    onFailure: "object",
    orderBy: byNode,
    async run(request, tools) {
        tools.authorizer.ownName(request);
        const patch = tools.address.patchToApi(request.name, contentObject(request), tools.knownNode(request.name));
        const ref = { type: Kinds.node, name: request.name };
        const node = await tools.patching(`node/${request.name}`, () =>
            tools.cluster.patch(ref, patch, "strategic", { subresource: "status" }),
        );
        return reply(request, tools, node, true);
    },
};

/** `default/node/<n>` query, of EdgeCores up to v1.22. */
export const queryNode: Handler = {
    onFailure: "query",
    orderBy: byNode,
    async run(request, tools) {
        tools.authorizer.ownName(request);
        const node = await tools.cluster.get({ type: Kinds.node, name: request.name });
        return queryReply(request, tools.address.toEdge(forWire(node)));
    },
};

/** `null/node/<n>` update: labels and annotations are merged. */
export const updateNode: Handler = {
    onFailure: "none",
    orderBy: byNode,
    async run(request, tools) {
        tools.authorizer.ownName(request);
        const metadata = asRecord(contentObject(request)["metadata"]);
        const patch = {
            metadata: { labels: asTexts(metadata["labels"]), annotations: asTexts(metadata["annotations"]) },
        };
        await tools.cluster.patch({ type: Kinds.node, name: request.name }, patch, "merge");
        return okReply(request);
    },
};

/** `<ns>/nodestatus/<n>`: a whole Node, or `{UID, Status, ExtendResources}`; sent by no current kubelet. */
export const updateNodeStatus: Handler = {
    onFailure: "query",
    orderBy: byNode,
    async run(request, tools) {
        tools.authorizer.ownName(request);
        const content = contentObject(request);
        const status = tools.address.toApi(request.name, asRecord(content["Status"] ?? content["status"]));
        await retryConflicts(async () => {
            const current = await tools.cluster.get({ type: Kinds.node, name: request.name });
            const merged = { ...asRecord(current["status"]), ...status };
            await tools.cluster.replace(Kinds.node, { ...current, status: merged }, "status");
        });
        return okReply(request);
    },
};

function reply(request: Request, tools: Tools, node: KubeObject, withVersion = false) {
    return objectReply(request, tools.address.toEdge(forWire(node)), withVersion);
}

async function addMissing(request: Request, tools: Tools, wanted: KubeObject): Promise<void> {
    const ref = { type: Kinds.node, name: request.name };
    const current = tools.knownNode(request.name) ?? (await tools.cluster.get(ref));
    const labels = missing(wanted.metadata.labels, current.metadata.labels);
    const annotations = missing(wanted.metadata.annotations, current.metadata.annotations);
    if (Object.keys(labels).length === 0 && Object.keys(annotations).length === 0) return;
    await tools.cluster.patch(ref, { metadata: { labels, annotations } }, "merge");
}

function missing(wanted: Record<string, string> = {}, present: Record<string, string> = {}): JsonRecord {
    return Object.fromEntries(Object.entries(wanted).filter(([key]) => !(key in present)));
}

async function retryConflicts(attempt: () => Promise<void>): Promise<void> {
    for (let left = UPDATE_ATTEMPTS; ; left -= 1) {
        try {
            await attempt();
            return;
        } catch (thrown) {
            if (!isConflict(thrown) || left <= 1) throw thrown;
        }
    }
}
