// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { DeviceTwin, type DeviceTwinConfig, deviceTwinConfig } from "../../../src/edge/devicetwin/index.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../../src/edge/edgehub/index.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { openStore } from "../../../src/store/open-store.ts";

/**
 * EventBus, DeviceTwin and EdgeHub as one process that can be killed. There is no cloud: every report and every upload
 * stays in the store. Tells its parent the port of the broker.
 */
async function main(path: string, engine: "nedb" | "sqlite", diverted: boolean): Promise<void> {
    const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
    const store = await openStore({ engine, path }, ports);
    const identity = {
        nodeName: "edge",
        tls: () => Promise.reject(new Error("there is no cloud")),
        onRenewed: () => () => {},
    };
    const hub = new EdgeHub(parseConfig<EdgeHubConfig>(edgeHubConfig, { url: "wss://127.0.0.1:9" }), {
        ...ports,
        store,
        identity,
    });
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, { offlinePolicy: "all" }), {
        ...ports,
        store,
    });
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { port: 0 }), { ...ports, store });
    const failed = (thrown: unknown): never => {
        throw thrown;
    };
    bus.on("output", (output, envelope) => {
        if (diverted) return;
        void (output === "devicetwin" ? twin : hub).receive(envelope).catch(failed);
    });
    twin.on("output", (output, envelope) => {
        if (output === "eventbus") void bus.receive(envelope).catch(failed);
    });
    hub.on("output", (output, envelope) => {
        if (output === "user") void bus.receive(envelope).catch(failed);
        if (output === "link") void twin.receive(envelope).catch(failed);
    });
    await twin.start();
    await hub.start();
    await bus.start();
    const route = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
    const added_devices = [{ id: "default/meter", name: "meter" }];
    await twin.receive(newEnvelope({ route, content: { event_id: "", timestamp: 0, added_devices } }));
    process.send?.({ port: bus.port });
}

const [path = "", engine = "", diverted = ""] = process.argv.slice(2);
main(path, engine === "sqlite" ? "sqlite" : "nedb", diverted === "diverted").catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
});
