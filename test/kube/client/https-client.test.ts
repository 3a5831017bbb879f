// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { isConflict, isNotFound, statusCode, statusReason } from "../../../src/kube/client/status-error.ts";
import { Kinds } from "../../../src/kube/types.ts";

interface Seen {
    method: string;
    url: string;
    headers: IncomingMessage["headers"];
    body: unknown;
}

let server: Server;
let address: string;
let client: KubeClient;
let answer: (request: Seen, response: ServerResponse) => void;
let seen: Seen[];
let clock: ManualClock;

beforeEach(async () => {
    seen = [];
    answer = (_, response) => json(response, 200, { kind: "Pod", apiVersion: "v1", metadata: { name: "a" } });
    server = createServer((request, response) => {
        let text = "";
        request.on("data", (chunk: Buffer) => {
            text += chunk.toString();
        });
        request.on("end", () => {
            const { method = "", url = "", headers } = request;
            const got = { method, url, headers, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
            seen.push(got);
            answer(got, response);
        });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    clock = new ManualClock();
    client = createKubeClient({ server: address, token: async () => "secret" }, { clock, random: () => 0 });
});

afterEach(async () => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
});

function json(response: ServerResponse, code: number, body: unknown, headers: Record<string, string> = {}): void {
    response.writeHead(code, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
}

const pod = { type: Kinds.pod, namespace: "default", name: "a" };
const failure = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
        () => undefined,
        (thrown: unknown) => thrown,
    );

describe("createKubeClient", () => {
    it("asks by the paths, media types and bodies of the Kubernetes API", async () => {
        const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } };
        await client.get(pod);
        await client.create(Kinds.pod, object);
        await client.create(Kinds.pod, object, { name: "binding", of: "a" });
        await client.replace(Kinds.deployment, { ...object, kind: "Deployment" }, "status");
        await client.patch(pod, { a: 1 }, "strategic", { subresource: "status" });
        await client.patch(pod, [], "json");
        await client.patch(pod, {}, "apply", { fieldManager: "me", force: true });
        await client.get({ type: Kinds.node, name: "n" });
        await client.delete(pod, { uid: "u", gracePeriodSeconds: 0, propagationPolicy: "Foreground" });
        expect(
            seen.map(({ method, url, headers }) => `${method} ${url} ${headers["content-type"] ?? ""}`.trim()),
        ).toEqual([
            "GET /api/v1/namespaces/default/pods/a",
            "POST /api/v1/namespaces/default/pods application/json",
            "POST /api/v1/namespaces/default/pods/a/binding application/json",
            "PUT /apis/apps/v1/namespaces/default/deployments/a/status application/json",
            "PATCH /api/v1/namespaces/default/pods/a/status application/strategic-merge-patch+json",
            "PATCH /api/v1/namespaces/default/pods/a application/json-patch+json",
            "PATCH /api/v1/namespaces/default/pods/a?fieldManager=me&force=true application/apply-patch+yaml",
            "GET /api/v1/nodes/n",
            "DELETE /api/v1/namespaces/default/pods/a application/json",
        ]);
        expect(seen[0]?.headers.authorization).toBe("Bearer secret");
        expect(seen.at(-1)?.body).toEqual({
            kind: "DeleteOptions",
            apiVersion: "v1",
            gracePeriodSeconds: 0,
            propagationPolicy: "Foreground",
            preconditions: { uid: "u" },
        });
    });

    it("gives list items the kind that servers leave out", async () => {
        answer = (_, response) =>
            json(response, 200, {
                kind: "PodList",
                apiVersion: "v1",
                metadata: { resourceVersion: "5" },
                items: [{ metadata: { name: "a" } }],
            });
        const list = await client.list({ type: Kinds.pod, labelSelector: "a in (b,c)", limit: 2, continueToken: "x" });
        expect(list.items).toEqual([{ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } }]);
        expect(seen[0]?.url).toBe("/api/v1/pods?labelSelector=a+in+%28b%2Cc%29&limit=2&continue=x");
    });

    it("turns refusals into REDGE_KUBE_STATUS with code and reason", async () => {
        const status = {
            kind: "Status",
            status: "Failure",
            reason: "NotFound",
            message: 'pods "a" not found',
            code: 404,
        };
        answer = (_, response) => json(response, 404, status);
        const thrown = await failure(client.get(pod));
        expect(thrown).toMatchObject({ code: "REDGE_KUBE_STATUS", details: { code: 404, reason: "NotFound" } });
        expect(isNotFound(thrown)).toBe(true);
        answer = (_, response) => json(response, 409, { ...status, code: 409, reason: "Conflict" });
        expect(isConflict(await failure(client.get(pod)))).toBe(true);
        answer = (_, response) => {
            response.writeHead(503);
            response.end("<html>proxy</html>");
        };
        const proxied = await failure(client.get(pod));
        expect([statusCode(proxied), statusReason(proxied)]).toEqual([503, "ServiceUnavailable"]);
    });

    it("says REDGE_KUBE_UNREACHABLE when nothing answers, and when an answer does not come in time", async () => {
        const nobody = createKubeClient({ server: "http://127.0.0.1:9" }, { clock, random: () => 0 });
        expect(await failure(nobody.get(pod))).toMatchObject({ code: "REDGE_KUBE_UNREACHABLE" });
        const arrived = new Promise<void>((resolve) => {
            answer = () => resolve();
        });
        const waiting = failure(client.get(pod));
        await arrived;
        await clock.advance(30_000);
        expect(await waiting).toMatchObject({ code: "REDGE_KUBE_UNREACHABLE" });
    });

    it("comes back after Retry-After when the server is busy, but not for ever", async () => {
        answer = (_, response) =>
            json(response, 429, { reason: "TooManyRequests", message: "busy" }, { "retry-after": "1" });
        const work = failure(client.get(pod));
        for (let request = 1; request <= 6; request += 1) {
            while (seen.length < request) await clock.advance(250);
        }
        expect(await work).toMatchObject({ details: { code: 429 } });
        expect(seen).toHaveLength(6);
    });

    it("streams a watch line by line however it is cut, ends with the server, and tells a reset", async () => {
        const lines = [1, 2, 3].map(
            (n) => `${JSON.stringify({ type: "ADDED", object: { metadata: { name: `ä${n}` } } })}\n`,
        );
        const bytes = Buffer.from(lines.join(""));
        answer = (_, response) => {
            response.writeHead(200);
            for (const byte of bytes) response.write(Buffer.from([byte]));
            response.end();
        };
        const names: string[] = [];
        const signal = new AbortController().signal;
        for await (const { object } of client.watch({ type: Kinds.pod, resourceVersion: "7" }, signal))
            names.push(object.metadata.name);
        expect(names).toEqual(["ä1", "ä2", "ä3"]);
        expect(seen[0]?.url).toContain("watch=1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=240");
        answer = (_, response) => {
            response.writeHead(200);
            response.write(lines[0]);
            setImmediate(() => response.destroy());
        };
        const cut = (async () => {
            for await (const _ of client.watch({ type: Kinds.pod, resourceVersion: "7" }, signal)) names.push("again");
        })();
        expect(await failure(cut)).toMatchObject({ code: "REDGE_KUBE_UNREACHABLE" });
        expect(names.at(-1)).toBe("again");
    });

    it("ends a watch when told to, and when the server does not", async () => {
        const opened = (): Promise<void> =>
            new Promise((resolve) => {
                answer = (_, response) => {
                    response.writeHead(200);
                    response.flushHeaders();
                    resolve();
                };
            });
        const follow = async (signal: AbortSignal): Promise<void> => {
            for await (const _ of client.watch({ type: Kinds.pod, resourceVersion: "7" }, signal)) expect.unreachable();
        };
        const stop = new AbortController();
        let open = opened();
        const stopped = follow(stop.signal);
        await open;
        stop.abort();
        await stopped;
        open = opened();
        const silent = failure(follow(new AbortController().signal));
        await open;
        // The head has to arrive before the guard of the stream runs.
        while (clock.pendingTimers === 0) await clock.advance(0);
        await clock.advance(271_000);
        expect(await silent).toMatchObject({ code: "REDGE_KUBE_UNREACHABLE" });
    });
});
