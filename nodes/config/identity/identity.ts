// SPDX-License-Identifier: Apache-2.0
import { hostname } from "node:os";
import { join } from "node:path";
import type { CloudIdentity, EdgeIdentity } from "../../../src/link/identity/ports.ts";
import { attachPart } from "../../shell/config-node.ts";
import { cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import type { Opened } from "../../shell/shared-part.ts";
import type { NodeShell } from "../../shell/shell.ts";
import { type IdentityNodeConfig, identityNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function IdentityNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart<CloudIdentity | EdgeIdentity>(RED, this, def, (shell) => {
            const config = shell.parse<IdentityNodeConfig>(identityNodeConfig);
            return config.role === "cloud" ? authority(shell, config) : credentials(shell, config);
        });
    }
    RED.nodes.registerType("kubeedge-identity", IdentityNode, { credentials: { token: { type: "password" } } });
}

async function authority(shell: NodeShell, config: IdentityNodeConfig): Promise<Opened<CloudIdentity>> {
    const { CloudAuthority, cloudAuthorityConfig } = await import("../../../src/link/identity/cloud-authority.ts");
    const extra = { hosts: shell.words("hosts"), folder: join(shell.dataDir(config.folder), "authority") };
    const parts = config.storage === "secret" ? { cluster: await shell.use(cluster, "cluster") } : {};
    const identity = new CloudAuthority(shell.parse(cloudAuthorityConfig, extra), { ...shell.ports, ...parts });
    await identity.start();
    return { value: identity, close: () => identity.stop() };
}

async function credentials(shell: NodeShell, config: IdentityNodeConfig): Promise<Opened<EdgeIdentity>> {
    const { EdgeCredentials, edgeCredentialsConfig } = await import("../../../src/link/identity/edge-credentials.ts");
    const extra = {
        nodeName: config.nodeName ?? hostname().toLowerCase(),
        folder: join(shell.dataDir(config.folder), "identity"),
        // A flow file carries no secrets: shipped flows leave the token to the environment.
        token: shell.node.credentials?.["token"] || process.env["REDGE_JOIN_TOKEN"],
    };
    const identity = new EdgeCredentials(shell.parse(edgeCredentialsConfig, extra), shell.ports);
    await identity.start();
    return { value: identity, close: () => identity.stop() };
}
