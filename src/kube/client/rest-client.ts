// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { apiVersionOf, type KubeList, type KubeObject, type ResourceType } from "../types.ts";
import type { DeleteOptions, KubeClient, ListQuery, ObjectRef, PatchOptions, PatchType, WatchEvent } from "./client.ts";
import { queryString, resourcePath } from "./paths.ts";
import { statusError, unreachable } from "./status-error.ts";
import type { ApiAnswer, ApiRequest, ApiTransport } from "./transport.ts";

export type KubeClientPorts = Pick<Ports, "clock" | "random">;

const REQUEST_TIMEOUT_MS = 30_000;
/** The server ends a watch after this long, plus up to as much again so that many do not end together. */
const WATCH_SECONDS = 240;
/** Beyond the asked end, a watch that has not ended is on a dead connection. */
const WATCH_GRACE_MS = 30_000;
/** A server that is full says when to come again; so often we do. */
const BUSY_RETRIES = 5;
const BUSY_WAIT_MAX_S = 10;

const PATCH_CONTENT: Readonly<Record<PatchType, string>> = {
    json: "application/json-patch+json",
    merge: "application/merge-patch+json",
    strategic: "application/strategic-merge-patch+json",
    apply: "application/apply-patch+yaml",
};

/** A KubeClient that speaks the REST of Kubernetes over any transport. */
export class RestClient implements KubeClient {
    readonly #transport: ApiTransport;
    readonly #ports: KubeClientPorts;

    constructor(transport: ApiTransport, ports: KubeClientPorts) {
        this.#transport = transport;
        this.#ports = ports;
    }

    get(ref: ObjectRef): Promise<KubeObject> {
        return this.#object({ method: "GET", path: resourcePath(ref.type, ref) });
    }

    async list(query: ListQuery): Promise<KubeList> {
        const parameters = queryString({ ...selectors(query), limit: query.limit, continue: query.continueToken });
        const path = resourcePath(query.type, { namespace: query.namespace }) + parameters;
        const list = (await this.#json({ method: "GET", path })) as Partial<KubeList>;
        return {
            apiVersion: list.apiVersion ?? apiVersionOf(query.type),
            kind: list.kind ?? `${query.type.kind}List`,
            metadata: list.metadata ?? {},
            // Servers leave apiVersion and kind out of the items of built-in lists.
            items: (list.items ?? []).map((item) => typed(query.type, item)),
        };
    }

    create(
        type: ResourceType,
        object: KubeObject,
        subresource?: { readonly name: string; readonly of: string },
    ): Promise<KubeObject> {
        const { namespace } = object.metadata;
        const parts = subresource === undefined ? {} : { name: subresource.of, subresource: subresource.name };
        const path = resourcePath(type, { namespace, ...parts });
        return this.#object({ method: "POST", path, body: JSON.stringify(object) });
    }

    replace(type: ResourceType, object: KubeObject, subresource?: string): Promise<KubeObject> {
        const { namespace, name } = object.metadata;
        const path = resourcePath(type, { namespace, name, subresource });
        return this.#object({ method: "PUT", path, body: JSON.stringify(object) });
    }

    patch(ref: ObjectRef, patch: unknown, type: PatchType, options: PatchOptions = {}): Promise<KubeObject> {
        const fieldManager = options.fieldManager ?? (type === "apply" ? "redge" : undefined);
        const path =
            resourcePath(ref.type, { ...ref, subresource: options.subresource }) +
            queryString({ fieldManager, force: type === "apply" ? options.force : undefined });
        return this.#object({
            method: "PATCH",
            path,
            body: JSON.stringify(patch),
            contentType: PATCH_CONTENT[type],
        });
    }

    async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
        const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
        const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
        const body = { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds, propagationPolicy, preconditions };
        await this.#json({ method: "DELETE", path: resourcePath(ref.type, ref), body: JSON.stringify(body) });
    }

    async *watch(
        query: ListQuery & { readonly resourceVersion: string },
        signal: AbortSignal,
    ): AsyncGenerator<WatchEvent, void, undefined> {
        const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + this.#ports.random()));
        const { resourceVersion } = query;
        const path =
            resourcePath(query.type, { namespace: query.namespace }) +
            queryString({
                ...selectors(query),
                watch: 1,
                resourceVersion,
                allowWatchBookmarks: true,
                timeoutSeconds,
            });
        if (signal.aborted) return;
        let answer: ApiAnswer;
        try {
            answer = await this.#answer({ method: "GET", path, signal });
        } catch (failure) {
            if (signal.aborted) return;
            throw failure;
        }
        const guard = this.#ports.clock.after(timeoutSeconds * 1000 + WATCH_GRACE_MS, () => {
            answer.cancel(new Error("the watch did not end when it should have"));
        });
        try {
            yield* answer.events();
        } catch (failure) {
            if (!signal.aborted) throw unreachable(this.#transport.server, failure);
        } finally {
            guard.cancel();
            answer.cancel();
        }
    }

    async close(): Promise<void> {
        this.#transport.close();
    }

    async #object(request: Omit<ApiRequest, "timeoutMs">): Promise<KubeObject> {
        return (await this.#json(request)) as KubeObject;
    }

    async #json(request: Omit<ApiRequest, "timeoutMs">): Promise<unknown> {
        const body = await this.#text(await this.#answer(request));
        try {
            return JSON.parse(body);
        } catch (failure) {
            throw unreachable(this.#transport.server, failure);
        }
    }

    /** The head of a successful answer. Waits and tries again when the server is full (429 with Retry-After). */
    async #answer(request: Omit<ApiRequest, "timeoutMs">): Promise<ApiAnswer> {
        for (let attempt = 0; ; attempt += 1) {
            const answer = await this.#send(request);
            const { code, retryAfterS } = answer;
            if (code >= 200 && code < 300) return answer;
            const error = statusError(code, await this.#text(answer));
            if (code !== 429 || !Number.isFinite(retryAfterS) || attempt >= BUSY_RETRIES) throw error;
            await sleep(this.#ports.clock, Math.min(retryAfterS, BUSY_WAIT_MAX_S) * 1000, request.signal);
        }
    }

    async #send(request: Omit<ApiRequest, "timeoutMs">): Promise<ApiAnswer> {
        try {
            return await this.#transport.send({ ...request, timeoutMs: REQUEST_TIMEOUT_MS });
        } catch (failure) {
            throw unreachable(this.#transport.server, failure);
        }
    }

    async #text(answer: ApiAnswer): Promise<string> {
        try {
            return await answer.text(REQUEST_TIMEOUT_MS);
        } catch (failure) {
            throw unreachable(this.#transport.server, failure);
        }
    }
}

function selectors({ labelSelector, fieldSelector }: ListQuery): Record<string, string | undefined> {
    return { labelSelector, fieldSelector };
}

function typed(type: ResourceType, item: KubeObject): KubeObject {
    if (item.kind !== undefined && item.apiVersion !== undefined) return item;
    return { ...item, apiVersion: apiVersionOf(type), kind: type.kind };
}
