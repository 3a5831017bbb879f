// SPDX-License-Identifier: Apache-2.0
import type { FlowNode, FlowStatus } from "./flow-host.ts";

/** The pod's annotation that lists nodes by name or id, each with `=text` if a certain status text is meant. */
export const READY_ANNOTATION = "edge.redge.io/ready-status";

interface Wanted {
    readonly node: string;
    readonly text: string | undefined;
}

/**
 * Whether a flow does its work, by what its nodes show under themselves in the editor: each node of the annotation must have
 * a green status (or the status of that text). Nodes without a status are not ready yet.
 */
export class FlowReadiness {
    readonly #wanted: readonly Wanted[];
    readonly #statuses = new Map<string, FlowStatus>();
    /** Ids by name; ids stand for themselves. */
    #ids: ReadonlyMap<string, readonly string[]> = new Map();

    /** `annotation`: "mqtt in, f1a2b3=listening". */
    constructor(annotation: string) {
        this.#wanted = annotation
            .split(",")
            .map((part) => part.trim())
            .filter((part) => part !== "")
            .map((part) => {
                const [node = "", ...text] = part.split("=");
                return { node: node.trim(), text: text.length === 0 ? undefined : text.join("=").trim() };
            });
    }

    /** The flow as it is now; statuses of nodes that are gone are forgotten. */
    flow(nodes: readonly FlowNode[]): void {
        const ids = new Map<string, string[]>();
        const add = (key: string, id: string): void => void ids.set(key, [...(ids.get(key) ?? []), id]);
        for (const { id, name } of nodes) {
            add(id, id);
            if (typeof name === "string" && name !== "" && name !== id) add(name, id);
        }
        this.#ids = ids;
        for (const id of this.#statuses.keys()) if (!ids.has(id)) this.#statuses.delete(id);
    }

    /** True when the flow's readiness is another than before. */
    status(nodeId: string, status: FlowStatus): boolean {
        const before = this.ready;
        this.#statuses.set(nodeId, status);
        return this.ready !== before;
    }

    get ready(): boolean {
        return this.#wanted.every(({ node, text }) => {
            const ids = this.#ids.get(node) ?? [];
            return ids.length > 0 && ids.every((id) => shows(this.#statuses.get(id), text));
        });
    }
}

function shows(status: FlowStatus | undefined, text: string | undefined): boolean {
    if (status === undefined) return false;
    return text === undefined ? status["fill"] === "green" : status["text"] === text;
}
