// SPDX-License-Identifier: Apache-2.0
// The embedded control plane under load: `npm run bench:controlplane [-- sqlite|nedb ...]`. One machine; server and
// clients are two processes over TLS on loopback; every write is on disk before it is answered.
import { run } from "./scenarios.ts";
import { type Engine, serve } from "./server.ts";

const [role = "", engine = "", folder = ""] = process.argv.slice(2);
if (role === "--serve") await serve(engine as Engine, folder);
else await run(process.argv.slice(2));
