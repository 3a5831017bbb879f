// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import type { ObjectReader } from "../storage/registry.ts";
import { type Change, Stored } from "../storage/stored.ts";
import { apiVersionOf, type KubeObject } from "../types.ts";
import { isTrue, type RestContext } from "./context.ts";
import type { Selection } from "./list.ts";
import { LocalResponse } from "./local.ts";
import { collectionOf } from "./resources.ts";
import { metadataOnly, objectJson, presented, type Shape, sendError, table } from "./respond.ts";
import { badRequest, expired, StatusError } from "./status.ts";

const BOOKMARK_EVERY_MS = 60_000;
const DEFAULT_TIMEOUT_S = 1800;
/** Above this a watcher that does not read is cut off: it lists again instead of filling our memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

export interface WatchRequest {
    readonly context: RestContext;
    readonly reader: ObjectReader;
    readonly clock: Clock;
    readonly selection: Selection;
    readonly shape: Shape;
}

/** Streams changes as newline-delimited watch events until the client leaves, the time is over or history is gone. */
export async function serveWatch(request: WatchRequest): Promise<void> {
    const { context, reader, selection, shape } = request;
    const { query } = context;
    const resourceVersion = query.get("resourceVersion") ?? "";
    const initialEvents = query.get("sendInitialEvents");
    const collection = collectionOf(shape.resource);
    const fromNow = resourceVersion === "" || resourceVersion === "0";
    if (!/^\d*$/.test(resourceVersion))
        throw badRequest(`Invalid value: "${resourceVersion}": invalid resource version`);
    const stream = new WatchStream(request);
    if ((fromNow && initialEvents !== "false") || isTrueText(initialEvents)) {
        const snapshot = await reader.list(collection, selection.namespace);
        stream.begin(snapshot.revision, () => {
            for (const stored of snapshot.items) if (selection.matches(stored.object)) stream.send("ADDED", stored);
            if (isTrueText(initialEvents)) stream.bookmark(true);
        });
        return;
    }
    stream.begin(fromNow ? reader.revision : Number(resourceVersion), () => {});
}

/** What leaves a selection is told as it was within it, at the version at which it left. */
function asItWas({ object }: Stored, { revision }: Stored): Stored {
    return new Stored({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }, revision);
}

const isTrueText = (text: string | null): boolean => text !== null && isTrue(text);

/** One open watch. A slow reader's backlog is bounded; what goes out is serialised once for all watchers. */
class WatchStream {
    readonly #request: WatchRequest;
    /** A watcher within this process, which takes objects as they are. */
    readonly #local: LocalResponse | undefined;
    #stop: () => void = () => {};
    #timers: Timer[] = [];
    #lastRevision = 0;
    #headerSent = false;
    #ended = false;
    /** Lines of this turn of the event loop, written in one go. */
    #pending: string[] = [];

    constructor(request: WatchRequest) {
        const { context, shape } = request;
        const takesObjects = shape.accepted.representation.form === "object";
        this.#request = request;
        this.#local = takesObjects && context.response instanceof LocalResponse ? context.response : undefined;
    }

    /** Sends what `first` sends, then what changed since `revision`, then what happens. @throws 410 */
    begin(revision: number, first: () => void): void {
        const { context, reader, clock, shape } = this.#request;
        const { response, query } = context;
        this.#lastRevision = revision;
        const since = revision;
        const collection = collectionOf(shape.resource);
        const held: Change[] = [];
        let live = false;
        const stop = reader.watch(collection, {
            since,
            onChange: (change) => (live ? this.#onChange(change) : held.push(change)),
            onEnd: (gone) => this.#onEnd(gone),
        });
        this.#stop = stop;
        response.writeHead(200, {
            "Content-Type":
                shape.accepted.mediaType === "application/json" ? "application/json;stream=watch" : "application/json",
        });
        response.flushHeaders();
        response.on("close", () => this.#end());
        first();
        for (const change of held) this.#onChange(change);
        live = true;
        const timeoutS = Number(query.get("timeoutSeconds") ?? 0) || DEFAULT_TIMEOUT_S;
        this.#timers.push(clock.after(timeoutS * 1000, () => this.#end()));
        if (isTrueText(query.get("allowWatchBookmarks"))) this.#scheduleBookmark();
    }

    send(type: "ADDED" | "MODIFIED" | "DELETED", stored: Stored): void {
        if (this.#local === undefined) this.#write(`{"type":"${type}","object":${this.#objectText(stored)}}\n`);
        else this.#local.event({ type, object: presented(this.#request.shape.resource, stored.object) });
    }

    bookmark(initialEventsEnd: boolean): void {
        const { shape, reader } = this.#request;
        const metadata = {
            resourceVersion: String(
                Math.max(this.#lastRevision, initialEventsEnd ? this.#lastRevision : reader.revision),
            ),
            creationTimestamp: null,
            ...(initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
        };
        const { kind } = shape.resource;
        const object = { kind, apiVersion: apiVersionOf(shape.resource), metadata };
        if (shape.accepted.representation.form === "table") {
            const rows = [{ cells: [], object }];
            const table = { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata, columnDefinitions: null, rows };
            this.#write(`${JSON.stringify({ type: "BOOKMARK", object: table })}\n`);
        } else this.#tell("BOOKMARK", object);
    }

    #onChange({ type, current, previous }: Change): void {
        const { selection } = this.#request;
        const { namespace, matches } = selection;
        this.#lastRevision = current.revision;
        if (namespace !== undefined && current.object.metadata.namespace !== namespace) return;
        const was = previous !== undefined && matches(previous.object);
        const is = type !== "DELETED" && matches(current.object);
        if (is) this.send(was ? "MODIFIED" : "ADDED", current);
        else if (was) this.send("DELETED", type === "DELETED" ? current : asItWas(previous, current));
    }

    #onEnd(gone: boolean): void {
        if (gone) {
            const { status } = expired("the server lost the history this watch needs");
            this.#tell("ERROR", status);
        }
        this.#end();
    }

    #objectText(stored: Stored): string {
        const { shape } = this.#request;
        const { form } = shape.accepted.representation;
        if (form === "object") return objectJson(shape.resource, stored);
        if (form === "metadata") return JSON.stringify(metadataOnly(stored.object));
        const text = table(
            [stored],
            { resourceVersion: stored.object.metadata.resourceVersion },
            { ...shape, nowMs: this.#request.clock.nowMs() },
            !this.#headerSent,
        );
        this.#headerSent = true;
        return text;
    }

    #tell(type: "BOOKMARK" | "ERROR", object: object): void {
        if (this.#local === undefined) this.#write(`${JSON.stringify({ type, object })}\n`);
        else this.#local.event({ type, object: object as KubeObject });
    }

    #write(line: string): void {
        if (this.#ended) return;
        this.#pending.push(line);
        if (this.#pending.length === 1) setImmediate(() => this.#flush());
    }

    #flush(): void {
        const { response } = this.#request.context;
        const lines = this.#pending;
        this.#pending = [];
        if (lines.length === 0 || response.destroyed || response.writableEnded) return;
        response.write(lines.join(""));
        if (response.writableLength > MAX_UNREAD_BYTES) {
            sendError(response, new StatusError(504, "Timeout", "the watcher does not read"));
            this.#end();
        }
    }

    #scheduleBookmark(): void {
        this.#timers.push(
            this.#request.clock.after(BOOKMARK_EVERY_MS, () => {
                if (this.#ended) return;
                this.bookmark(false);
                this.#timers.pop();
                this.#scheduleBookmark();
            }),
        );
    }

    #end(): void {
        if (this.#ended) return;
        this.#stop();
        this.#flush();
        this.#ended = true;
        for (const timer of this.#timers) timer.cancel();
        this.#timers = [];
        this.#request.context.response.end();
    }
}
