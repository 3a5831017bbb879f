// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../../core/component.ts";
import { type Envelope, Group, newEnvelope, Source } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import { Informer } from "../../../kube/client/informer.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { forWire } from "../edge-node.ts";
import type { Application } from "./application.ts";

/** Enough for every kind an edge program could care about; beyond, a program leaks. */
const WATCHES_MOST = 100;

/** What edge nodes watch by their MetaServer: every change is pushed to them until they stop or leave. */
export class Watches {
    readonly #cluster: KubeClient;
    readonly #ports: Ports;
    readonly #send: (envelope: Envelope) => void;
    readonly #byNode = new Map<string, Map<string, Informer<KubeObject>>>();

    constructor(cluster: KubeClient, ports: Ports, send: (envelope: Envelope) => void) {
        this.#cluster = cluster;
        this.#ports = ports;
        this.#send = send;
    }

    /**
     * False when the node watches too much already. Starting one again changes nothing.
     * @throws REDGE_KUBE_* when the API does not serve it
     */
    async start(node: string, { id, target, options }: Application): Promise<boolean> {
        const watches = this.#byNode.get(node) ?? new Map<string, Informer<KubeObject>>();
        if (watches.has(id)) return true;
        if (watches.size >= WATCHES_MOST) return false;
        this.#byNode.set(node, watches);
        const { type, namespace, name } = target;
        const query = {
            type,
            namespace,
            labelSelector: text(options["labelSelector"]),
            fieldSelector: name === undefined ? text(options["fieldSelector"]) : `metadata.name=${name}`,
        };
        // What cannot be listed cannot be watched; and items of built-in lists carry no kind of their own.
        const probe = await this.#cluster.list({ ...query, limit: 1 });
        const kind = probe.kind.replace(/List$/, "");
        const parse = (object: KubeObject) => forWire({ ...object, kind: object.kind || kind });
        const informer = new Informer<KubeObject>({ cluster: this.#cluster, query, parse }, this.#ports);
        watches.set(id, informer);
        informer.on("add", (object) => this.#push(node, "insert", object));
        informer.on("update", (object) => this.#push(node, "update", object));
        informer.on("delete", (object) => this.#push(node, "delete", object));
        await informer.start();
        return true;
    }

    /** Ends the watches of the node that are not among `ids`. */
    async keep(node: string, ids: ReadonlySet<string>): Promise<void> {
        for (const [id, informer] of this.#byNode.get(node) ?? []) {
            if (ids.has(id)) continue;
            this.#byNode.get(node)?.delete(id);
            await informer.stop();
        }
    }

    has(node: string, id: string): boolean {
        return this.#byNode.get(node)?.has(id) ?? false;
    }

    async stop(): Promise<void> {
        for (const node of [...this.#byNode.keys()]) await this.keep(node, new Set());
        this.#byNode.clear();
    }

    #push(node: string, operation: string, object: KubeObject): void {
        const { namespace, name, resourceVersion } = object.metadata;
        const resource = formatResource(namespace, object.kind.toLowerCase(), name);
        const route = { source: Source.dynamiccontroller, group: Group.resource, operation, resource };
        const timestamp = this.#ports.clock.nowMs();
        this.#send(newEnvelope({ route, content: object, node, resourceVersion, timestamp }));
    }
}

function text(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}
