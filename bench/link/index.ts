// SPDX-License-Identifier: Apache-2.0
// The cloud-edge link under load: `npm run bench:link [-- --quic] [SCENARIO ...]`, one machine, server and edges as processes.
// Figures in brackets are what stock KubeEdge v1.23.1 gave on such a machine.
import { bench } from "./scenarios.ts";
import { serve } from "./server.ts";

const [role = "", ...rest] = process.argv.slice(2);
if (role === "--serve") await serve(rest[0] ?? "");
else await bench(process.argv.slice(2));
