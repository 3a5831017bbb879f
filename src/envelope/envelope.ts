// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";

/** KubeEdge's message header (beehive model, kubeedge v1.23.1 pkg/core/model/message.go). */
export interface Header {
    readonly msg_id: string;
    /** Set on responses: the msg_id of the request. */
    readonly parent_msg_id?: string;
    /** Unix milliseconds at the sender. */
    readonly timestamp: number;
    /** Decimal string. */
    readonly resourceversion?: string;
    readonly sync?: boolean;
    readonly type?: string;
}

/** KubeEdge's route. `resource` has no node prefix: on the cloud side the node's name travels beside it. */
export interface Route {
    readonly source?: string;
    readonly destination?: string;
    readonly group?: string;
    readonly operation: string;
    readonly resource: string;
}

/** The message every component speaks. `content` is parsed JSON, never JSON text. */
export interface Envelope {
    readonly header: Header;
    readonly route: Route;
    readonly content: unknown;
    /** The edge node it goes to or comes from; only on the cloud side, never on the wire. */
    readonly node?: string;
}

export interface EnvelopeInit {
    readonly route: Route;
    readonly content: unknown;
    readonly node?: string | undefined;
    readonly parentId?: string | undefined;
    readonly resourceVersion?: string | undefined;
    readonly timestamp?: number | undefined;
    readonly id?: string | undefined;
    readonly type?: string | undefined;
    /** The sender waits for an answer that says that it was taken. */
    readonly sync?: boolean | undefined;
}

/** A new message with its own id, stamped now unless told otherwise. */
export function newEnvelope(init: EnvelopeInit): Envelope {
    return {
        header: {
            msg_id: init.id ?? randomUUID(),
            ...(init.parentId === undefined ? {} : { parent_msg_id: init.parentId }),
            timestamp: init.timestamp ?? Date.now(),
            ...(init.resourceVersion === undefined ? {} : { resourceversion: init.resourceVersion }),
            ...(init.sync === true ? { sync: true } : {}),
            ...(init.type === undefined ? {} : { type: init.type }),
        },
        route: init.route,
        content: init.content,
        ...(init.node === undefined ? {} : { node: init.node }),
    };
}

/** The answer to a request: new id, parent set, operation `response`, resource and node echoed. */
export function responseTo(
    request: Envelope,
    content: unknown,
    from: {
        readonly source?: string | undefined;
        readonly group?: string | undefined;
        readonly operation?: string;
        readonly resourceVersion?: string | undefined;
    } = {},
): Envelope {
    const source = from.source ?? request.route.source;
    const group = from.group ?? request.route.group;
    return newEnvelope({
        route: {
            ...(source === undefined ? {} : { source }),
            ...(group === undefined ? {} : { group }),
            operation: from.operation ?? Operation.response,
            resource: request.route.resource,
        },
        content,
        node: request.node,
        parentId: request.header.msg_id,
        resourceVersion: from.resourceVersion,
    });
}

/** Operations of KubeEdge v1.23 (wire protocol, section 2.2). */
export const Operation = {
    insert: "insert",
    delete: "delete",
    query: "query",
    update: "update",
    patch: "patch",
    upload: "upload",
    response: "response",
    error: "error",
    keepalive: "keepalive",
    get: "get",
    publish: "publish",
    subscribe: "subscribe",
    unsubscribe: "unsubscribe",
    /** Redge, cloud side, between CloudHub's fourth output and the controllers: an edge node joined or left. */
    connect: "connect",
    disconnect: "disconnect",
    /** Redge, cloud side, from a controller to CloudHub: the list of all objects of some kinds that a node should have. */
    sync: "sync",
    /** Redge, edge side, from MetaManager to EdgeHub (resource `store`): records were lost, ask the cloud for everything. */
    renew: "renew",
} as const;

/** Redge, cloud side: the resource by which a router asks CloudHub (operation `query`) who is connected; answered by `connect`s. */
export const CONNECTED_NODES = "nodes";

/** Groups of KubeEdge v1.23 (wire protocol, section 2.4). */
export const Group = {
    resource: "resource",
    meta: "meta",
    twin: "twin",
    user: "user",
    hub: "hub",
    taskmanager: "taskmanager",
    dynamiccontroller: "dynamiccontroller",
} as const;

/** Sources of KubeEdge v1.23 (wire protocol, section 2.4). */
export const Source = {
    edged: "edged",
    websocket: "websocket",
    metamanager: "metamanager",
    twin: "twin",
    metaserver: "metaserver",
    bus: "bus",
    servicebus: "servicebus",
    edgecontroller: "edgecontroller",
    devicecontroller: "devicecontroller",
    dynamiccontroller: "dynamiccontroller",
    cloudhub: "cloudhub",
    edgehub: "edgehub",
    routerEventbus: "router_eventbus",
    routerServicebus: "router_servicebus",
    taskmanager: "taskmanager",
} as const;

/** What `header.type` may say between two ends of Redge; KubeEdge never sets it. */
export const MessageType = {
    /** A report that must arrive as it is: the device's policy keeps every value, not only the newest. */
    keepAll: "keep-all",
    /** The content is bytes that are no text, in base64: a JSON message has no other place for them. */
    base64: "base64",
} as const;
