// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { IsolatedFlowHost } from "../../../nodes/edge/edged/isolated-host.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { Edged, type EdgedConfig, edgedConfig, FlowRuntime } from "../../../src/edge/edged/index.ts";
import { DockerRuntime } from "../../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import type { PodRuntime } from "../../../src/edge/edged/runtimes/runtime.ts";
import { MetaManager, type MetaManagerConfig, metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { FakeFlowHost } from "./fake-flow-host.ts";

/** A gateway in a process of its own that can be killed; the other end of its link is the parent process. */
async function main(dir: string, socket: string, nodeName: string, isolatedChild: string): Promise<void> {
    const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
    const store = await openStore({ engine: "nedb", path: join(dir, "store.db") }, ports);
    const meta = new MetaManager(parseConfig<MetaManagerConfig>(metaManagerConfig, {}), { ...ports, store });
    const runtimes: PodRuntime[] = [
        new FlowRuntime({ ...ports, store, host: new FakeFlowHost(), logDir: join(dir, "logs") }),
    ];
    if (isolatedChild !== "") {
        const options = { dir: join(dir, "isolated"), modulesDir: join(dir, "modules"), child: isolatedChild };
        const host = new IsolatedFlowHost(options, ports);
        runtimes.push(new FlowRuntime({ ...ports, store, host, logDir: join(dir, "isolated-logs") }));
    }
    if (socket !== "") runtimes.push(new DockerRuntime({ ...ports, socket, owner: "kill-test" }));
    const config = parseConfig<EdgedConfig>(edgedConfig, { nodeName, rootDir: join(dir, "edged") });
    const edged = new Edged(config, { ...ports, store, runtimes });
    meta.on("output", (output, envelope) => {
        if (output === "edged") setImmediate(() => void edged.receive(envelope));
        else process.send?.(envelope);
    });
    edged.on("output", (output, envelope) => {
        if (output === "metamanager") setImmediate(() => void meta.receive(envelope));
    });
    process.on("message", (envelope: Envelope) => void meta.receive(envelope));
    await meta.start();
    await edged.start();
    process.send?.("ready");
}

const [dir = "", socket = "", nodeName = "", isolatedChild = ""] = process.argv.slice(2);
main(dir, socket, nodeName, isolatedChild).catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
});
