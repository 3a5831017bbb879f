// SPDX-License-Identifier: Apache-2.0
import { type Command, readOptions } from "../command.ts";

export const siteCommand: Command = {
    name: "site",
    summary: "starts a cloud side and an edge gateway on this machine, with a simulated boiler to try",
    help: `redge site

Starts a whole site in the foreground: a cloud side (editor on http://127.0.0.1:1880) and an edge gateway (editor on
http://127.0.0.1:1881) as two processes, the gateway joined to the cloud. The first start also applies a simulated
boiler: a Modbus device described in examples/devices/boiler.yaml. Ctrl-C stops everything; the next start finds
everything as it was.

Options:
  --no-demo    leaves the boiler out (matters on the first start only)
  -h, --help   this text

Environment: REDGE_HOME (default ~/.redge) and the variables of redge cloud and redge edge. See docs/configuration.md.
`,
    async run(args) {
        const options = readOptions(args, { "no-demo": { type: "boolean" } });
        const { runSite } = await import("../site/run-site.ts");
        return runSite({ demo: options["no-demo"] !== true });
    },
};
