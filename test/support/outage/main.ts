// SPDX-License-Identifier: Apache-2.0
// An outage by the clock: `npm run test:outage [-- MINUTES [DEVICES [EVERY_MS]]]`, 10 minutes with 1,000 devices that
// report every 10 s unless told otherwise. Exit code 0 when nothing was lost, out of order or wrong.
import { runOutage } from "./run.ts";

const [minutes = "10", devices = "1000", everyMs = "10000"] = process.argv.slice(2);
const startedMs = performance.now();
const say = (line: string): void => {
    process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
};
const options = { outageSeconds: Number(minutes) * 60, devices: Number(devices), everyMs: Number(everyMs) };
const { figures, findings } = await runOutage(options, say);
for (const [what, figure] of Object.entries(figures))
    process.stdout.write(`${what.padEnd(56)} ${String(figure).padStart(12)}\n`);
process.stdout.write(`${JSON.stringify({ ...figures, findings })}\n`);
process.exit(findings.length === 0 ? 0 : 1);
