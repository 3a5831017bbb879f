// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isRedgeError } from "../../../../src/core/errors/redge-error.ts";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import type { KubeClient, WatchEvent } from "../../../../src/kube/client/client.ts";
import { statusCode, statusReason } from "../../../../src/kube/client/status-error.ts";
import { Kinds } from "../../../../src/kube/types.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import type { StoreOp } from "../../../../src/store/store.ts";
import { ApiHarness, configMap } from "./harness.ts";

const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
        () => undefined,
        (thrown: unknown) => thrown,
    );
const ref = (name: string, namespace = "default") => ({ type: Kinds.configMap, namespace, name });

/** The next events of a watch, which ends with them. */
async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
    const taken: WatchEvent[] = [];
    for await (const event of events) {
        taken.push(event);
        if (taken.length === count) break;
    }
    return taken;
}

describe.each([
    ["over TLS", (api: ApiHarness) => api.client],
    ["within the process", (api: ApiHarness) => api.local()],
])("the administrator's client %s", (_, clientOf) => {
    const api = new ApiHarness();
    let client: KubeClient;

    beforeAll(async () => {
        await api.start();
        client = clientOf(api);
        await api.namespace("default");
    });

    afterAll(() => api.dispose());

    it("creates, reads, replaces, patches in every way and deletes", async () => {
        const made = await client.create(Kinds.configMap, configMap("a", { one: "1" }));
        expect(made.metadata).toMatchObject({ name: "a", namespace: "default", uid: expect.any(String) });
        expect(await client.get(ref("a"))).toEqual(made);
        const replaced = await client.replace(Kinds.configMap, { ...made, data: { two: "2" } });
        expect(replaced["data"]).toEqual({ two: "2" });
        await client.patch(ref("a"), { data: { three: "3" } }, "merge");
        await client.patch(ref("a"), { data: { four: "4" } }, "strategic");
        await client.patch(ref("a"), [{ op: "remove", path: "/data/two" }], "json");
        const applied = await client.patch(
            ref("a"),
            { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { five: "ü 🙂" } },
            "apply",
            { fieldManager: "tester", force: true },
        );
        expect(applied["data"]).toEqual({ three: "3", four: "4", five: "ü 🙂" });
        expect(applied.metadata["managedFields"]).toContainEqual(
            expect.objectContaining({ manager: "tester", operation: "Apply" }),
        );
        await client.delete(ref("a"), { uid: made.metadata.uid });
        expect(statusCode(await failure(client.get(ref("a"))))).toBe(404);
    });

    it("posts to subresources", async () => {
        await client.create(Kinds.serviceAccount, {
            apiVersion: "v1",
            kind: "ServiceAccount",
            metadata: { name: "robot", namespace: "default" },
        });
        const asked = {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            metadata: { name: "robot", namespace: "default" },
            spec: { expirationSeconds: 3600 },
        };
        const answer = await client.create(Kinds.serviceAccount, asked, { name: "token", of: "robot" });
        expect(answer["status"]).toMatchObject({ token: expect.stringMatching(/^ey/) });
    });

    it("lists in pages and by selectors", async () => {
        for (const name of ["l1", "l2", "l3"]) {
            const object = configMap(name, {}, "default");
            await client.create(Kinds.configMap, {
                ...object,
                metadata: { ...object.metadata, labels: { list: "yes", odd: name === "l2" ? "no" : "yes" } },
            });
        }
        const query = { type: Kinds.configMap, namespace: "default", labelSelector: "list=yes" };
        const first = await client.list({ ...query, limit: 2 });
        expect(first.items.map(({ metadata }) => metadata.name)).toEqual(["l1", "l2"]);
        expect(first.items[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
        const second = await client.list({ ...query, limit: 2, continueToken: first.metadata.continue });
        expect(second.items.map(({ metadata }) => metadata.name)).toEqual(["l3"]);
        const odd = await client.list({
            type: Kinds.configMap,
            labelSelector: "odd=yes",
            fieldSelector: "metadata.name!=l1",
        });
        expect(odd.items.map(({ metadata }) => metadata.name)).toEqual(["l3"]);
    });

    it("refuses with the same codes and reasons", async () => {
        await client.create(Kinds.configMap, configMap("here"));
        const reasons = await Promise.all(
            [
                client.get(ref("gone")),
                client.create(Kinds.configMap, configMap("here")),
                client.create(Kinds.configMap, configMap("x", {}, "nowhere")),
                client.create(Kinds.configMap, configMap("Not A Name")),
                client.replace(Kinds.configMap, {
                    ...configMap("here"),
                    metadata: { name: "here", namespace: "default", resourceVersion: "1" },
                }),
                client.patch(ref("here"), [{ op: "remove", path: "/data/none" }], "json"),
                client.get({ type: { ...Kinds.configMap, plural: "configmap" }, namespace: "default", name: "a" }),
                client.create(Kinds.configMap, configMap("big", { text: "x".repeat(4 * 1024 * 1024) })),
            ].map(async (work) => {
                const thrown = await failure(work);
                return `${statusCode(thrown)} ${statusReason(thrown)}`;
            }),
        );
        expect(reasons).toEqual([
            "404 NotFound",
            "409 AlreadyExists",
            "404 NotFound",
            "422 Invalid",
            "409 Conflict",
            "422 Invalid",
            "404 NotFound",
            "413 RequestEntityTooLarge",
        ]);
    });

    it("watches what changes, from where it was told, by selector", async () => {
        const { metadata } = await client.list({ type: Kinds.configMap });
        const resourceVersion = metadata.resourceVersion ?? "";
        const labels = { watched: "yes" };
        const made = await client.create(Kinds.configMap, {
            ...configMap("w1", { n: "1" }),
            metadata: { name: "w1", namespace: "default", labels },
        });
        await client.create(Kinds.configMap, configMap("w2"));
        const query = { type: Kinds.configMap, namespace: "default", labelSelector: "watched=yes", resourceVersion };
        const taken = take(client.watch(query, new AbortController().signal), 4);
        await client.patch(ref("w1"), { data: { n: "2" } }, "merge");
        // Leaves the selection, which watchers see as a deletion of what it was.
        const left = await client.patch(ref("w1"), { metadata: { labels: { watched: null } } }, "merge");
        await client.patch(ref("w1"), { metadata: { labels } }, "merge");
        expect(
            (await taken).map(({ type, object }) => [type, object.metadata.name, (object["data"] as { n: string }).n]),
        ).toEqual([
            ["ADDED", "w1", "1"],
            ["MODIFIED", "w1", "2"],
            ["DELETED", "w1", "2"],
            ["ADDED", "w1", "2"],
        ]);
        const first = (await taken)[0];
        expect(first?.object).toEqual(made);
        expect((await taken)[2]?.object.metadata.resourceVersion).toBe(left.metadata.resourceVersion);
    });

    it("ends a watch when it is told to", async () => {
        const ending = new AbortController();
        const { metadata } = await client.list({ type: Kinds.configMap });
        const query = { type: Kinds.configMap, resourceVersion: metadata.resourceVersion ?? "" };
        const first = await client.create(Kinds.configMap, configMap("before"));
        const events = client.watch(query, ending.signal)[Symbol.asyncIterator]();
        expect((await events.next()).value).toMatchObject({ object: first });
        const next = events.next();
        ending.abort();
        expect((await next).done).toBe(true);
    });

    it("says when the history that a watch needs is gone", async () => {
        await api.restart();
        client = clientOf(api);
        const watching = take(
            client.watch({ type: Kinds.configMap, resourceVersion: "1" }, new AbortController().signal),
            1,
        );
        expect(statusCode(await failure(watching))).toBe(410);
    });
});

/** A store whose writes can be held up. */
class HeldStore extends MemoryStore {
    #held: Promise<void> | undefined;
    #release: () => void = () => {};

    hold(): void {
        this.#held = new Promise((resolve) => {
            this.#release = resolve;
        });
    }

    release(): void {
        this.#release();
    }

    override async write(ops: readonly StoreOp[]): Promise<void> {
        await this.#held;
        await super.write(ops);
    }
}

describe("a client within the API server's process", () => {
    let api: ApiHarness;
    let store: HeldStore;
    let clock: ManualClock;

    beforeEach(async () => {
        store = new HeldStore();
        clock = new ManualClock();
        api = new ApiHarness(store, clock);
        await api.start();
        await api.namespace("default");
    });

    afterEach(async () => {
        await api.dispose();
    });

    it("shares what it watches with every other watcher, and never with who sent it", async () => {
        const client = api.local();
        const { metadata } = await client.list({ type: Kinds.configMap });
        const query = { type: Kinds.configMap, resourceVersion: metadata.resourceVersion ?? "" };
        const watching = [1, 2].map(() => take(client.watch(query, new AbortController().signal), 1));
        const sent = configMap("shared", { a: "1" });
        const answered = await client.create(Kinds.configMap, sent);
        const [one, two] = await Promise.all(watching);
        expect(one?.[0]?.object).toBe(two?.[0]?.object);
        (sent["data"] as Record<string, string>)["a"] = "2";
        (answered["data"] as Record<string, string>)["a"] = "3";
        expect((await client.get(ref("shared")))["data"]).toEqual({ a: "1" });
        expect(one?.[0]?.object["data"]).toEqual({ a: "1" });
    });

    it("gives up what is not answered in time", async () => {
        const client = api.local();
        store.hold();
        const failed = failure(client.create(Kinds.configMap, configMap("never")));
        await clock.advance(31_000);
        const thrown = await failed;
        expect(isRedgeError(thrown, "REDGE_KUBE_UNREACHABLE")).toBe(true);
        store.release();
    });

    it("ends its watches with the server, and cannot reach one that does not run", async () => {
        const client = api.local();
        const { metadata } = await client.list({ type: Kinds.configMap });
        const query = { type: Kinds.configMap, resourceVersion: metadata.resourceVersion ?? "" };
        const watching = take(client.watch(query, new AbortController().signal), 1);
        await client.create(Kinds.configMap, configMap("last"));
        expect(await watching).toHaveLength(1);
        const open = take(
            client.watch({ ...query, fieldSelector: "metadata.name=none" }, new AbortController().signal),
            1,
        );
        await client.get(ref("last"));
        await api.stop();
        expect(await open).toEqual([]);
        expect(isRedgeError(await failure(client.get(ref("last"))), "REDGE_KUBE_UNREACHABLE")).toBe(true);
        await api.start();
    });
});
