// SPDX-License-Identifier: Apache-2.0
import { request } from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kinds } from "../../../../src/kube/types.ts";
import { ApiHarness, configMap } from "./harness.ts";

interface Event {
    readonly type: string;
    readonly object: {
        readonly kind: string;
        readonly metadata: {
            readonly name?: string;
            readonly resourceVersion: string;
            readonly annotations?: Record<string, string>;
        };
        readonly rows?: unknown[];
        readonly columnDefinitions?: unknown;
    };
}

/** One open watch; `next` waits for the next event. */
class Watching {
    readonly #events: Event[] = [];
    readonly #waiting: ((event: Event | undefined) => void)[] = [];
    #ended = false;
    readonly #sent: ReturnType<typeof request>;

    constructor(api: ApiHarness, path: string, accept = "application/json") {
        const { caPem, admin } = api.pki;
        this.#sent = request(
            `${api.url}${path}`,
            { ca: caPem, cert: admin.certPem, key: admin.keyPem, agent: false, headers: { Accept: accept } },
            (answer) => {
                let text = "";
                answer.setEncoding("utf8");
                answer.on("data", (chunk: string) => {
                    const lines = (text + chunk).split("\n");
                    text = lines.pop() ?? "";
                    for (const line of lines) this.#take(JSON.parse(line) as Event);
                });
                answer.on("close", () => this.#end());
            },
        );
        this.#sent.on("error", () => this.#end());
        this.#sent.end();
    }

    next(): Promise<Event | undefined> {
        const event = this.#events.shift();
        if (event !== undefined || this.#ended) return Promise.resolve(event);
        return new Promise((resolve) => this.#waiting.push(resolve));
    }

    close(): void {
        this.#sent.destroy();
    }

    #take(event: Event): void {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#events.push(event);
        else waiting(event);
    }

    #end(): void {
        this.#ended = true;
        for (const waiting of this.#waiting.splice(0)) waiting(undefined);
    }
}

const api = new ApiHarness();
const PATH = "/api/v1/namespaces/default/configmaps";
beforeAll(async () => {
    await api.start();
    for (const name of ["default", "other"]) await api.namespace(name);
});
afterAll(() => api.dispose());

const revision = async (): Promise<string> =>
    (await api.client.list({ type: Kinds.configMap })).metadata.resourceVersion ?? "";
const labelled = (name: string, labels: Record<string, string>) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", labels },
});
const ref = (name: string) => ({ type: Kinds.configMap, namespace: "default", name });

describe("watch", () => {
    it("tells additions, changes and deletions with rising versions", async () => {
        const watching = new Watching(api, `${PATH}?watch=true&resourceVersion=${await revision()}`);
        await api.client.create(Kinds.configMap, configMap("one"));
        await api.client.patch(ref("one"), { data: { a: "1" } }, "merge");
        await api.client.delete(ref("one"));
        await api.client.create(Kinds.configMap, configMap("elsewhere", {}, "other"));
        await api.client.create(Kinds.configMap, configMap("two"));
        const events = [await watching.next(), await watching.next(), await watching.next(), await watching.next()];
        expect(events.map((event) => `${event?.type} ${event?.object.metadata.name}`)).toEqual([
            "ADDED one",
            "MODIFIED one",
            "DELETED one",
            "ADDED two",
        ]);
        const versions = events.map((event) => Number(event?.object.metadata.resourceVersion));
        expect([...versions].sort((a, b) => a - b)).toEqual(versions);
        watching.close();
    });

    it("begins with what is there when no version is given", async () => {
        const watching = new Watching(api, `${PATH}?watch=true&fieldSelector=metadata.name%3Dtwo`);
        expect(await watching.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "two" } } });
        watching.close();
    });

    it("turns objects that leave or enter the selection into deletions and additions", async () => {
        await api.client.create(Kinds.configMap, labelled("moving", { in: "no" }));
        const watching = new Watching(
            api,
            `${PATH}?watch=true&labelSelector=in%3Dyes&resourceVersion=${await revision()}`,
        );
        for (const value of ["yes", "no"])
            await api.client.patch(ref("moving"), { metadata: { labels: { in: value } } }, "merge");
        await api.client.patch(ref("moving"), { data: { unseen: "1" } }, "merge");
        await api.client.create(Kinds.configMap, labelled("last", { in: "yes" }));
        const types = [await watching.next(), await watching.next(), await watching.next()].map(
            (event) => `${event?.type} ${event?.object.metadata.name}`,
        );
        expect(types).toEqual(["ADDED moving", "DELETED moving", "ADDED last"]);
        watching.close();
    });

    it("misses nothing between a list and its watch", async () => {
        const from = await revision();
        await Promise.all(
            Array.from({ length: 40 }, (_, at) => api.client.create(Kinds.configMap, configMap(`many-${at}`))),
        );
        const watching = new Watching(api, `${PATH}?watch=true&resourceVersion=${from}`);
        const names = new Set<string | undefined>();
        for (let at = 0; at < 40; at += 1) names.add((await watching.next())?.object.metadata.name);
        expect(names.size).toBe(40);
        watching.close();
    });

    it("streams the initial list with its end marked when asked to", async () => {
        const watching = new Watching(
            api,
            "/api/v1/namespaces/other/configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        );
        expect(await watching.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "elsewhere" } } });
        const bookmark = await watching.next();
        expect(bookmark).toMatchObject({
            type: "BOOKMARK",
            object: { kind: "ConfigMap", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } },
        });
        watching.close();
    });

    it("sends tables, the columns only once", async () => {
        const watching = new Watching(
            api,
            `${PATH}?watch=true&resourceVersion=${await revision()}`,
            "application/json;as=Table;v=v1;g=meta.k8s.io",
        );
        await api.client.create(Kinds.configMap, configMap("t1"));
        await api.client.create(Kinds.configMap, configMap("t2"));
        const [first, second] = [await watching.next(), await watching.next()];
        expect(first?.object.columnDefinitions).toHaveLength(3);
        expect(second?.object.columnDefinitions).toBeNull();
        expect(second?.object.rows).toHaveLength(1);
        watching.close();
    });

    it("ends at its time and when the server stops", async () => {
        const short = new Watching(api, `${PATH}?watch=true&timeoutSeconds=1&resourceVersion=${await revision()}`);
        expect(await short.next()).toBeUndefined();
        const open = new Watching(api, `${PATH}?watch=true&resourceVersion=${await revision()}`);
        await api.client.create(Kinds.configMap, configMap("before-stop"));
        expect((await open.next())?.type).toBe("ADDED");
        await api.restart();
        expect(await open.next()).toBeUndefined();
    });

    it("refuses a version it cannot read", async () => {
        expect((await api.raw(`${PATH}?watch=true&resourceVersion=abc`)).code).toBe(400);
    });
});
