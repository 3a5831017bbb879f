// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
    RouteIn,
    type RouteInConfig,
    type RouteMessage,
    RouteOut,
    type RouteOutConfig,
    routeInConfig,
    routeOutConfig,
} from "../../../src/cloud/router/drawn/index.ts";
import type { ComponentState } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { asRecord } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeObject, ResourceType } from "../../../src/kube/types.ts";
import { eventually } from "../../support/eventually.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";

const pki = new TestPki();

/** "good" may call in the whole namespace, "stranger" is known but may not. */
class ReviewingCluster extends MemoryCluster {
    override async create(type: ResourceType, object: KubeObject): Promise<KubeObject> {
        const spec = asRecord(object["spec"]);
        if (type.kind === "TokenReview") {
            const known = spec["token"] === "good" || spec["token"] === "stranger";
            return { ...object, status: known ? { authenticated: true, user: { username: spec["token"] } } : {} };
        }
        if (type.kind !== "SubjectAccessReview") return super.create(type, object);
        expect(spec["resourceAttributes"]).toMatchObject({
            resource: "rules",
            subresource: "requests",
            namespace: "default",
        });
        return { ...object, status: { allowed: spec["user"] === "good" } };
    }
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A route as it is drawn: both ends wired to each other and to a cloud hub that is this test. */
async function draw(from: Record<string, unknown>, to: Record<string, unknown>) {
    const clock = new ManualClock();
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5 };
    const rest = { cluster: new ReviewingCluster(), identity: pki.cloudIdentity() };
    const routeIn = new RouteIn(parseConfig<RouteInConfig>(routeInConfig, { port: 0, ...from }), { ...ports, rest });
    const routeOut = new RouteOut(parseConfig<RouteOutConfig>(routeOutConfig, to), ports);
    const sent: Envelope[] = [];
    const states = { in: {} as ComponentState, out: {} as ComponentState };
    const messages: RouteMessage[] = [];
    routeIn.on("output", (_output, envelope) => sent.push(envelope));
    routeOut.on("output", (_output, envelope) => sent.push(envelope));
    routeIn.on("state", (state) => {
        states.in = state;
    });
    routeOut.on("state", (state) => {
        states.out = state;
    });
    routeIn.on("message", (message) => {
        messages.push(message);
        void routeOut.carry(message);
    });
    routeOut.on("answer", (message) => {
        if (message.call !== undefined) routeIn.answer(message);
    });
    await routeIn.start();
    await routeOut.start();
    cleanups.push(async () => {
        await routeIn.stop();
        await routeOut.stop();
    });
    const fromNode = async (
        route: Partial<Envelope["route"]>,
        content: unknown,
        header: Partial<Envelope["header"]> = {},
    ) => {
        const made = newEnvelope({ route: { resource: "", operation: "upload", ...route }, content, node: "edge-1" });
        const envelope = { ...made, header: { ...made.header, ...header } };
        await routeIn.receive(envelope);
        await routeOut.receive(envelope);
        return envelope;
    };
    return { clock, routeIn, routeOut, sent, states, messages, fromNode };
}

function call(
    port: number | undefined,
    path: string,
    body: string,
    headers: Record<string, string> = { authorization: "Bearer good" },
) {
    return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>((resolve, reject) => {
        const calling = request(
            {
                host: "127.0.0.1",
                port,
                path,
                method: "POST",
                ca: pki.caPem,
                checkServerIdentity: () => undefined,
                headers,
            },
            (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("end", () =>
                    resolve({
                        status: response.statusCode ?? 0,
                        body: Buffer.concat(chunks).toString(),
                        headers: response.headers,
                    }),
                );
            },
        );
        calling.on("error", reject);
        calling.end(body);
    });
}

async function serveHttp(status: number, body: string) {
    const received: { url: string; body: string }[] = [];
    const server = createServer((incoming, response) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () => {
            received.push({ url: incoming.url ?? "", body: Buffer.concat(chunks).toString() });
            response.writeHead(status).end(body);
        });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(async () => {
        server.closeAllConnections();
        server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`, received };
}

describe("drawn routes", () => {
    test("rest → eventbus: a call over TLS with a token is published at the node it names, and answered", async () => {
        const { routeIn, sent, states } = await draw(
            { path: "line/{line}" },
            { to: "eventbus", mqttTopic: "commands" },
        );
        const answer = await call(routeIn.port, "/edge-1/default/line/7/blink?now", "gr\u00fcn");
        expect(answer).toMatchObject({ status: 200, body: "message delivered" });
        expect(sent).toMatchObject([
            {
                node: "edge-1",
                content: "grün",
                route: { source: "router_eventbus", group: "user", operation: "publish", resource: "commands/blink" },
            },
        ]);
        expect(states.in).toMatchObject({ text: "listening", params: { hits: 1, errors: 0, port: routeIn.port } });
        expect(states.out).toMatchObject({ text: "counted", params: { hits: 1, errors: 0 } });
    });

    test("who shows no token, one of nobody, or may not, is refused and reaches no edge node; so is another path", async () => {
        const { routeIn, sent, states } = await draw({ path: "line" }, { mqttTopic: "commands" });
        const status = async (path: string, headers: Record<string, string>) =>
            (await call(routeIn.port, path, "x", headers)).status;
        expect(await status("/edge-1/default/line", {})).toBe(401);
        expect(await status("/edge-1/default/line", { authorization: "Bearer nobody" })).toBe(401);
        expect(await status("/edge-1/default/line", { authorization: "Bearer stranger" })).toBe(403);
        expect(await status("/edge-1/default/other", { authorization: "Bearer good" })).toBe(404);
        expect(await status("/edge-1/elsewhere/line", { authorization: "Bearer good" })).toBe(404);
        expect(sent).toEqual([]);
        expect(states.in.params).toMatchObject({ hits: 0 });
    });

    test("an edge node that has left is answered with 503 until it is back", async () => {
        const { routeIn, states, fromNode, sent } = await draw({ path: "line" }, { mqttTopic: "commands" });
        await fromNode({ operation: "disconnect", resource: "node/edge-1" }, null);
        expect(await call(routeIn.port, "/edge-1/default/line", "x")).toMatchObject({ status: 503 });
        expect(states.in.params).toMatchObject({ hits: 1, errors: 1 });
        expect(states.out.params).toMatchObject({ hits: 1, errors: 1 });
        await fromNode({ operation: "connect", resource: "node/edge-1" }, null);
        expect(await call(routeIn.port, "/edge-1/default/line", "x")).toMatchObject({ status: 200 });
        expect(sent).toHaveLength(1);
    });

    test("rest → servicebus: method, path, query and body reach the service, its status, headers and body the caller", async () => {
        const { routeIn, sent, fromNode } = await draw(
            { path: "recipes" },
            { to: "servicebus", servicePort: 8080, servicePath: "/api" },
        );
        const calling = call(routeIn.port, "/edge-1/default/recipes/7?full=1", '{"a":1}');
        const asked = await eventually(() => {
            expect(sent).toHaveLength(1);
            return sent[0] as Envelope;
        });
        expect(asked).toMatchObject({
            node: "edge-1",
            route: { source: "router_servicebus", operation: "POST", resource: "8080:/api/7?full=1" },
        });
        const { header, body } = asked.content as { header: Record<string, unknown>; body: string };
        expect(Buffer.from(body, "base64").toString()).toBe('{"a":1}');
        expect(header["authorization"]).toBeUndefined();
        const content = {
            header: { "x-made-by": ["press"] },
            status_code: 201,
            body: Buffer.from("made").toString("base64"),
        };
        await fromNode({ source: "servicebus", group: "user" }, content, { parent_msg_id: asked.header.msg_id });
        expect(await calling).toMatchObject({ status: 201, body: "made", headers: { "x-made-by": "press" } });
    });

    test("a service that does not answer in time is a 504", async () => {
        const { routeIn, sent, clock, states } = await draw(
            { path: "recipes" },
            { to: "servicebus", servicePort: 8080, timeoutMs: 1000 },
        );
        const calling = call(routeIn.port, "/edge-1/default/recipes", "");
        await eventually(() => expect(sent).toHaveLength(1));
        await clock.advance(1000);
        expect(await calling).toMatchObject({ status: 504 });
        expect(states.out.params).toMatchObject({ hits: 1, errors: 1 });
    });

    test("eventbus → rest: the node is told to send the topic, and again when it joins; messages are posted in order", async () => {
        const { url, received } = await serveHttp(200, "thanks");
        const { sent, fromNode, messages } = await draw(
            { from: "eventbus", edgeNode: "edge-1", mqttTopic: "alarms/#" },
            { to: "rest", url },
        );
        const subscribe = {
            route: { source: "router_eventbus", operation: "subscribe", resource: "default/alarms/#" },
            node: "edge-1",
        };
        expect(sent).toMatchObject([subscribe]);
        await fromNode({ operation: "connect", resource: "node/edge-1" }, null);
        expect(sent).toMatchObject([subscribe, subscribe]);
        for (const text of ["one", "two", "three"]) await fromNode({ resource: "default/alarms/3" }, text);
        await fromNode({ resource: "default/other" }, "x");
        await eventually(() => expect(received.map(({ body }) => body)).toEqual(["one", "two", "three"]));
        expect(messages[0]).toEqual({ topic: "default/alarms/3", payload: "one", node: "edge-1" });
    });

    test("an address that refuses, or is not there, is counted", async () => {
        const { url } = await serveHttp(500, "no");
        const refusing = await draw({ from: "eventbus", edgeNode: "edge-1", mqttTopic: "a" }, { to: "rest", url });
        await refusing.fromNode({ resource: "default/a" }, "x");
        await eventually(() => expect(refusing.states.out.params).toMatchObject({ hits: 1, errors: 1 }));
        const nobody = await draw(
            { from: "eventbus", edgeNode: "edge-1", mqttTopic: "a" },
            { to: "rest", url: "http://127.0.0.1:1/" },
        );
        await nobody.fromNode({ resource: "default/a" }, "x");
        await eventually(() => expect(nobody.states.out.params).toMatchObject({ hits: 1, errors: 1 }));
    });

    test("servicebus → rest: what a service asks is posted, and the answer goes back to it", async () => {
        const { url, received } = await serveHttp(200, "order 7");
        const { sent, fromNode } = await draw(
            { from: "servicebus", edgeNode: "edge-1", targetUrl: "http://orders/new" },
            { to: "rest", url },
        );
        expect(sent).toMatchObject([
            { route: { source: "router_servicebus", operation: "start", resource: "http://orders/new" } },
        ]);
        const asked = await fromNode(
            { source: "servicebus", group: "user", resource: "http://orders/new" },
            Buffer.from('{"item":1}').toString("base64"),
        );
        await eventually(() => expect(sent).toHaveLength(2));
        expect(received).toMatchObject([{ url: "/orders", body: '{"item":1}' }]);
        expect(sent[1]).toMatchObject({
            node: "edge-1",
            content: "order 7",
            header: { parent_msg_id: asked.header.msg_id },
        });
    });

    test("a flow that does not answer costs its callers the time-out and no more; stopping answers who waits", async () => {
        const clock = new ManualClock();
        const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5 };
        const rest = { cluster: new ReviewingCluster(), identity: pki.cloudIdentity() };
        const config = parseConfig<RouteInConfig>(routeInConfig, { port: 0, path: "x", timeoutMs: 500 });
        const routeIn = new RouteIn(config, { ...ports, rest });
        const asked: RouteMessage[] = [];
        routeIn.on("message", (message) => asked.push(message));
        await routeIn.start();
        const late = call(routeIn.port, "/edge-1/default/x", "");
        await eventually(() => expect(asked).toHaveLength(1));
        await clock.advance(500);
        expect(await late).toMatchObject({ status: 504 });
        routeIn.answer({ ...asked[0], payload: "too late" });
        const cut = call(routeIn.port, "/edge-1/default/x", "");
        await eventually(() => expect(asked).toHaveLength(2));
        await routeIn.stop();
        expect(await cut).toMatchObject({ status: 503 });
        expect(() => routeIn.answer({ payload: "x" })).toThrow("call.id");
    });

    test.each([
        [{ from: "rest" }, "path"],
        [{ from: "eventbus", mqttTopic: "a" }, "edgeNode"],
        [{ from: "eventbus", edgeNode: "e" }, "mqttTopic"],
        [{ from: "servicebus", edgeNode: "e" }, "targetUrl"],
    ])("route in %j lacks %s", async (config, field) => {
        await expect(draw(config, {})).rejects.toMatchObject({
            code: "REDGE_CONFIG_INVALID",
            message: expect.stringContaining(field),
        });
    });

    test.each([
        [{ to: "servicebus" }, "servicePort"],
        [{ to: "rest" }, "url"],
        [{ to: "rest", url: "ftp://x" }, "url"],
        [{ to: "servicebus", servicePort: 80, servicePath: "a:b" }, "servicePath"],
    ])("route out %j is wrong in %s", async (config, field) => {
        await expect(draw({ path: "x" }, config)).rejects.toMatchObject({
            code: "REDGE_CONFIG_INVALID",
            message: expect.stringContaining(field),
        });
    });
});
