// SPDX-License-Identifier: Apache-2.0
import { asRecord, type JsonRecord } from "../../../core/json.ts";
import { isAlreadyExists, isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import { badRequest, contentObject, type Request } from "../request.ts";
import type { Handler, Tools } from "./handler.ts";

const byEvent = (request: Request): string => `event/${request.namespace}/${request.name}`;

/** `<ns>/event/<name>` insert and update: a whole Event. One that was told before is not told twice. */
export const insertEvent: Handler = {
    onFailure: "none",
    orderBy: byEvent,
    async run(request, tools) {
        await create(request, tools, contentObject(request));
        return undefined;
    },
};

export const updateEvent: Handler = {
    onFailure: "none",
    orderBy: byEvent,
    async run(request, tools) {
        const event = contentObject(request);
        tools.authorizer.event(request, event);
        try {
            const current = await tools.cluster.get(refOf(request));
            const { resourceVersion } = current.metadata;
            const next = eventOf(request, event);
            const metadata = { ...next.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
            await tools.cluster.replace(Kinds.event, { ...next, metadata });
        } catch (thrown) {
            if (!isNotFound(thrown)) throw thrown;
            await create(request, tools, event);
        }
        return undefined;
    },
};

/** The same, patch: `{event, patchData}`; patchData is a strategic merge patch as JSON text. */
export const patchEvent: Handler = {
    onFailure: "none",
    orderBy: byEvent,
    async run(request, tools) {
        const content = contentObject(request);
        const event = asRecord(content["event"]);
        tools.authorizer.event(request, event);
        try {
            await tools.cluster.patch(refOf(request), patchOf(request, content["patchData"]), "strategic");
        } catch (thrown) {
            // The first of a series got lost or has expired: the whole event says the same.
            if (!isNotFound(thrown)) throw thrown;
            await create(request, tools, event);
        }
        return undefined;
    },
};

async function create(request: Request, tools: Tools, event: JsonRecord): Promise<void> {
    tools.authorizer.event(request, event);
    try {
        await tools.cluster.create(Kinds.event, eventOf(request, event));
    } catch (thrown) {
        if (!isAlreadyExists(thrown)) throw thrown;
    }
}

function eventOf(request: Request, event: JsonRecord): KubeObject {
    const { resourceVersion: _, uid: __, ...metadata } = asRecord(event["metadata"]);
    const named = { ...metadata, name: request.name, namespace: request.namespace ?? "default" };
    return { ...event, apiVersion: "v1", kind: "Event", metadata: named };
}

function refOf(request: Request) {
    return { type: Kinds.event, namespace: request.namespace ?? "default", name: request.name };
}

function patchOf(request: Request, data: unknown): unknown {
    if (typeof data !== "string") return asRecord(data);
    try {
        return JSON.parse(data) as unknown;
    } catch {
        throw badRequest(request, "patchData is not JSON");
    }
}
