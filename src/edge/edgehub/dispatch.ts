// SPDX-License-Identifier: Apache-2.0
import { type Envelope, Group, Operation, Source } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";

const RESOURCE_GROUPS: ReadonlySet<string> = new Set([Group.resource, "func", Group.taskmanager]);
const DEVICE_TYPES: ReadonlySet<string> = new Set(["device", "devicemodel"]);
const PUSH_OPERATIONS: ReadonlySet<string> = new Set([Operation.insert, Operation.update, Operation.delete]);

/**
 * The output a message from the cloud leaves by (wire protocol, section 3.1); undefined for groups nobody here knows.
 * KubeEdge sends a changed DeviceModel with EdgeController's source, so the type decides as well as the source.
 */
export function outputFor({ route }: Envelope): "resources" | "devices" | "user" | undefined {
    if (route.group === Group.user) return "user";
    if (route.group === Group.twin) return "devices";
    if (!RESOURCE_GROUPS.has(route.group ?? "")) return undefined;
    if (route.source === Source.devicecontroller) return "devices";
    return DEVICE_TYPES.has(parseResource(route.resource)?.type ?? "") ? "devices" : "resources";
}

/** True for an object that the cloud wants acknowledged, and may therefore repeat. */
export function isPush({ header, route }: Envelope): boolean {
    return header.parent_msg_id === undefined && route.group === Group.resource && PUSH_OPERATIONS.has(route.operation);
}

const ACKNOWLEDGED_TYPES: ReadonlySet<string> = new Set([
    "configmap",
    "secret",
    "persistentvolume",
    "persistentvolumeclaim",
    "volumeattachment",
]);

/** A stock CloudCore waits for the acknowledgement of these answers and holds everything else back meanwhile (section 3.5). */
export function isAcknowledgedResponse({ route }: Envelope): boolean {
    return route.operation === Operation.response && ACKNOWLEDGED_TYPES.has(parseResource(route.resource)?.type ?? "");
}
