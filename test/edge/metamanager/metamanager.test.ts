// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { MetaManager, metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { StoreOp } from "../../../src/store/store.ts";

const POD = "default/pod/web";

function object(kind: string, name: string, version: string, more: object = {}, uid = "u1"): KubeObject {
    return { apiVersion: "v1", kind, metadata: { name, namespace: "default", uid, resourceVersion: version }, ...more };
}

function push(operation: string, resource: string, content: unknown): Envelope {
    return newEnvelope({ route: { source: "edgecontroller", group: "resource", operation, resource }, content });
}

function ask(operation: string, resource: string, content: unknown = null): Envelope {
    return newEnvelope({ route: { source: "edged", group: "meta", operation, resource }, content });
}

describe("MetaManager", () => {
    let store: MemoryStore;
    let clock: ManualClock;
    let meta: MetaManager;
    let toEdged: Envelope[];
    let toCloud: Envelope[];

    async function start(): Promise<void> {
        toEdged = [];
        toCloud = [];
        meta = new MetaManager(parseConfig(metaManagerConfig, {}), {
            clock,
            log: silentLogger,
            metrics: noMetrics,
            random: () => 0.5,
            store,
        });
        meta.on("output", (output, envelope) => (output === "edged" ? toEdged : toCloud).push(envelope));
        await meta.start();
    }
    const link = (up: boolean): Promise<void> => meta.receive(push(up ? "connect" : "disconnect", "link", null));

    beforeEach(async () => {
        store = new MemoryStore();
        clock = new ManualClock();
        await start();
        await link(true);
        toEdged = [];
    });

    it("stores a pushed object, then acknowledges it by its id, then hands it to Edged", async () => {
        const pushed = push("update", POD, object("Pod", "web", "5"));
        await meta.receive(pushed);
        const [ack] = toCloud;
        expect(ack?.header.parent_msg_id).toBe(pushed.header.msg_id);
        expect(ack?.route).toEqual({
            source: "edgecontroller",
            group: "resource",
            operation: "response",
            resource: POD,
        });
        expect(ack?.content).toBe("OK");
        expect(toEdged).toEqual([pushed]);
        expect(await store.get(`metamanager/objects/${POD}`)).toEqual(pushed.content);
    });

    it("acknowledges nothing that it could not store", async () => {
        store.write = (_ops: readonly StoreOp[]) => Promise.reject(new Error("disk full"));
        await expect(meta.receive(push("update", POD, object("Pod", "web", "5")))).rejects.toThrow("disk full");
        expect([...toCloud, ...toEdged]).toEqual([]);
    });

    it("acknowledges duplicates and older versions without handing them on", async () => {
        const newer = push("update", POD, object("Pod", "web", "10"));
        await meta.receive(newer);
        await meta.receive(newer);
        await meta.receive(push("update", POD, object("Pod", "web", "9", { old: true })));
        expect(toCloud).toHaveLength(3);
        expect(toEdged).toEqual([newer]);
        expect(await store.get(`metamanager/objects/${POD}`)).toEqual(newer.content);
    });

    it("takes a new incarnation whatever its version", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "10")));
        const reborn = push("update", POD, object("Pod", "web", "3", {}, "u2"));
        await meta.receive(reborn);
        expect(toEdged.at(-1)).toEqual(reborn);
    });

    it("deletes by uid: a late delete of an older incarnation changes nothing", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "10", {}, "u2")));
        await meta.receive(push("delete", POD, object("Pod", "web", "9", {}, "u1")));
        expect(await store.get(`metamanager/objects/${POD}`)).toBeDefined();
        await meta.receive(push("delete", POD, { metadata: { name: "web", namespace: "default", uid: "u2" } }));
        expect(await store.get(`metamanager/objects/${POD}`)).toBeUndefined();
        expect(toEdged.filter(({ route }) => route.operation === "delete")).toHaveLength(1);
        expect(toCloud).toHaveLength(3);
    });

    it("refuses what is no object, and operations it does not know, without an acknowledgement", async () => {
        await expect(meta.receive(push("update", POD, "text"))).rejects.toMatchObject({
            code: "REDGE_METAMANAGER_NOT_AN_OBJECT",
        });
        await expect(meta.receive(push("frob", POD, object("Pod", "web", "1")))).rejects.toMatchObject({
            code: "REDGE_METAMANAGER_OPERATION",
        });
        expect(toCloud).toEqual([]);
    });

    it("answers Edged from the store, asks the cloud for the rest and remembers the answer", async () => {
        const question = ask("query", "default/configmap/web");
        await meta.receive(question);
        expect(toCloud).toEqual([question]);
        const answer = responseTo(question, object("ConfigMap", "web", "7"), {
            source: "edgecontroller",
            group: "resource",
        });
        await meta.receive(answer);
        expect(toEdged).toEqual([answer]);
        const again = ask("query", "default/configmap/web");
        await meta.receive(again);
        expect(toCloud).toHaveLength(1);
        expect(toEdged.at(-1)).toMatchObject({
            content: answer.content,
            header: { parent_msg_id: again.header.msg_id },
        });
    });

    it("does not keep a refusal as if it were the object", async () => {
        const question = ask("query", "default/secret/none");
        await meta.receive(question);
        await meta.receive(responseTo(question, { ErrStatus: { code: 404, reason: "NotFound" } }));
        await meta.receive(ask("query", "default/secret/none"));
        expect(toCloud).toHaveLength(2);
    });

    it("without a link is the truth: answers what it has, refuses the rest at once, keeps the pod's status", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "5", { status: { phase: "Pending" } })));
        await link(false);
        const sent = toCloud.length;
        const unknown = ask("query", "default/configmap/none");
        await meta.receive(unknown);
        expect(toEdged.at(-1)).toMatchObject({ route: { operation: "error" }, content: "connection lost" });
        const patch = { metadata: { uid: "u1" }, status: { phase: "Running", reason: null } };
        await meta.receive(ask("patch", "default/podpatch/web", JSON.stringify(patch)));
        await meta.receive(ask("query", "null/podlist"));
        expect(toEdged.at(-1)?.content).toMatchObject([{ metadata: { name: "web" }, status: { phase: "Running" } }]);
        expect(toCloud).toHaveLength(sent);
    });

    it("lets whoever asks wait while there has been no link yet since the start", async () => {
        await meta.stop();
        await start();
        const notYet = { reason: "not connected yet", connectedBefore: false };
        await meta.receive(push("disconnect", "link", notYet));
        await meta.receive(ask("query", "default/configmap/none"));
        expect(toEdged).toEqual([]);
        expect(toCloud.map(({ route }) => route.resource)).toEqual(["default/configmap/none"]);
        await link(false);
        expect(toEdged.map(({ route }) => route.operation)).toEqual(["error", "disconnect"]);
    });

    it("tells Edged when the link goes, also those who wait for an answer", async () => {
        const question = ask("query", "default/configmap/web");
        await meta.receive(question);
        await link(false);
        expect(toEdged.map(({ route }) => route.operation)).toEqual(["error", "disconnect"]);
        expect(toEdged[0]?.header.parent_msg_id).toBe(question.header.msg_id);
    });

    it("gives up on an answer that does not come", async () => {
        await meta.receive(ask("query", "default/configmap/web"));
        await clock.advance(60_000);
        expect(toEdged.at(-1)).toMatchObject({ route: { operation: "error" }, content: "no answer from the cloud" });
    });

    it("hands Edged everything at the start, what pods refer to first", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "5")));
        await meta.receive(push("update", "default/configmap/web", object("ConfigMap", "web", "6")));
        await meta.stop();
        await start();
        expect(toEdged.map(({ route }) => route.resource)).toEqual(["default/configmap/web", POD]);
    });

    it("moves a record aside that cannot be an object, and goes on", async () => {
        await store.write([{ op: "put", key: `metamanager/objects/${POD}`, value: "torn" }]);
        await start();
        expect(toEdged).toEqual([]);
        expect(await store.get(`metamanager/quarantine/${POD}`)).toBe("torn");
        // The cloud is asked for everything, and what comes takes the torn record's place.
        expect(toCloud.map(({ route }) => `${route.operation} ${route.resource}`)).toEqual(["renew store"]);
        await meta.receive(push("update", POD, object("Pod", "web", "5")));
        expect(await store.get(`metamanager/quarantine/${POD}`)).toBeUndefined();
    });

    it("forgets a pod when the cloud has confirmed its deletion", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "5")));
        const request = ask("delete", POD, { gracePeriodSeconds: 0, preconditions: { uid: "u1" } });
        await meta.receive(request);
        await meta.receive(responseTo(request, "OK"));
        expect(await store.get(`metamanager/objects/${POD}`)).toBeUndefined();
    });

    it("renews tokens in time, but gives the old one while the cloud cannot be asked", async () => {
        const request = { spec: { audiences: null, expirationSeconds: 3600 }, status: {} };
        const resource = "default/serviceaccounttoken/default";
        const first = ask("query", resource, request);
        await meta.receive(first);
        const expirationTimestamp = new Date(clock.nowMs() + 3_600_000).toISOString();
        const answer = { ...request, status: { token: "t1", expirationTimestamp } };
        await meta.receive(responseTo(first, answer));
        await meta.receive(ask("query", resource, request));
        expect(toEdged.at(-1)?.content).toEqual(answer);
        expect(toCloud).toHaveLength(1);
        await clock.advance(3_000_000);
        await meta.receive(ask("query", resource, request));
        expect(toCloud).toHaveLength(2);
        await link(false);
        await clock.advance(400 * 24 * 3_600_000);
        await meta.receive(ask("query", resource, request));
        expect(toEdged.at(-1)?.content).toEqual(answer);
    });

    it("does not let a late answer undo a newer push", async () => {
        await meta.receive(push("update", POD, object("Pod", "web", "5")));
        const patch = ask("patch", "default/podpatch/web", JSON.stringify({ metadata: { uid: "u1" }, status: {} }));
        await meta.receive(patch);
        const newest = object("Pod", "web", "9", { spec: { changed: true } });
        await meta.receive(push("update", POD, newest));
        await meta.receive(responseTo(patch, { Object: object("Pod", "web", "7"), Err: null }));
        expect(await store.get(`metamanager/objects/${POD}`)).toMatchObject({ spec: { changed: true } });
    });
});
