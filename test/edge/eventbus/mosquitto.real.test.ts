// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { eventually } from "../../support/eventually.ts";
import { freePorts } from "../../support/free-ports.ts";
import { describeWith, program } from "../../support/requires.ts";
import { makeCertificates } from "./certificates.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function certificates(): string {
    const folder = makeCertificates();
    cleanups.push(async () => rmSync(folder, { recursive: true, force: true }));
    return folder;
}

async function mosquitto(
    port: number,
    more: readonly string[] = ["allow_anonymous true"],
): Promise<() => Promise<void>> {
    const folder = mkdtempSync(join(tmpdir(), "redge-mosquitto-"));
    const config = join(folder, "m.conf");
    writeFileSync(config, [`listener ${port} 127.0.0.1`, "user root", ...more].join("\n"));
    const child = spawn("mosquitto", ["-c", config], { stdio: "ignore" });
    let stopped = false;
    const stop = async (): Promise<void> => {
        if (stopped) return;
        stopped = true;
        const gone = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await gone;
        rmSync(folder, { recursive: true, force: true });
    };
    cleanups.push(stop);
    return stop;
}

async function startBus(config: Partial<EventBusConfig>) {
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { mode: "external", ...config }), {
        clock: systemClock,
        log: silentLogger,
        metrics: noMetrics,
        random: Math.random,
        store: new MemoryStore(),
    });
    const told: [string, Envelope][] = [];
    const levels: string[] = [];
    bus.on("output", (output, envelope) => told.push([output, envelope]));
    bus.on("state", ({ level }) => levels.push(level));
    await bus.start();
    cleanups.push(() => bus.stop());
    return { bus, told, levels };
}

describeWith([program("mosquitto", "/usr/sbin/mosquitto"), program("openssl")], "EventBus with Mosquitto", () => {
    test.each([4, 5] as const)(
        "protocol level %i: both directions, and again after the broker was away",
        async (protocolVersion) => {
            const [port = 0] = await freePorts(1);
            const { bus, told, levels } = await startBus({ url: `mqtt://127.0.0.1:${port}`, protocolVersion });
            const result = "$hw/events/device/default/a/twin/update/result";
            // The broker is not there yet: nothing blocks, and what is published meanwhile is kept.
            await bus.receive(
                newEnvelope({
                    route: { operation: "publish", resource: "cmd/early" },
                    content: { payload: "early", qos: 1, retain: true },
                }),
            );
            const stop = await mosquitto(port);
            await eventually(() => expect(levels.at(-1)).toBe("ready"));
            const app = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 50 });
            cleanups.push(() => app.endAsync(true));
            const seen: Record<string, string> = {};
            app.on("message", (topic, payload) => {
                seen[topic] = payload.toString();
            });
            await app.subscribeAsync(["cmd/early", result, "x/user/own"], { qos: 1 });
            await bus.receive(
                newEnvelope({ route: { operation: "publish", resource: result }, content: { code: 404 } }),
            );
            await eventually(() => expect(seen).toEqual({ "cmd/early": "early", [result]: '{"code":404}' }));
            await app.publishAsync("$hw/events/device/default/a/twin/update", '{"event_id":""}', { qos: 1 });
            await eventually(() => expect(told).toMatchObject([["devicetwin", { content: { event_id: "" } }]]));

            await stop();
            await eventually(() => expect(levels.at(-1)).toBe("connecting"));
            await mosquitto(port);
            await eventually(() => expect(levels.at(-1)).toBe("ready"));
            await eventually(() => expect(app.connected).toBe(true));
            let sent = 0;
            await eventually(async () => {
                sent += 1;
                await app.publishAsync("default/user/t", `again ${sent}`, { qos: 1 });
                expect(told.at(-1)).toMatchObject(["edgehub", { content: expect.stringContaining("again") }]);
            });
            // What was published last is still on its way when one before it has come.
            await eventually(() => expect(told.at(-1)).toMatchObject(["edgehub", { content: `again ${sent}` }]));
            if (protocolVersion === 5) {
                const before = told.length;
                await bus.receive(
                    newEnvelope({ route: { operation: "publish", resource: "x/user/own" }, content: "own" }),
                );
                await eventually(() => expect(seen["x/user/own"]).toBe("own"));
                expect(told).toHaveLength(before);
            }
        },
    );

    test("TLS with a user: verified against the CA, a wrong password shows as away", async () => {
        const [port = 0] = await freePorts(1);
        const folder = certificates();
        const passwords = join(folder, "passwords");
        spawnSync("mosquitto_passwd", ["-b", "-c", passwords, "gateway", "secret"]);
        const tls = ["cafile", "certfile", "keyfile"].map(
            (key, index) => `${key} ${join(folder, ["ca.crt", "server.crt", "server.key"][index] ?? "")}`,
        );
        await mosquitto(port, [...tls, "allow_anonymous false", `password_file ${passwords}`]);
        const url = `mqtts://localhost:${port}`;
        const caFile = join(folder, "ca.crt");
        const right = await startBus({ url, caFile, username: "gateway", password: "secret" });
        await eventually(() => expect(right.levels.at(-1)).toBe("ready"));
        const wrong = await startBus({ url, caFile, username: "gateway", password: "guess" });
        await eventually(() =>
            expect(wrong.levels.filter((level) => level === "connecting").length).toBeGreaterThan(2),
        );
        expect(wrong.levels).not.toContain("ready");
        await expect(startBus({ url, caFile: join(folder, "none.crt") })).rejects.toMatchObject({
            code: "REDGE_EVENTBUS_TLS",
        });
    });
});
