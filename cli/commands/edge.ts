// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { type Command, readOptions } from "../command.ts";
import { UsageError } from "../failure.ts";
import { recallCloud } from "../host/cloud-record.ts";
import { keepHeapSmall } from "../host/edge-heap.ts";
import { BOILER_PORT, claimPorts, redgeHome } from "../host/environment.ts";
import { runRole } from "../host/run-role.ts";

const HUB_PORT = "10000";
const JOIN_PORT = "10002";
const TUNNEL_PORT = "10004";

export const edgeCommand: Command = {
    name: "edge",
    summary: "starts an edge gateway: EdgeHub, MetaManager, Edged, DeviceTwin, EventBus and its editor",
    help: `redge edge --join URL --token TOKEN

Starts an edge gateway in the foreground and joins it to a cloud side. The token is needed once: afterwards the gateway
has a certificate of its own, and \`redge edge\` alone starts it again, with or without the cloud. Ctrl-C stops it.

Options:
  --join URL       where CloudHub gives certificates, e.g. https://cloud.example:10002
  --token TOKEN    a join token (redge token, or keadm gettoken of a KubeEdge cloud); also REDGE_JOIN_TOKEN
  --name NAME      the node's name (default: the host name); also REDGE_NODE_NAME
  --hub URL        CloudHub's message address (default: the host of --join, port ${HUB_PORT})
  --tunnel URL     the tunnel for logs and exec (default: the host of --join, port ${TUNNEL_PORT})
  --one-port       messages and tunnel go to the port of --join too (redge cloud --one-port)
  -h, --help       this text

Environment: REDGE_HOME, REDGE_MQTT_PORT, REDGE_EDGE_EDITOR_PORT, REDGE_EDITOR (on, off), REDGE_CONTAINER_RUNTIME
(auto, docker, cri, none), REDGE_LOG. See docs/configuration.md.
`,
    async run(args) {
        const options = readOptions(args, {
            join: { type: "string" },
            token: { type: "string" },
            name: { type: "string" },
            hub: { type: "string" },
            tunnel: { type: "string" },
            "one-port": { type: "boolean" },
            demo: { type: "boolean" },
        });
        if (options.join !== undefined) useCloud(options.join, options);
        if (options.token !== undefined) process.env["REDGE_JOIN_TOKEN"] = options.token;
        if (options.name !== undefined) process.env["REDGE_NODE_NAME"] = options.name;
        keepHeapSmall();
        recallCloud(join(redgeHome(), "edge"));
        const demo = options.demo === true;
        return runRole({
            role: "edge",
            ports: claimPorts("edge", demo ? [BOILER_PORT] : []),
            flows: [
                "edge-flows/edge.json",
                "edge-flows/modbus-mapper.json",
                ...(demo ? ["edge-flows/demo-boiler.json"] : []),
            ],
            readyTypes: ["kubeedge-edged"],
            summary: (url, user, password) =>
                [
                    `Redge edge ${process.env["REDGE_NODE_NAME"]} is ready.`,
                    `  editor   ${url}   user ${user}, password ${password}`,
                    `  cloud    ${process.env["REDGE_CLOUDHUB_URL"] ?? "as set in the EdgeHub node"}`,
                    "",
                ].join("\n"),
        });
    },
};

interface CloudOptions {
    readonly hub?: string | undefined;
    readonly tunnel?: string | undefined;
    readonly "one-port"?: boolean | undefined;
}

function useCloud(address: string, { hub, tunnel, "one-port": onePort = false }: CloudOptions): void {
    const url = parseUrl("join", address, "https:");
    const port = url.port || JOIN_PORT;
    process.env["REDGE_CLOUD_URL"] = `https://${url.hostname}:${port}`;
    // What is said on the command line goes before what is in the environment, and that before what --join suggests.
    const settle = (option: string, text: string | undefined, variable: string, usual: string): void => {
        if (text !== undefined) process.env[variable] = parseUrl(option, text, "wss:").origin;
        else if (onePort) process.env[variable] = `wss://${url.hostname}:${port}`;
        else process.env[variable] ||= `wss://${url.hostname}:${usual}`;
    };
    settle("hub", hub, "REDGE_CLOUDHUB_URL", HUB_PORT);
    settle("tunnel", tunnel, "REDGE_TUNNEL_URL", TUNNEL_PORT);
}

function parseUrl(option: string, text: string, protocol: string): { hostname: string; port: string; origin: string } {
    let url: URL;
    try {
        url = new URL(text);
    } catch {
        throw new UsageError(`--${option} wants an address such as ${protocol}//cloud.example, not "${text}"`);
    }
    if (url.protocol !== protocol) throw new UsageError(`--${option} wants an address that begins with ${protocol}//`);
    // URL leaves out the port that is the usual one of https, which somebody wrote on purpose.
    const port = url.port || (/:443(\/|$)/.test(text) ? "443" : "");
    return { hostname: url.hostname, port, origin: `${url.protocol}//${url.host}` };
}
