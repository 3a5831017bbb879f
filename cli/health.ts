// SPDX-License-Identifier: Apache-2.0
import { get } from "node:http";

const TIMEOUT_MS = 4_000;
const DEFAULT_PORT = { cloud: "1880", edge: "1881" };

/** The image's health check: exit code 0 when this role's Node-RED answers on its admin root. */
function main(role: "cloud" | "edge"): void {
    const variable = role === "cloud" ? "REDGE_CLOUD_EDITOR_PORT" : "REDGE_EDGE_EDITOR_PORT";
    const port = process.env[variable] ?? DEFAULT_PORT[role];
    const request = get({ host: "127.0.0.1", port, path: "/settings", timeout: TIMEOUT_MS }, (response) => {
        // 401 is health: the login is on.
        process.exit((response.statusCode ?? 500) < 500 ? 0 : 1);
    });
    request.on("timeout", () => process.exit(1));
    request.on("error", () => process.exit(1));
}

main(process.argv[2] === "edge" ? "edge" : "cloud");
