// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../core/config.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { routerConfig } from "../config.ts";

export interface RouteInConfig {
    /** Where messages come from: programs that call by REST, MQTT clients at an edge node, or programs at an edge node. */
    readonly from: "rest" | "eventbus" | "servicebus";
    readonly namespace: string;
    /** rest: the path behind `/<node>/<namespace>/`; `{x}` stands for any one segment. */
    readonly path?: string;
    /** eventbus, servicebus: the edge node. */
    readonly edgeNode?: string;
    /** eventbus: clients publish on `<namespace>/<topic>`. */
    readonly mqttTopic?: string;
    /** servicebus: the `targetURL` that programs name. */
    readonly targetUrl?: string;
    readonly host: string;
    readonly port: number;
    readonly tls: boolean;
    readonly authorization: "kubernetes" | "none";
    /** How long a caller waits for the flow to answer. */
    readonly timeoutMs: number;
}

const { host, port, tls, authorization, restTimeoutMs } = routerConfig.properties;
const NAME = { type: "string", minLength: 1 } as const;

export const routeInConfig: ConfigSchema = {
    type: "object",
    properties: {
        from: { type: "string", enum: ["rest", "eventbus", "servicebus"], default: "rest" },
        namespace: { ...NAME, default: "default" },
        path: NAME,
        edgeNode: NAME,
        mqttTopic: NAME,
        targetUrl: NAME,
        host,
        // The router has 9443.
        port: { ...(port as object), default: 9444 },
        tls,
        authorization,
        timeoutMs: restTimeoutMs,
    },
};

export interface RouteOutConfig {
    /** Where messages go: MQTT clients at an edge node, a service at an edge node, or an address. */
    readonly to: "eventbus" | "servicebus" | "rest";
    /** eventbus, servicebus: the edge node; absent: the message's `node`. */
    readonly edgeNode?: string;
    /** eventbus: absent: the message's `topic`. */
    readonly mqttTopic?: string;
    readonly servicePort?: number;
    readonly servicePath: string;
    readonly url?: string;
    readonly timeoutMs: number;
}

export const routeOutConfig: ConfigSchema = {
    type: "object",
    properties: {
        to: { type: "string", enum: ["eventbus", "servicebus", "rest"], default: "eventbus" },
        edgeNode: NAME,
        mqttTopic: NAME,
        servicePort: { type: "integer", minimum: 1, maximum: 65_535 },
        servicePath: { type: "string", default: "/", pattern: "^[^:]*$" },
        url: { type: "string", pattern: "^https?://." },
        timeoutMs: restTimeoutMs,
    },
};

/** A field that the others make necessary. @throws REDGE_CONFIG_INVALID */
export function needed<T>(value: T | undefined, field: string): T {
    if (value !== undefined) return value;
    throw new RedgeError("REDGE_CONFIG_INVALID", { field, reason: "is missing" });
}
