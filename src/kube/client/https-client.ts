// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "./client.ts";
import type { ClusterConnection } from "./connection.ts";
import { HttpSession } from "./http-session.ts";
import { type KubeClientPorts, RestClient } from "./rest-client.ts";

/** A KubeClient that speaks HTTPS (or plain HTTP, when `server` says so) to any Kubernetes API server. */
export function createKubeClient(connection: ClusterConnection, ports: KubeClientPorts): KubeClient {
    return new RestClient(new HttpSession(connection, ports.clock), ports);
}
