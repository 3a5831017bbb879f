// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePorts } from "../support/free-ports.ts";
import { describeWith, program } from "../support/requires.ts";
import { TestSite } from "../support/site.ts";

interface Rule {
    readonly status?: { readonly successMessages?: number; readonly failMessages?: number; readonly errors?: string[] };
}

const endpoint = (name: string, type: string, properties?: Record<string, string>) => ({
    apiVersion: "rules.kubeedge.io/v1",
    kind: "RuleEndpoint",
    metadata: { name },
    spec: { ruleEndpointType: type, ...(properties === undefined ? {} : { properties }) },
});
const rule = (name: string, source: string, sourceResource: object, target: string, targetResource: object) => ({
    apiVersion: "rules.kubeedge.io/v1",
    kind: "Rule",
    metadata: { name },
    spec: { source, sourceResource, target, targetResource },
});

describeWith(
    [program("kubectl")],
    "rules of a site, its router and its service bus enabled in the shipped flows",
    () => {
        let site: TestSite;
        let mqtt: MqttClient;
        let service: Server;
        let routerPort: number;
        let busPort: number;
        let token: string;
        const asked: { method: string; url: string; body: string }[] = [];

        /** What the editor's "enable" and "deploy" do to a node of the shipped flows. */
        async function enable(
            editor: "REDGE_CLOUD_EDITOR_PORT" | "REDGE_EDGE_EDITOR_PORT",
            type: string,
        ): Promise<void> {
            const base = `http://127.0.0.1:${site.port(editor)}`;
            const password = readFileSync(join(site.home, "admin-password"), "utf8").trim();
            const login = {
                client_id: "node-red-admin",
                grant_type: "password",
                scope: "*",
                username: "admin",
                password,
            };
            const given = await fetch(`${base}/auth/token`, { method: "POST", body: new URLSearchParams(login) });
            const { access_token } = (await given.json()) as { access_token: string };
            const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
            const flows = (await (await fetch(`${base}/flows`, { headers })).json()) as Record<string, unknown>[];
            const enabled = flows.map(({ d, ...node }) =>
                node["type"] === type || d === undefined ? node : { ...node, d },
            );
            const deployed = await fetch(`${base}/flows`, {
                method: "POST",
                headers: { ...headers, "node-red-deployment-type": "nodes" },
                body: JSON.stringify(enabled),
            });
            expect(deployed.status).toBe(204);
        }

        const call = (path: string, body: string, bearer = token) =>
            new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
                const headers = { authorization: `Bearer ${bearer}` };
                // Which certificate it is, other tests see to.
                const options = {
                    port: routerPort,
                    path,
                    method: "PUT",
                    headers,
                    rejectUnauthorized: false,
                    agent: false,
                };
                const outgoing = request({ host: "127.0.0.1", ...options }, async (response) => {
                    let text = "";
                    for await (const chunk of response) text += String(chunk);
                    resolve({ status: response.statusCode, body: text });
                });
                outgoing.on("error", reject);
                outgoing.end(body);
            });
        const statusOf = async (name: string) => (await site.json<Rule>(["get", "rule", name])).status;
        const apply = (...objects: object[]) =>
            site.kubectlOk(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));

        beforeAll(async () => {
            const [router = 0, bus = 0] = await freePorts(2);
            routerPort = router;
            busPort = bus;
            site = await TestSite.create({ REDGE_ROUTER_PORT: String(router), REDGE_SERVICEBUS_PORT: String(bus) });
            await site.start();
            await enable("REDGE_CLOUD_EDITOR_PORT", "kubeedge-router");
            await enable("REDGE_EDGE_EDITOR_PORT", "kubeedge-servicebus");
            service = createServer(async (incoming, response) => {
                let body = "";
                for await (const chunk of incoming) body += String(chunk);
                asked.push({ method: incoming.method ?? "", url: incoming.url ?? "", body });
                response.statusCode = incoming.url?.endsWith("/teapot") ? 418 : 200;
                response.end(`${incoming.method} ${incoming.url}`);
            });
            service.listen(0, "127.0.0.1");
            await once(service, "listening");
            mqtt = await connectAsync(`mqtt://127.0.0.1:${site.port("REDGE_MQTT_PORT")}`);
            const here = (service.address() as AddressInfo).port;
            await apply(
                endpoint("rest", "rest"),
                endpoint("mqtt", "eventbus"),
                endpoint("service", "servicebus", { service_port: String(here) }),
                endpoint("nobody", "servicebus", { service_port: "1" }),
                rule("down", "rest", { path: "line/{line}" }, "mqtt", { topic: "commands" }),
                rule("up", "mqtt", { topic: "alarms", node_name: "edge" }, "rest", {
                    resource: `http://127.0.0.1:${here}/alarms`,
                }),
                rule("to-service", "rest", { path: "api" }, "service", { path: "/v1" }),
                rule("to-nobody", "rest", { path: "gone" }, "nobody", { path: "/v1" }),
                rule("from-service", "service", { target_url: "http://orders", node_name: "edge" }, "rest", {
                    resource: `http://127.0.0.1:${here}/orders`,
                }),
            );
            token = (await site.kubectlOk(["create", "token", "default"])).trim();
        });

        afterAll(async () => {
            await mqtt?.endAsync(true);
            service?.close();
            await site?.stop();
            await site?.remove();
        });

        test("a caller without the right is refused, and let in soon after it is given", async () => {
            const refused = await eventually(async () => {
                const answer = await call("/edge/default/line/1", "x");
                expect(answer.status).toBe(403);
                return answer;
            });
            expect(refused.body).toContain("may not create rules/requests");
            await site.kubectlOk([
                "create",
                "role",
                "caller",
                "--verb=create",
                "--resource=rules.rules.kubeedge.io/requests",
            ]);
            await site.kubectlOk([
                "create",
                "rolebinding",
                "caller",
                "--role=caller",
                "--serviceaccount=default:default",
            ]);
            await eventually(async () => expect((await call("/edge/default/api", "x")).status).toBe(200));
            expect((await call("/edge/default/api", "x", "nonsense")).status).toBe(401);
        });

        test("rest to MQTT", async () => {
            const got = new Promise<string>((resolve) =>
                mqtt.on("message", (topic, payload) => resolve(`${topic} ${payload}`)),
            );
            await mqtt.subscribeAsync("commands/#", { qos: 1 });
            // That the caller was refused this rule is remembered for a moment.
            await eventually(async () =>
                expect(await call("/edge/default/line/1/now", "größer")).toEqual({
                    status: 200,
                    body: "message delivered",
                }),
            );
            expect(await got).toBe("commands/now größer");
            expect((await call("/nowhere/default/line/1", "x")).status).toBe(503);
            await eventually(async () => expect(await statusOf("down")).toMatchObject({ failMessages: 1 }));
        });

        test("MQTT to rest", async () => {
            // The gateway takes a topic up once it has heard of the rule.
            await eventually(async () => {
                await mqtt.publishAsync("default/alarms", "zu heiß", { qos: 1 });
                expect(asked).toContainEqual({ method: "POST", url: "/alarms", body: "zu heiß" });
            });
            await eventually(async () => expect((await statusOf("up"))?.successMessages).toBeGreaterThan(0));
        });

        test("rest to a service of the gateway: its status and body, or at once why there are none", async () => {
            expect(await call("/edge/default/api/a?q=1", "body")).toEqual({ status: 200, body: "PUT /v1/a?q=1" });
            expect(asked).toContainEqual({ method: "PUT", url: "/v1/a?q=1", body: "body" });
            expect(await call("/edge/default/api/teapot", "")).toEqual({ status: 418, body: "PUT /v1/teapot" });
            await eventually(async () => {
                const gone = await call("/edge/default/gone", "");
                expect(gone).toMatchObject({ status: 502, body: expect.stringContaining("the service at port 1:") });
            });
            await eventually(async () => {
                const errors = (await statusOf("to-nobody"))?.errors ?? [];
                expect(errors.at(-1)).toContain("node edge answered 502: the service at port 1: connect ECONNREFUSED");
            });
        });

        test("a program of the gateway to rest", async () => {
            const document = { method: "POST", targetURL: "http://orders", payload: { n: 1 } };
            await eventually(async () => {
                const answer = await fetch(`http://127.0.0.1:${busPort}/`, {
                    method: "POST",
                    body: JSON.stringify(document),
                });
                expect(await answer.json()).toMatchObject({ code: 200, body: "POST /orders" });
            });
            expect(asked.find(({ url }) => url === "/orders")?.body).toBe(JSON.stringify(document));
        });
    },
);
