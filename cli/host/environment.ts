// SPDX-License-Identifier: Apache-2.0
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { WantedPort } from "./ports.ts";

export type Role = "cloud" | "edge";

/** Where everything lives: REDGE_HOME, else ~/.redge. */
export function redgeHome(): string {
    return resolve(process.env["REDGE_HOME"] ?? join(homedir(), ".redge"));
}

interface PortVariable {
    readonly name: string;
    readonly port: number;
    readonly purpose: string;
}

/** Ports by role with the variable that moves each; the shipped flows read the same variables. */
const PORTS: Readonly<Record<Role, readonly PortVariable[]>> = {
    cloud: [
        { name: "REDGE_CLOUD_EDITOR_PORT", port: 1880, purpose: "cloud editor" },
        { name: "REDGE_API_PORT", port: 6443, purpose: "Kubernetes API" },
        { name: "REDGE_CLOUDHUB_PORT", port: 10000, purpose: "CloudHub messages" },
        { name: "REDGE_CLOUDHUB_HTTPS_PORT", port: 10002, purpose: "CloudHub certificates" },
        { name: "REDGE_STREAM_PORT", port: 10003, purpose: "logs and exec for the API server" },
        { name: "REDGE_TUNNEL_PORT", port: 10004, purpose: "tunnel for logs and exec" },
    ],
    edge: [
        { name: "REDGE_EDGE_EDITOR_PORT", port: 1881, purpose: "edge editor" },
        { name: "REDGE_MQTT_PORT", port: 1883, purpose: "MQTT broker" },
        { name: "REDGE_METASERVER_PORT", port: 10550, purpose: "MetaServer" },
    ],
};

/** Puts a default where the operator set nothing. */
function fallback(name: string, value: string): void {
    process.env[name] ??= value;
}

/** Sees that every port variable of the role has a value, and answers what will be listened on. */
export function claimPorts(role: Role, extra: readonly PortVariable[] = []): readonly WantedPort[] {
    const isEmbedded = (process.env["REDGE_CLUSTER"] ?? "embedded") === "embedded";
    const wanted = PORTS[role].filter(({ name }) => isEmbedded || name !== "REDGE_API_PORT");
    return [...wanted, ...extra].map(({ name, port, purpose }) => {
        fallback(name, String(port));
        return { port: Number(process.env[name]), host: hostOf(name), purpose, variable: name };
    });
}

/** The boiler of the demo, which only a site has. */
export const BOILER_PORT: PortVariable = { name: "REDGE_BOILER_PORT", port: 1502, purpose: "simulated boiler" };

function hostOf(variable: string): string {
    if (variable.endsWith("EDITOR_PORT")) return process.env["REDGE_EDITOR_HOST"] ?? "127.0.0.1";
    if (variable === "REDGE_API_PORT" || variable.startsWith("REDGE_CLOUDHUB") || variable.endsWith("TUNNEL_PORT")) {
        return process.env["REDGE_CLOUD_HOST"] ?? "127.0.0.1";
    }
    return "127.0.0.1";
}

/** Variables that the flows of a role read, beside the ports. */
export function claimVariables(role: Role, userDir: string): void {
    process.env["REDGE_USER_DIR"] = userDir;
    process.env["REDGE_EDITOR_PORT"] =
        process.env[role === "cloud" ? "REDGE_CLOUD_EDITOR_PORT" : "REDGE_EDGE_EDITOR_PORT"];
    fallback(role === "cloud" ? "REDGE_HOME_CLOUD" : "REDGE_HOME_EDGE", join(userDir, "redge"));
    // Where the API server asks for logs and exec; an API server on another machine needs its own view of this address.
    if (role === "cloud") fallback("REDGE_STREAM_ADDRESS", `127.0.0.1:${process.env["REDGE_STREAM_PORT"]}`);
}

/** The kubeconfig of the API server the cloud side works with: the one it writes itself, or the operator's. */
export function kubeconfigPath(home: string): string {
    if (process.env["REDGE_CLUSTER"] === "kubeconfig")
        return process.env["KUBECONFIG"] ?? join(homedir(), ".kube", "config");
    return join(process.env["REDGE_HOME_CLOUD"] ?? join(home, "cloud", "redge"), "kubeconfig");
}

/** Where the gateway of this home keeps its data. */
export function edgeFolder(home: string): string {
    return process.env["REDGE_HOME_EDGE"] ?? join(home, "edge", "redge");
}

/** The addresses an edge on this machine dials, from the port variables. */
export function localCloudUrls(): { readonly join: string; readonly hub: string; readonly tunnel: string } {
    const port = (name: string): string => process.env[name] ?? "";
    return {
        join: `https://127.0.0.1:${port("REDGE_CLOUDHUB_HTTPS_PORT")}`,
        hub: `wss://127.0.0.1:${port("REDGE_CLOUDHUB_PORT")}`,
        tunnel: `wss://127.0.0.1:${port("REDGE_TUNNEL_PORT")}`,
    };
}
