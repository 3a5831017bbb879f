// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { describeWith, program } from "../../support/requires.ts";
import { makeCertificates } from "./certificates.ts";

const USERS = JSON.stringify([
    {
        username: "press",
        password: "right",
        publish: ["$hw/events/device/plant/press/#", "plant/user/press"],
        subscribe: ["$hw/events/device/plant/press/#", "plant/orders"],
    },
]);

describeWith([program("openssl")], "the embedded broker over TLS, with client certificates and users", () => {
    let bus: EventBus;
    let ours: string;
    let others: string;
    const received: Envelope[] = [];
    const clients: MqttClient[] = [];

    beforeAll(async () => {
        [ours, others] = [makeCertificates(), makeCertificates()];
        const config = parseConfig<EventBusConfig>(eventBusConfig, {
            port: 0,
            tls: true,
            clientCertificates: true,
            certFile: join(ours, "server.crt"),
            keyFile: join(ours, "server.key"),
            caFile: join(ours, "ca.crt"),
            users: USERS,
        });
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
        bus = new EventBus(config, { ...ports, store: new MemoryStore() });
        bus.on("output", (_output, envelope) => received.push(envelope));
        await bus.start();
    });
    afterAll(async () => {
        await Promise.all(clients.map((client) => client.endAsync(true)));
        await bus?.stop();
        for (const folder of [ours, others]) rmSync(folder, { recursive: true, force: true });
    });

    const identity = (folder: string): IClientOptions => ({
        cert: readFileSync(join(folder, "client.crt")),
        key: readFileSync(join(folder, "client.key")),
    });
    async function client(options: IClientOptions): Promise<MqttClient> {
        const user = { username: "press", password: "right" };
        const ca = readFileSync(join(ours, "ca.crt"));
        const url = `mqtts://localhost:${bus.port}`;
        const connecting = connect(url, { ca, ...user, reconnectPeriod: 0, ...options });
        clients.push(connecting);
        // In TLS 1.3 a refused certificate shows only after the handshake, perhaps as no more than a closed connection.
        await new Promise<void>((resolve, reject) => {
            connecting.once("connect", () => resolve());
            connecting.once("error", reject);
            connecting.once("close", () => reject(new Error("closed")));
        });
        return connecting;
    }

    test.each<[string, () => IClientOptions, RegExp]>([
        ["without a certificate", () => ({}), /certificate required|closed|reset|alert/i],
        ["with the certificate of another CA", () => identity(others), /unknown ca|alert|closed|reset/i],
        [
            "that does not trust the server",
            () => ({ ...identity(ours), ca: readFileSync(join(others, "ca.crt")) }),
            /verify|self.signed|issuer|signature/i,
        ],
        [
            "with a certificate and a wrong password",
            () => ({ ...identity(ours), password: "wrong" }),
            /Bad username or password/i,
        ],
        [
            "with a certificate and no user",
            () => ({ ...identity(ours), username: undefined, password: undefined }) as unknown as IClientOptions,
            /Bad username or password/i,
        ],
    ])("a client %s does not get in", async (_case, options, said) => {
        await expect(client(options())).rejects.toThrow(said);
    });

    test("one with both may do what is granted, and nothing else", async () => {
        const press = await client(identity(ours));
        await press.subscribeAsync("plant/orders", { qos: 1 });
        for (const topic of ["plant/other", "#", "$hw/events/device/plant/+/twin/update/delta"]) {
            const granted = await press.subscribeAsync(topic, { qos: 1 }).catch((error: Error) => error);
            expect([topic, JSON.stringify(granted)]).toEqual([topic, expect.stringContaining("128")]);
        }
        const order = new Promise<string>((resolve) =>
            press.once("message", (topic, payload) => resolve(`${topic} ${payload.toString()}`)),
        );
        const route = { source: "router_eventbus", group: "user", operation: "publish", resource: "plant/orders" };
        await bus.receive({ header: { msg_id: "1", timestamp: 1 }, route, content: "go" });
        expect(await order).toBe("plant/orders go");

        const update = "$hw/events/device/plant/press/twin/update";
        await press.publishAsync(update, "{}", { qos: 1 });
        // MQTT 3.1.1 has no other answer to what is not permitted than to hang up.
        const closed = new Promise<void>((resolve) => press.once("close", () => resolve()));
        press.publish("$hw/events/device/plant/other/twin/update", "{}", { qos: 1 });
        await closed;
        const again = await client(identity(ours));
        await again.publishAsync("plant/user/press", "up", { qos: 1 });
        expect(received.map((envelope) => envelope.route.resource)).toEqual([update, "plant/user/press"]);
    });
});
