// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { type MetaServerConfig, metaServerConfig, ServingMetaManager } from "../../../src/edge/metaserver/index.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { Kubectl } from "../../support/kubectl.ts";
import { describeWith, program } from "../../support/requires.ts";

describeWith([program("kubectl")], "stock kubectl on a gateway without its cloud", () => {
    const folder = mkdtempSync(join(tmpdir(), "redge-metaserver-"));
    let meta: ServingMetaManager;
    let kubectl: Kubectl;

    beforeAll(async () => {
        const ports = {
            clock: systemClock,
            log: silentLogger,
            metrics: noMetrics,
            random: Math.random,
            store: new MemoryStore(),
        };
        const config = parseConfig<MetaServerConfig>(metaServerConfig, { folder, port: 0 });
        meta = new ServingMetaManager(parseConfig(metaManagerConfig, {}), config, ports);
        await meta.start();
        kubectl = new Kubectl(meta.server.kubeconfigPath);
        const metadata = {
            name: "web",
            namespace: "default",
            uid: "u",
            resourceVersion: "5",
            creationTimestamp: new Date().toISOString(),
        };
        const content = {
            apiVersion: "v1",
            kind: "Pod",
            metadata,
            spec: { nodeName: "edge", containers: [{ name: "main", image: "busybox:1" }] },
            status: {
                phase: "Running",
                containerStatuses: [{ name: "main", ready: true, restartCount: 0, state: { running: {} } }],
            },
        };
        const route = { source: "edgecontroller", group: "resource", operation: "update", resource: "default/pod/web" };
        await meta.receive(newEnvelope({ route, content }));
    });
    afterAll(async () => {
        await meta?.stop();
        rmSync(folder, { recursive: true, force: true });
    });

    it("lists, describes and explains", async () => {
        expect(await kubectl.run("get", "pods", "-o", "wide")).toMatch(
            /web\s+1\/1\s+Running\s+0\s+\S+\s+<none>\s+edge/,
        );
        expect(await kubectl.run("get", "po", "web", "-o", "jsonpath={.spec.containers[0].image}")).toBe("busybox:1");
        expect(await kubectl.run("api-resources")).toContain("configmaps");
        expect(await kubectl.run("explain", "pod.spec.nodeName")).toContain("<string>");
        expect(await kubectl.run("version")).toContain("redge-edge");
    });

    it("says what cannot be written here", async () => {
        const { code, stderr } = await kubectl.try(["delete", "node", "edge"]);
        expect(code).not.toBe(0);
        expect(stderr).toContain("MethodNotAllowed");
    });
});
