// SPDX-License-Identifier: Apache-2.0
import { stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FlowRuntime } from "../../../src/edge/edged/index.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";
import { configMap, flowPod, type Gateway, NODE, removeTempDirs, startGateway, testPorts, until } from "./harness.ts";

const FLOW = JSON.stringify([{ id: "t", type: "tab" }]);

describe("the kubelet API", () => {
    let host: FakeFlowHost;
    let gateway: Gateway;
    let unitId: string;

    beforeEach(async () => {
        host = new FakeFlowHost();
        gateway = await startGateway({
            runtimes: (rootDir, store) => [
                new FlowRuntime({ ...testPorts, store, host, logDir: join(rootDir, "logs") }),
            ],
        });
        const { cloud } = gateway;
        cloud.apply("default/configmap/hello-flow", configMap("hello-flow", { "a.json": FLOW }));
        cloud.apply("default/pod/hello", flowPod("hello"));
        await until(() => cloud.status("default/pod/hello")?.phase === "Running" || undefined, "running");
        unitId = [...host.units.keys()][0] ?? "";
    });
    afterEach(async () => {
        await gateway.stop();
        await removeTempDirs();
    });

    function get(path: string, onData?: (text: string) => void): Promise<{ status: number; body: string }> {
        return new Promise((resolve, reject) => {
            const socketPath = join(gateway.rootDir, "kubelet.sock");
            const sent = request({ socketPath, path, headers: { host: "kubelet" } }, (response) => {
                let body = "";
                response.setEncoding("utf8");
                response.on("data", (chunk: string) => {
                    body += chunk;
                    onData?.(body);
                });
                response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
                response.on("error", reject);
            });
            sent.on("error", reject);
            sent.end();
        });
    }
    const say = (...lines: string[]): void => {
        for (const line of lines) host.listener?.log(unitId, "stdout", line);
    };

    it("listens on a socket for this user alone", async () => {
        expect((await stat(join(gateway.rootDir, "kubelet.sock"))).mode & 0o777).toBe(0o600);
        expect(await get("/healthz")).toEqual({ status: 200, body: "ok" });
        expect((await get("/nothing")).status).toBe(404);
    });

    it("gives logs whole, by tail, by bytes and with time stamps", async () => {
        say("one", "two", "three");
        expect((await get("/containerLogs/default/hello/flow")).body).toBe("one\ntwo\nthree\n");
        expect((await get("/containerLogs/default/hello/flow?tailLines=1")).body).toBe("three\n");
        expect((await get("/containerLogs/default/hello/flow?limitBytes=6")).body).toBe("one\ntw");
        expect((await get("/containerLogs/default/hello/flow?sinceSeconds=60&tailLines=2")).body).toBe("two\nthree\n");
        expect((await get("/containerLogs/default/hello/flow?timestamps=true&tailLines=1")).body).toMatch(
            /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$/,
        );
    });

    it("says why there is no log", async () => {
        const logs = "/containerLogs/default";
        expect(await get(`${logs}/hello/flow?previous=true`)).toEqual({
            status: 400,
            body: 'previous terminated container "flow" in pod "hello" not found',
        });
        expect((await get(`${logs}/hello/other`)).status).toBe(404);
        gateway.cloud.apply("default/pod/waits", flowPod("waits"));
        await until(() => gateway.cloud.status("default/pod/waits")?.phase, "taken");
        expect(await get(`${logs}/waits/flow`)).toEqual({
            status: 400,
            body: 'container "flow" in pod "waits" is waiting to start: ContainerCreating',
        });
    });

    it("follows a log until the container ends", async () => {
        say("one");
        const seen: string[] = [];
        const whole = get("/containerLogs/default/hello/flow?follow=true", (body) => seen.push(body));
        await until(() => seen.at(-1) === "one\n" || undefined, "first line");
        say("two");
        await until(() => seen.at(-1) === "one\ntwo\n" || undefined, "second line");
        gateway.cloud.deletePod("default/pod/hello");
        expect((await whole).body).toBe("one\ntwo\n");
    });

    it("keeps the log of the start before", async () => {
        say("first life");
        host.listener?.ended(unitId, 1, "Error", "gone");
        await until(
            () => gateway.cloud.status("default/pod/hello")?.containerStatuses?.[0]?.restartCount === 1 || undefined,
            "restart",
        );
        unitId = [...host.units.keys()].at(-1) ?? "";
        say("second life");
        expect((await get("/containerLogs/default/hello/flow?previous=true")).body).toBe("first life\n");
        expect((await get("/containerLogs/default/hello/flow")).body).toBe("second life\n");
    });

    it("says what is wrong with a request", async () => {
        expect(await get("/containerLogs/default/other/flow")).toMatchObject({ status: 404 });
        const wrong = await get("/containerLogs/default/hello/flow?tailLines=x");
        expect(wrong).toMatchObject({ status: 400 });
        expect(wrong.body).toContain("tailLines");
    });

    it("lists pods and sums up usage", async () => {
        const pods = JSON.parse((await get("/pods")).body) as { items: { metadata: { name: string } }[] };
        expect(pods.items.map(({ metadata }) => metadata.name)).toEqual(["hello"]);
        const stats = JSON.parse((await get("/stats/summary")).body) as {
            node: { nodeName: string; memory: { workingSetBytes: number } };
            pods: { podRef: { name: string } }[];
        };
        expect(stats.node.nodeName).toBe(NODE);
        expect(stats.node.memory.workingSetBytes).toBeGreaterThan(0);
        expect(stats.pods[0]?.podRef.name).toBe("hello");
    });

    it("tells usage as a kubelet tells metrics-server", async () => {
        expect((await get("/metrics/resource")).body).not.toContain('pod="hello"');
        host.memoryBytes.set("hello", 64 * 2 ** 20);
        const { status, body } = await get("/metrics/resource");
        expect(status).toBe(200);
        const of = (series: string): number => {
            const line = body.split("\n").find((text) => text.startsWith(`${series} `));
            const [, value = "", atMs = ""] = line?.split(" ") ?? [];
            expect(Math.abs(Number(atMs) - Date.now()), `${series} in\n${body}`).toBeLessThan(3_600_000);
            return Number(value);
        };
        const labels = 'namespace="default",pod="hello"';
        expect(of("node_cpu_usage_seconds_total")).toBeGreaterThan(0);
        expect(of("node_memory_working_set_bytes")).toBeGreaterThan(0);
        expect(of(`container_cpu_usage_seconds_total{container="flow",${labels}}`)).toBe(1.5);
        expect(of(`container_memory_working_set_bytes{container="flow",${labels}}`)).toBe(64 * 2 ** 20);
        expect(of(`pod_cpu_usage_seconds_total{${labels}}`)).toBe(1.5);
        expect(of(`pod_memory_working_set_bytes{${labels}}`)).toBe(64 * 2 ** 20);
        expect(body).toMatch(/^container_start_time_seconds\{container="flow",.*\} 1\d{9}(\.\d+)?$/m);
        expect(body).toMatch(/^# TYPE node_cpu_usage_seconds_total counter$/m);
        expect(body).toMatch(/^resource_scrape_error 0$/m);
    });
});
