// SPDX-License-Identifier: Apache-2.0
// Devices under load: `npm run bench:devices [-- SCENARIO]` (mqtt, modbus, desired, chain, memory-nedb, memory-sqlite).
// One machine: gateway, MQTT clients, Modbus server and, in chain, the cloud share its cores. In brackets what stock KubeEdge v1.23.1 gave on such a machine.
import { spawnSync } from "node:child_process";
import { publish, serveModbus } from "./peers.ts";
import { scenarios } from "./scenarios.ts";

const [role = "", ...rest] = process.argv.slice(2);
if (role === "--publish") await publish(rest[0] ?? "", rest[1] ?? "", rest[2] ?? "");
else if (role === "--modbus") serveModbus(rest[0] ?? "");
else {
    const [only] = process.argv.slice(2);
    if (only === undefined) {
        // Each in a process of its own: memory that one has used must not look free to the next.
        for (const name of Object.keys(scenarios)) {
            spawnSync(process.execPath, [process.argv[1] ?? "", name], { stdio: "inherit" });
        }
    } else await scenarios[only]?.();
    process.exit(0);
}
