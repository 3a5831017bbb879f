// SPDX-License-Identifier: Apache-2.0
// Faults on the link, then a comparison of what should be with what is: `node scripts/run-ts.mjs
// test/support/link/faults/main.ts FAULTS [MINUTES [SEED]]`. Exit code 0 when both ends agree and nothing was lost or doubled.
import { runCloud } from "./cloud-process.ts";
import { runEdge } from "./edge-process.ts";
import { runFaults } from "./run.ts";

const [first = "40", second, third] = process.argv.slice(2);
if (first === "--cloud") await runCloud(JSON.parse(second ?? ""));
else if (first === "--edge") await runEdge(JSON.parse(second ?? ""));
else process.exitCode = await runFaults(Number(first), Number(second ?? 0), Number(third ?? Date.now() % 100_000));
