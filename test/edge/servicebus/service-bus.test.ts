// SPDX-License-Identifier: Apache-2.0
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { asRecord } from "../../../src/core/json.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { ServiceBus, type ServiceBusConfig, serviceBusConfig } from "../../../src/edge/servicebus/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { eventually } from "../../support/eventually.ts";

describe("ServiceBus", () => {
    let clock: ManualClock;
    let store: MemoryStore;
    let bus: ServiceBus;
    let sent: Envelope[];
    let service: Server;
    let seen: { method: string; url: string; body: string; header: string | undefined }[];

    const start = async (config: Record<string, unknown> = {}) => {
        const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0, store };
        bus = new ServiceBus(parseConfig<ServiceBusConfig>(serviceBusConfig, { port: 0, ...config }), ports);
        bus.on("output", (_, envelope) => sent.push(envelope));
        await bus.start();
    };
    const down = (operation: string, resource: string, content: unknown = null): Promise<Envelope> => {
        const route = { source: "router_servicebus", group: "user", operation, resource };
        const message = newEnvelope({ route, content });
        return bus.receive(message).then(() => message);
    };
    const post = (document: unknown, headers: Record<string, string> = {}) =>
        new Promise<{ code: number; msg: string; body: string }>((resolve, reject) => {
            const options = { port: bus.port, method: "POST", path: "/anything", headers, agent: false };
            const outgoing = request(options, async (response) => {
                let text = "";
                for await (const chunk of response) text += String(chunk);
                resolve(JSON.parse(text) as { code: number; msg: string; body: string });
            });
            outgoing.on("error", reject);
            outgoing.end(typeof document === "string" ? document : JSON.stringify(document));
        });
    const answerOf = () => {
        const content = asRecord(sent.at(-1)?.content);
        return { status: content["status_code"], body: Buffer.from(String(content["body"]), "base64").toString() };
    };

    beforeEach(async () => {
        clock = new ManualClock();
        store = new MemoryStore();
        sent = [];
        seen = [];
        service = createServer(async (incoming, response) => {
            let body = "";
            for await (const chunk of incoming) body += String(chunk);
            const header = incoming.headers["x-kind"];
            seen.push({ method: incoming.method ?? "", url: incoming.url ?? "", body, header: header?.toString() });
            if (incoming.url === "/silent") return;
            response.writeHead(201, { "x-answer": "yes" });
            response.end("made");
        });
        await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    });

    afterEach(async () => {
        await bus.stop();
        service.closeAllConnections();
        await new Promise((resolve) => service.close(resolve));
    });

    const port = (): number => (service.address() as AddressInfo).port;

    test("carries out what the cloud asks of a service here, and answers with all of its answer", async () => {
        await start();
        const content = {
            header: { "X-Kind": ["a"] },
            body: Buffer.from("5").toString("base64"),
            method: "PUT",
            url: "",
        };
        const asked = await down("PUT", `${port()}:/v1/values?n=2`, content);
        expect(seen).toEqual([{ method: "PUT", url: "/v1/values?n=2", body: "5", header: "a" }]);
        expect(sent[0]).toMatchObject({
            header: { parent_msg_id: asked.header.msg_id },
            route: { source: "servicebus", group: "user", operation: "upload", resource: "" },
            content: { status_code: 201, header: { "x-answer": ["yes"] } },
        });
        expect(answerOf()).toEqual({ status: 201, body: "made" });
    });

    test.each([
        ["no port", "GET", "x:/a", 400],
        ["two colons", "GET", "1:/a:b", 400],
        ["no slash", "GET", "1:a", 400],
        ["no method", "start now", "1:/a", 400],
        ["nobody there", "GET", "1:/a", 502],
    ])("a request with %s is answered, too", async (_, method, resource, status) => {
        await start();
        await down(method, resource);
        expect(answerOf().status).toBe(status);
    });

    test("a service that does not answer is answered for", async () => {
        await start({ serviceTimeoutMs: 100 });
        await down("GET", `${port()}:/silent`);
        expect(answerOf().status).toBe(504);
    });

    test("listens while a rule allows an address, also after a restart", async () => {
        await start();
        expect(bus.port).toBeUndefined();
        await down("start", "/orders");
        expect(bus.port).toBeGreaterThan(0);
        await bus.stop();
        await start();
        expect(bus.port).toBeGreaterThan(0);
        await down("stop", "/orders");
        expect(bus.port).toBeUndefined();
    });

    test("takes a program's request to the cloud and answers with the cloud's answer", async () => {
        await start();
        await down("start", "/orders");
        const document = { method: "POST", targetURL: "/orders", payload: { bolts: 7 } };
        const asked = post(document);
        const up = await eventually(() => {
            expect(sent).toHaveLength(1);
            return sent[0] as Envelope;
        });
        expect(up.route).toEqual({ source: "servicebus", group: "user", operation: "upload", resource: "/orders" });
        expect(JSON.parse(Buffer.from(String(up.content), "base64").toString())).toEqual(document);
        await bus.receive(responseTo(up, "OK", { source: "cloudhub" }));
        await bus.receive(responseTo(up, "accepted", { source: "router_servicebus" }));
        expect(await asked).toMatchObject({ code: 200, body: "accepted" });
    });

    test.each([
        ["no JSON", "{", 400],
        ["no address", { payload: 1 }, 400],
        ["an address no rule allows", { targetURL: "/other" }, 400],
    ])("a program's request with %s is refused", async (_, document, code) => {
        await start();
        await down("start", "/orders");
        expect((await post(document)).code).toBe(code);
        expect(sent).toEqual([]);
    });

    test("a web page opened at the gateway is refused", async () => {
        await start();
        await down("start", "/orders");
        expect((await post({ targetURL: "/orders" }, { origin: "https://elsewhere" })).code).toBe(403);
    });

    test("a cloud that does not answer in time", async () => {
        await start();
        await down("start", "/orders");
        const asked = post({ targetURL: "/orders" });
        await eventually(() => expect(sent).toHaveLength(1));
        await clock.advance(60_000);
        expect((await asked).code).toBe(504);
    });

    test("what is not for it passes by", async () => {
        await start();
        await bus.receive(
            newEnvelope({
                route: { source: "router_eventbus", group: "user", operation: "publish", resource: "t" },
                content: "x",
            }),
        );
        expect(sent).toEqual([]);
        expect(bus.port).toBeUndefined();
    });
});
