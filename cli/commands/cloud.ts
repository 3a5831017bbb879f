// SPDX-License-Identifier: Apache-2.0
import { type Command, readOptions } from "../command.ts";
import { UsageError } from "../failure.ts";
import { startForManyConnections } from "../host/cloud-heap.ts";
import { claimPorts, kubeconfigPath, redgeHome } from "../host/environment.ts";
import { runRole } from "../host/run-role.ts";

export const cloudCommand: Command = {
    name: "cloud",
    summary: "starts the cloud side: API server, controllers, CloudHub and its editor",
    help: `redge cloud

Starts the cloud side in the foreground: the embedded Kubernetes API server, EdgeController, DeviceController and
CloudHub, as flows in a Node-RED editor. Ctrl-C stops it.

Options:
  --host ADDRESS   where edges and kubectl reach it (default 127.0.0.1; 0.0.0.0 for all addresses)
  --san NAME       a further name or address for its certificates (comma separated)
  --one-port PORT  certificates, messages and the tunnel of the edges all at this port, e.g. 443
  -h, --help       this text

Environment: REDGE_HOME, REDGE_CLUSTER (embedded, kubeconfig, in-cluster), REDGE_API_PORT, REDGE_CLOUDHUB_PORT,
REDGE_CLOUDHUB_HTTPS_PORT, REDGE_STREAM_PORT, REDGE_TUNNEL_PORT, REDGE_CLOUD_EDITOR_PORT, REDGE_EDITOR_HOST, REDGE_LOG.
See docs/configuration.md.
`,
    async run(args) {
        startForManyConnections();
        const options = readOptions(args, {
            host: { type: "string" },
            san: { type: "string" },
            "one-port": { type: "string" },
        });
        if (options.host !== undefined) process.env["REDGE_CLOUD_HOST"] = options.host;
        if (options.san !== undefined) process.env["REDGE_CLOUD_NAMES"] = options.san;
        if (options["one-port"] !== undefined) useOnePort(options["one-port"]);
        return runRole({
            role: "cloud",
            ports: claimPorts("cloud"),
            flows: ["cloud-flows/cloud.json"],
            readyTypes: ["kubeedge-cloudhub"],
            summary: (url, user, password) =>
                [
                    "Redge cloud is ready.",
                    `  editor      ${url}   user ${user}, password ${password}`,
                    `  kubectl     export KUBECONFIG=${kubeconfigPath(redgeHome())}`,
                    "  next edge   redge token   prints a token for: redge edge --join <url> --token <token>",
                    "",
                ].join("\n"),
        });
    },
};

/** Parts that are given the same port share it. */
function useOnePort(text: string): void {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
        throw new UsageError(`--one-port wants a port from 1 to 65535, not "${text}"`);
    for (const name of ["REDGE_CLOUDHUB_PORT", "REDGE_CLOUDHUB_HTTPS_PORT", "REDGE_TUNNEL_PORT"]) {
        process.env[name] = String(port);
    }
}
