// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import type { ContainerRuntimes } from "../../src/edge/edged/runtimes/containers.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import type { CloudIdentity, EdgeIdentity } from "../../src/link/identity/ports.ts";
import type { DocumentStore } from "../../src/store/store.ts";
import type { PartKind } from "./shell.ts";

/** What the config nodes hand out, by their node type. */
export const store: PartKind<DocumentStore> = { type: "kubeedge-store" };
export const cluster: PartKind<KubeClient> = { type: "kubeedge-cluster" };
export const containerRuntimes: PartKind<ContainerRuntimes> = { type: "kubeedge-container-runtime" };
export const cloudIdentity: PartKind<CloudIdentity> = { type: "kubeedge-identity", check: inRole("cloud", "caPem") };
export const edgeIdentity: PartKind<EdgeIdentity> = { type: "kubeedge-identity", check: inRole("edge", "nodeName") };

/** One node type serves both ends of the link: says so when an identity of the other end was chosen. */
function inRole(role: string, mark: string): (part: unknown) => void {
    return (part) => {
        if (typeof part === "object" && part !== null && mark in part) return;
        throw new RedgeError("REDGE_CONFIG_INVALID", { field: "identity", reason: `is not in the ${role} role` });
    };
}
