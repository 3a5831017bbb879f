// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { asRecord, asText } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";
import type { TunnelServer } from "./tunnel-server.ts";

const POD_PATH = /^\/(?:containerLogs|exec|attach|portForward|run)\/([^/]+)\/([^/]+)/;
const NODE_PATH = /^\/(stats|metrics)(?:\/|$)/;
/** Where metrics-server finds one of many nodes behind one address: the Node's annotation names this path. */
const NAMED_PATH = /^\/metrics\/nodes\/([^/]+)(\/(?:stats|metrics)(?:\/.*)?)$/;

/** Which gateway a request is for, and what it is asked there. */
export interface NodeTarget {
    readonly node: string;
    /** Path and query, as the kubelet takes them. */
    readonly target: string;
    /** "stats" or "metrics" when usage is asked for. */
    readonly usage: string | undefined;
}

export class NodeTargets {
    readonly #cluster: KubeClient;
    readonly #tunnels: TunnelServer;

    constructor(cluster: KubeClient, tunnels: TunnelServer) {
        this.#cluster = cluster;
        this.#tunnels = tunnels;
    }

    /** Whether a request is for what a kubelet tells of usage. */
    isUsage(request: IncomingMessage): boolean {
        return NODE_PATH.test((request.url ?? "/").split("?")[0] ?? "");
    }

    /** @throws REDGE_STREAM_TARGET, and REDGE_KUBE_* for a pod that cannot be read */
    async of(request: IncomingMessage): Promise<NodeTarget> {
        const [path = "/", ...query] = (request.url ?? "/").split("?");
        const nobody = (reason: string): RedgeError => new RedgeError("REDGE_STREAM_TARGET", { path, reason });
        const [, namespace, name] = POD_PATH.exec(path) ?? [];
        if (namespace !== undefined && name !== undefined) {
            const pod = await this.#cluster.get({ type: Kinds.pod, namespace, name });
            const node = asText(asRecord(pod["spec"])["nodeName"]);
            if (node === undefined) throw nobody("the pod is on no node yet");
            return { node, target: request.url ?? "/", usage: undefined };
        }
        const [, named, rest = path] = NAMED_PATH.exec(path) ?? [];
        const usage = NODE_PATH.exec(rest)?.[1];
        if (usage === undefined) throw nobody("it is none of a kubelet's paths served here");
        const node = named ?? this.#nodeNamedBy(request);
        if (node === undefined) throw nobody("the request names no node");
        return { node, target: [rest, ...query].join("?"), usage };
    }

    #nodeNamedBy({ headers }: IncomingMessage): string | undefined {
        const forwarded = /^\/api\/v1\/nodes\/([^/]+)/.exec(String(headers["x-forwarded-uri"] ?? ""))?.[1];
        const host = (headers.host ?? "").replace(/:\d+$/, "");
        return forwarded ?? this.#tunnels.nodeAt(host) ?? this.#onlyNode();
    }

    #onlyNode(): string | undefined {
        const { nodes } = this.#tunnels;
        return nodes.length === 1 ? nodes[0] : undefined;
    }
}
