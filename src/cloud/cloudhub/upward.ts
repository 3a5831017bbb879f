// SPDX-License-Identifier: Apache-2.0
import { type Envelope, Group, Operation, Source } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";

/** Where a message from an edge node goes (wire protocol, section 5.1). */
export type Upward =
    | { readonly to: "keepalive" }
    /** An acknowledgement, or an edge that could not store what was pushed. */
    | { readonly to: "answer"; readonly parentId: string; readonly failed: boolean }
    | { readonly to: "apiserver-ca" }
    | { readonly to: "output"; readonly output: "resources" | "devices" | "user" }
    | { readonly to: "nowhere"; readonly why: string };

/** Names that only components of the cloud bear; an edge node that uses one is ignored. */
const CLOUD_SOURCES: ReadonlySet<string> = new Set([
    Source.cloudhub,
    "cloudStream",
    Source.devicecontroller,
    Source.edgecontroller,
    "synccontroller",
]);

const VOLUME = /^\w[-\w.+]*\/volume\/\w[-\w.+]*$/;

/** First match wins. */
export function classifyUpward({ header, route }: Envelope): Upward {
    const { operation, resource } = route;
    if (operation === Operation.keepalive) return { to: "keepalive" };
    if (VOLUME.test(resource)) return { to: "output", output: "resources" };
    if (operation === Operation.response || operation === Operation.error) {
        const parentId = header.parent_msg_id;
        if (parentId === undefined) return { to: "nowhere", why: `${operation} without parent_msg_id` };
        return { to: "answer", parentId, failed: operation === Operation.error };
    }
    if (operation === Operation.upload && route.group === Group.user) return { to: "output", output: "user" };
    if (resource === "k8s/ca.crt") return { to: "apiserver-ca" };
    if (operation === "" || resource === "") return { to: "nowhere", why: "no operation or no resource" };
    if (CLOUD_SOURCES.has(route.source ?? "")) return { to: "nowhere", why: "source of the cloud side" };
    return { to: "output", output: route.source === Source.twin ? "devices" : "resources" };
}

/** The first thing a starting EdgeCore or kubelet does: it may have lost everything it had stored. */
export function isNodeRegistration({ route }: Envelope, node: string): boolean {
    if (route.operation !== Operation.insert) return false;
    const name = parseResource(route.resource);
    return name?.type === "node" && name.name === node;
}
