// SPDX-License-Identifier: Apache-2.0

/**
 * What two Redge ends tell each other at the WebSocket upgrade, in one header that KubeEdge ignores:
 *
 *     redge-session: v=1; store=<id of the edge's store>; window=1024       (edge, request)
 *     redge-session: v=1; window=1024                                       (cloud, answer)
 *
 * Both headers seen: up-going durable messages are answered one by one (end-to-end acknowledgement), pushes are
 * pipelined up to `window`, and what the node has acknowledged counts only while `store` stays the same.
 */
export const SESSION_HEADER = "redge-session";

/** Messages in flight in one direction when the peer names no window. */
export const DEFAULT_WINDOW = 1024;

export interface RedgeSession {
    readonly version: number;
    /** Changes when the edge lost its data; absent in the cloud's answer. */
    readonly store?: string;
    readonly window: number;
}

export function formatSession(session: RedgeSession): string {
    const store = session.store === undefined ? "" : `; store=${session.store}`;
    return `v=${session.version}${store}; window=${session.window}`;
}

/** Undefined when the peer is not Redge or speaks a version this one does not know. */
export function parseSession(header: string | readonly string[] | undefined): RedgeSession | undefined {
    if (typeof header !== "string" || header.length > 512) return undefined;
    const fields = new Map<string, string>();
    for (const part of header.split(";")) {
        const at = part.indexOf("=");
        if (at > 0) fields.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
    }
    if (fields.get("v") !== "1") return undefined;
    const window = Number(fields.get("window") ?? DEFAULT_WINDOW);
    if (!Number.isInteger(window) || window < 1 || window > 65_536) return undefined;
    const store = fields.get("store");
    if (store !== undefined && !/^[\w.-]{1,64}$/.test(store)) return undefined;
    return { version: 1, window, ...(store === undefined ? {} : { store }) };
}

/** Headers of KubeEdge's upgrade request (wire protocol, section 1.2). */
export const NODE_HEADER = "node_id";
export const PROJECT_HEADER = "project_id";
export const USE_HEADER = "ConnectionUse";
/** The constant that stock EdgeCore uses; CloudHub ignores it. */
export const DEFAULT_PROJECT = "e632aba927ea4ac2b575ec1603d56f10";

/** WebSocket close codes with which Redge says why a session ended (4000 to 4999 are free for applications). */
export const CloseCode = {
    normal: 1000,
    goingAway: 1001,
    protocolError: 1002,
    invalidMessage: 1007,
    forbidden: 1008,
    tooBig: 1009,
    serviceRestart: 1012,
    replaced: 4001,
    silent: 4002,
    nodeDeleted: 4003,
} as const;
