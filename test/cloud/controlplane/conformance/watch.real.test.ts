// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import type { KubeClient, WatchEvent } from "../../../../src/kube/client/client.ts";
import type { ClusterConnection } from "../../../../src/kube/client/connection.ts";
import { createKubeClient } from "../../../../src/kube/client/https-client.ts";
import { statusCode, statusReason } from "../../../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../../src/kube/types.ts";
import { startEmbeddedApiServer } from "../../../support/embedded.ts";
import { realKube, startRealKube } from "../../../support/kube.ts";
import { describeWith } from "../../../support/requires.ts";

const type = Kinds.configMap;
const namespace = "watched";
const END = "end";

/** What each watcher heard, as "TYPE name key=value", while one and the same story went on. */
async function story(connection: ClusterConnection): Promise<Record<string, string[]>> {
    const client = createKubeClient(connection, { clock: systemClock, random: Math.random });
    await client.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    await client.create(type, configMap("before", { app: "x" }));
    const { metadata } = await client.list({ type, namespace });
    const resourceVersion = metadata.resourceVersion ?? "";
    const heard = {
        everything: follow(client, { resourceVersion }),
        "a label": follow(client, { resourceVersion, labelSelector: `app in (x,${END})` }),
        "not a label": follow(client, { resourceVersion, labelSelector: "app!=x" }),
        "a name": follow(client, { resourceVersion, fieldSelector: "metadata.name!=other" }),
        "from now on, with what is there": follow(client, { resourceVersion: "" }),
        "from any version": follow(client, { resourceVersion: "0" }),
    };
    const change = (name: string, patch: unknown): Promise<unknown> =>
        client.patch({ type, namespace, name }, patch, "merge");
    // A watcher "with what is there" must see the state before the story, not some of the middle of it.
    await Promise.all([heard["from now on, with what is there"].first, heard["from any version"].first]);
    await client.create(type, configMap("other", {}));
    await change("other", { metadata: { labels: { app: "x" } } });
    await change("other", { data: { a: "1" } });
    await change("other", { data: { a: "1" } });
    await change("other", { metadata: { labels: { app: "y" } } });
    await change("before", { metadata: { finalizers: ["example.com/hold"] } });
    await client.delete({ type, namespace, name: "before" });
    await change("before", { metadata: { finalizers: null } });
    await client.delete({ type, namespace, name: "other" });
    await client.create(type, configMap(END, { app: END }));
    const entries = Object.entries(heard).map(async ([name, watch]) => [name, await watch.all] as const);
    const told = Object.fromEntries(await Promise.all(entries));
    await client.close();
    return told;
}

function follow(
    client: KubeClient,
    query: { resourceVersion: string; labelSelector?: string; fieldSelector?: string },
): { readonly first: Promise<void>; readonly all: Promise<string[]> } {
    let begun = (): void => {};
    const first = new Promise<void>((resolve) => {
        begun = resolve;
    });
    const all = (async () => {
        const stop = new AbortController();
        const told: string[] = [];
        for await (const event of client.watch({ type, namespace, ...query }, stop.signal)) {
            if (event.type === "BOOKMARK" || event.object.metadata.name === "kube-root-ca.crt") continue;
            told.push(line(event));
            begun();
            if (event.object.metadata.name === END) stop.abort();
        }
        return told;
    })();
    return { first, all };
}

function line({ type: kind, object }: WatchEvent): string {
    const { name, labels, deletionTimestamp } = object.metadata;
    const data = Object.entries((object["data"] ?? {}) as Record<string, string>).map(
        ([key, value]) => `${key}=${value}`,
    );
    return [kind, name, labels?.["app"] ?? "-", ...data, ...(deletionTimestamp === undefined ? [] : ["leaving"])].join(
        " ",
    );
}

function configMap(name: string, labels: Record<string, string>): KubeObject {
    return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels } };
}

describeWith([realKube], "watches of the embedded API server beside a real one", () => {
    it("tell the same events, to watchers of everything, of labels and of fields", async () => {
        const kube = await startRealKube({ scheduler: false, controllers: false });
        let real: Record<string, string[]>;
        try {
            real = await story(kube.connection);
        } finally {
            await kube.stop();
        }
        const embedded = await startEmbeddedApiServer();
        try {
            expect(await story(embedded.connection)).toEqual(real);
        } finally {
            await embedded.stop();
        }
        // The story itself is as Kubernetes tells it: leaving a selection is a deletion.
        expect(real["a label"]).toContain("DELETED other x a=1");
        expect(real["not a label"]).toEqual([
            "ADDED other -",
            "DELETED other -",
            "ADDED other y a=1",
            "DELETED other y a=1",
            "ADDED end end",
        ]);
    });

    it("are refused at a version that is not one", async () => {
        const embedded = await startEmbeddedApiServer();
        const client = createKubeClient(embedded.connection, { clock: systemClock, random: Math.random });
        const attempt = async (resourceVersion: string): Promise<unknown> => {
            for await (const event of client.watch(
                { type, namespace: "default", resourceVersion },
                new AbortController().signal,
            )) {
                return event.type === "ERROR" ? (event.object as unknown as { reason: string }).reason : event.type;
            }
            return "ended";
        };
        try {
            const bad = await attempt("nonsense").catch((failure: unknown) => failure);
            expect([statusCode(bad), statusReason(bad)]).toEqual([400, "BadRequest"]);
        } finally {
            await client.close();
            await embedded.stop();
        }
    });
});
