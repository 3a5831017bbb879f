// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { request as secureRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Router, type RouterConfig, routerConfig } from "../../../src/cloud/router/index.ts";
import { matchRest, topicMatches } from "../../../src/cloud/router/matching.ts";
import type { Route } from "../../../src/cloud/router/route.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { asRecord } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import { payloadIn } from "../../../src/envelope/payload.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../src/kube/types.ts";
import type { CloudIdentity } from "../../../src/link/identity/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";
import { recording, recordings } from "../support/recording.ts";

const pki = new TestPki();
const identity: CloudIdentity = pki.cloudIdentity();

/** A cluster that also reviews tokens: "good" may call, "stranger" is known but may not. */
class ReviewingCluster extends MemoryCluster {
    override async create(type: ResourceType, object: KubeObject): Promise<KubeObject> {
        if (type.kind === "TokenReview") {
            const token = asRecord(object["spec"])["token"];
            const known = token === "good" || token === "stranger";
            this.requests.push(`review ${String(token)}`);
            return { ...object, status: known ? { authenticated: true, user: { username: token } } : {} };
        }
        if (type.kind === "SubjectAccessReview") {
            const spec = asRecord(object["spec"]);
            expect(spec["resourceAttributes"]).toMatchObject({
                resource: "rules",
                subresource: "requests",
                verb: "create",
            });
            return { ...object, status: { allowed: spec["user"] === "good" } };
        }
        return super.create(type, object);
    }
}

describe("Router", () => {
    let cluster: ReviewingCluster;
    let clock: ManualClock;
    let router: Router;
    let sent: Envelope[];
    let target: Server;
    let received: { url: string; body: string; hex: string; type: string | undefined }[];
    let answer: { status: number; body: string };

    const endpoint = (name: string, type: string, properties?: Record<string, string>) =>
        cluster.create(Kinds.ruleEndpoint, {
            apiVersion: "rules.kubeedge.io/v1",
            kind: "RuleEndpoint",
            metadata: { name, namespace: "default" },
            spec: { ruleEndpointType: type, ...(properties === undefined ? {} : { properties }) },
        });
    const rule = (
        name: string,
        [source, sourceResource]: [string, Record<string, string>],
        [to, targetResource]: [string, Record<string, string>],
    ) =>
        cluster.create(Kinds.rule, {
            apiVersion: "rules.kubeedge.io/v1",
            kind: "Rule",
            metadata: { name, namespace: "default" },
            spec: { source, sourceResource, target: to, targetResource },
        });
    const start = async (config: Record<string, unknown> = {}) => {
        const settings = parseConfig<RouterConfig>(routerConfig, {
            port: 0,
            tls: false,
            authorization: "none",
            ...config,
        });
        const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0, cluster, identity };
        router = new Router(settings, ports);
        router.on("output", (_, envelope) => sent.push(envelope));
        await router.start();
        await clock.advance(0);
        // So that one that was deployed alone hears of the nodes that are there.
        expect(taken()).toEqual(["router_eventbus query nodes"]);
    };
    const up = (
        operation: string,
        resource: string,
        content: unknown,
        more: { source?: string; parentId?: string; type?: string } = {},
    ) =>
        router.receive(
            newEnvelope({
                route: { source: more.source ?? "bus", group: "user", operation, resource },
                content,
                node: "edge-1",
                parentId: more.parentId,
                type: more.type,
            }),
        );
    const call = (path: string, init: { method?: string; body?: string | Buffer; token?: string } = {}) =>
        new Promise<{ status: number; body: string; headers: IncomingMessage["headers"] }>((resolve, reject) => {
            const headers = init.token === undefined ? {} : { authorization: `Bearer ${init.token}` };
            const options = { port: router.port, path, method: init.method ?? "POST", headers, agent: false };
            const outgoing = request(options, async (response) => {
                let body = "";
                for await (const chunk of response) body += String(chunk);
                resolve({ status: response.statusCode ?? 0, body, headers: response.headers });
            });
            outgoing.on("error", reject);
            outgoing.end(init.body ?? "");
        });
    const status = (name: string) => asRecord(cluster.peek(Kinds.rule, name)?.["status"]);
    const taken = () => sent.splice(0).map(({ route }) => `${route.source} ${route.operation} ${route.resource}`);

    beforeEach(async () => {
        cluster = new ReviewingCluster();
        clock = new ManualClock();
        sent = [];
        received = [];
        answer = { status: 200, body: "thanks" };
        target = createServer(async (incoming, response) => {
            const bytes = await buffer(incoming);
            const [body, hex] = [bytes.toString("utf8"), bytes.toString("hex")];
            received.push({ url: incoming.url ?? "", body, hex, type: incoming.headers["content-type"] });
            response.statusCode = answer.status;
            response.end(answer.body);
        });
        await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
        await endpoint("rest", "rest");
        await endpoint("mqtt", "eventbus");
        await endpoint("service", "servicebus", { service_port: "6666" });
    });

    afterEach(async () => {
        await router.stop();
        await new Promise((resolve) => target.close(resolve));
    });

    const url = (path: string): string => `http://127.0.0.1:${(target.address() as AddressInfo).port}${path}`;

    test("rest to MQTT at the edge, with what follows the rule's path behind the topic", async () => {
        await rule("cmd", ["rest", { path: "/cmd/{line}" }], ["mqtt", { topic: "cmd/in" }]);
        await start();
        expect((await call("/edge-1/default/cmd/1", { body: "x" })).status).toBe(503);
        await up("connect", "node/edge-1", null);
        const done = await call("/edge-1/default/cmd/1/fast?x=1", { body: '{"cmd":"blink"}' });
        expect(done).toMatchObject({ status: 200, body: "message delivered" });
        expect(sent.at(-1)).toMatchObject({
            node: "edge-1",
            route: { source: "router_eventbus", group: "user", operation: "publish", resource: "cmd/in/fast" },
            content: '{"cmd":"blink"}',
        });
        expect((await call("/edge-1/default/other", { body: "x" })).status).toBe(404);
        expect((await call("/edge-1", { body: "x" })).status).toBe(404);
        await clock.advance(3000);
        expect(status("cmd")).toMatchObject({ successMessages: 1, failMessages: 1 });
    });

    test("bytes that are no text go down to a Redge gateway as they are, and to nobody who would publish their base64", async () => {
        await rule("cmd", ["rest", { path: "/cmd" }], ["mqtt", { topic: "cmd/in" }]);
        await start();
        const body = Buffer.from([0xff, 0, 0x80]);
        for (const content of [null, { peer: "kubeedge" }]) {
            await up("connect", "node/edge-1", content);
            expect(await call("/edge-1/default/cmd", { body })).toMatchObject({ status: 400 });
        }
        await up("connect", "node/edge-1", { peer: "redge" });
        expect((await call("/edge-1/default/cmd", { body })).status).toBe(200);
        const message = sent.at(-1);
        expect(message?.header.type).toBe("base64");
        expect(message === undefined ? undefined : payloadIn(message)).toEqual(body);
        await up("disconnect", "node/edge-1", null);
        await up("connect", "node/edge-1", { peer: "kubeedge" });
        expect((await call("/edge-1/default/cmd", { body })).status).toBe(400);
        expect((await call("/edge-1/default/cmd", { body: "text" })).status).toBe(200);
    });

    test("MQTT at the edge to rest: subscribed at every connection, in order, counted", async () => {
        await rule("up", ["mqtt", { topic: "tele/+", node_name: "edge-1" }], ["rest", { resource: url("/sink") }]);
        await start();
        await up("connect", "node/edge-1", null);
        await up("connect", "node/edge-1", null);
        expect(taken()).toEqual([
            "router_eventbus subscribe default/tele/+",
            "router_eventbus subscribe default/tele/+",
        ]);
        await Promise.all([1, 2, 3].map((v) => up("upload", "default/tele/a", `{"v":${v}}`)));
        await up("upload", "default/other", "no");
        await up("upload", "default/tele/a", "/wCA", { type: "base64" });
        expect(received.pop()).toMatchObject({ hex: "ff0080", type: "application/octet-stream" });
        expect(received.map(({ body }) => body)).toEqual(['{"v":1}', '{"v":2}', '{"v":3}']);
        expect(received[0]).toMatchObject({ url: "/sink", type: "application/json" });
        answer = { status: 500, body: "" };
        await up("upload", "default/tele/a", "text");
        await clock.advance(3000);
        expect(status("up")).toMatchObject({ successMessages: 4, failMessages: 1 });
        expect(status("up")["errors"]).toEqual([expect.stringMatching(/^2026.* http:\/\/127.0.0.1:\d+ answered 500$/)]);
    });

    test("rest to a service at the edge: its status, headers and body are passed on", async () => {
        await rule("ask", ["rest", { path: "api" }], ["service", { path: "/v1" }]);
        await start();
        await up("connect", "node/edge-1", null);
        const asked = call("/edge-1/default/api/values?n=2", { method: "PUT", body: "5" });
        const message = await eventually(() => {
            const last = sent.at(-1);
            if (last === undefined) throw new Error("nothing sent");
            return last;
        });
        expect(message.route).toMatchObject({
            source: "router_servicebus",
            operation: "PUT",
            resource: "6666:/v1/values?n=2",
        });
        expect(message.content).toMatchObject({ method: "PUT", body: Buffer.from("5").toString("base64"), url: "" });
        const content = { header: { "X-Kind": ["a"] }, status_code: 404, body: Buffer.from("none").toString("base64") };
        await up("upload", "", content, { source: "servicebus", parentId: message.header.msg_id });
        expect(await asked).toMatchObject({ status: 404, body: "none", headers: { "x-kind": "a" } });
    });

    test("a service that does not answer in time, and one whose node is lost", async () => {
        await rule("ask", ["rest", { path: "api" }], ["service", { path: "/v1" }]);
        await start({ restTimeoutMs: 1000 });
        await up("connect", "node/edge-1", null);
        const late = call("/edge-1/default/api");
        await eventually(() => expect(sent).toHaveLength(1));
        await clock.advance(1000);
        expect((await late).status).toBe(504);
        await clock.advance(5000);
        expect(status("ask")["errors"]).toEqual([expect.stringMatching(/ node edge-1 did not answer in time$/)]);
        const lost = call("/edge-1/default/api");
        await eventually(() => expect(sent).toHaveLength(2));
        await up("disconnect", "node/edge-1", null);
        expect((await lost).status).toBe(502);
    });

    test("a program at the edge to rest, answered with the other end's text", async () => {
        await rule(
            "out",
            ["service", { target_url: "/orders", node_name: "edge-1" }],
            ["rest", { resource: url("/in") }],
        );
        await start();
        await up("connect", "node/edge-1", null);
        expect(taken()).toEqual(["router_servicebus start /orders"]);
        await up("upload", "/orders", Buffer.from("7 bolts").toString("base64"), { source: "servicebus" });
        expect(received[0]?.body).toBe("7 bolts");
        expect(sent.at(-1)).toMatchObject({ content: "thanks", route: { operation: "response", group: "user" } });
        await cluster.delete({ type: Kinds.rule, namespace: "default", name: "out" });
        await clock.advance(0);
        expect(taken()).toContain("router_servicebus stop /orders");
    });

    test("rules may be edited in place, and what is wrong with one stands in its status", async () => {
        await rule("up", ["mqtt", { topic: "a", node_name: "edge-1" }], ["rest", { resource: "nowhere" }]);
        await start();
        await up("connect", "node/edge-1", null);
        await clock.advance(3000);
        expect(taken()).toEqual([]);
        expect(status("up")["errors"]).toEqual([
            expect.stringMatching("spec.targetResource.resource is no http address"),
        ]);
        const ref = { type: Kinds.rule, namespace: "default", name: "up" };
        await cluster.patch(ref, { spec: { targetResource: { resource: url("/") } } }, "merge");
        await clock.advance(0);
        expect(taken()).toEqual(["router_eventbus subscribe default/a"]);
        await cluster.patch(ref, { spec: { sourceResource: { topic: "b" } } }, "merge");
        await clock.advance(0);
        expect(taken()).toEqual(["router_eventbus unsubscribe default/a", "router_eventbus subscribe default/b"]);
        await cluster.delete({ type: Kinds.ruleEndpoint, namespace: "default", name: "mqtt" });
        await clock.advance(0);
        expect(taken()).toEqual(["router_eventbus unsubscribe default/b"]);
    });

    test("callers are who the cluster says, and may what it says", async () => {
        await rule("cmd", ["rest", { path: "cmd" }], ["mqtt", { topic: "cmd" }]);
        await start({ authorization: "kubernetes" });
        await up("connect", "node/edge-1", null);
        expect((await call("/edge-1/default/cmd")).status).toBe(401);
        expect((await call("/edge-1/default/cmd", { token: "forged" })).status).toBe(401);
        expect((await call("/edge-1/default/cmd", { token: "stranger" })).status).toBe(403);
        expect(sent).toEqual([]);
        expect((await call("/edge-1/default/cmd", { token: "good" })).status).toBe(200);
        expect((await call("/edge-1/default/cmd", { token: "good" })).status).toBe(200);
        expect(cluster.requests.filter((entry) => entry === "review good")).toHaveLength(1);
        await clock.advance(31_000);
        await call("/edge-1/default/cmd", { token: "good" });
        expect(cluster.requests.filter((entry) => entry === "review good")).toHaveLength(2);
    });

    test("by default it speaks TLS with the cloud side's certificate", async () => {
        await rule("cmd", ["rest", { path: "cmd" }], ["mqtt", { topic: "cmd" }]);
        await start({ tls: true });
        const status = await new Promise((resolve, reject) => {
            const options = { port: router.port, path: "/edge-1/default/cmd", ca: pki.caPem, agent: false };
            secureRequest({ ...options, host: "127.0.0.1" }, (response) => resolve(response.resume().statusCode))
                .on("error", reject)
                .end();
        });
        expect(status).toBe(503);
        await expect(call("/edge-1/default/cmd")).rejects.toThrow();
    });

    describeWith([recordings], "recording 15", () => {
        test("what goes to and comes from a stock EdgeCore is the same", async () => {
            const recorded = recording("15-router-rules").flatMap((item) => ("envelope" in item ? [item] : []));
            const toEdge = recorded.filter(({ kind, envelope }) => kind === "down" && envelope.route.group === "user");
            const fromEdge = recorded.find(({ kind, envelope }) => kind === "up" && envelope.route.group === "user");
            if (fromEdge === undefined) throw new Error("the recording holds no upload");
            await rule("up", ["mqtt", { topic: "telemetry", node_name: "edge-1" }], ["rest", { resource: url("/in") }]);
            await rule("down", ["rest", { path: "cmd" }], ["mqtt", { topic: "cmd/in" }]);
            await start();
            await up("connect", "node/edge-1", null);
            await call("/edge-1/default/cmd", { body: '{"cmd":"blink"}' });
            expect(sent.map(({ route, content }) => ({ route, content }))).toEqual(
                toEdge.map(({ envelope: { route, content } }) => ({ route, content })),
            );
            await router.receive({ ...fromEdge.envelope, node: "edge-1" });
            expect(received).toMatchObject([{ url: "/in", body: fromEdge.envelope.content, type: "application/json" }]);
        });
    });

    test("a taken port is said so", async () => {
        await start();
        const second = new Router(parseConfig<RouterConfig>(routerConfig, { port: router.port, tls: false }), {
            clock,
            log: silentLogger,
            metrics: noMetrics,
            random: () => 0,
            cluster,
            identity,
        });
        await expect(second.start()).rejects.toMatchObject({ code: "REDGE_ROUTER_LISTEN" });
    });
});

describe("matching", () => {
    test.each([
        ["a/b", "a/b", true],
        ["a/+", "a/b", true],
        ["a/+", "a/b/c", false],
        ["a/#", "a/b/c", true],
        ["a/#", "a", true],
        ["#", "a", true],
        ["a/b", "a", false],
        ["a", "a/b", false],
    ])("topic filter %s and topic %s: %s", (filter, topic, expected) => {
        expect(topicMatches(filter, topic)).toBe(expected);
    });

    test("the longest rule wins, and among those the one that says more", () => {
        const route = (name: string, path: string): Route => ({
            key: `default/${name}`,
            namespace: "default",
            name,
            source: { type: "rest", segments: path.split("/") },
            target: { type: "eventbus", topic: "t" },
        });
        const routes = [route("short", "a"), route("any", "a/{x}"), route("exact", "a/b"), route("other", "b")];
        expect(matchRest(routes, "default", "a/b/c")).toMatchObject({ route: { name: "exact" }, rest: "c" });
        expect(matchRest(routes, "default", "a/z")).toMatchObject({ route: { name: "any" }, rest: "" });
        expect(matchRest(routes, "default", "a")).toMatchObject({ route: { name: "short" } });
        expect(matchRest(routes, "default", "ab")).toBeUndefined();
        expect(matchRest(routes, "plant", "a")).toBeUndefined();
    });
});
