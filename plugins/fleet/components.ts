// SPDX-License-Identifier: Apache-2.0
import type { NodeRed, NodeStatus } from "../../nodes/shell/red.ts";
import type { ComponentLine, Health } from "./summary.ts";

const HEALTH: Readonly<Record<string, Health>> = { green: "good", blue: "good", yellow: "waiting", red: "bad" };

/** Remembers what Redge's own nodes last showed as their status. */
export class ComponentStatuses {
    readonly #red: NodeRed;
    readonly #last = new Map<string, NodeStatus>();
    readonly #listener = ({ id, status }: { id: string; status: NodeStatus }): void => {
        this.#last.set(id, status);
    };

    constructor(red: NodeRed) {
        this.#red = red;
    }

    start(): void {
        this.#red.events.on("node-status", this.#listener);
    }

    stop(): void {
        this.#red.events.off("node-status", this.#listener);
    }

    /** The nodes that run now; those that were removed are forgotten. */
    list(): readonly ComponentLine[] {
        const lines: ComponentLine[] = [];
        this.#red.nodes.eachNode((def) => {
            if (!def.type.startsWith("kubeedge-") || !this.#red.nodes.getNode(def.id)) return;
            const status = this.#last.get(def.id) ?? {};
            lines.push({
                id: def.id,
                type: def.type,
                name: def.name || def.type.slice("kubeedge-".length),
                health: HEALTH[status.fill ?? ""] ?? "off",
                text: status.text ?? "",
            });
        });
        const running = new Set(lines.map(({ id }) => id));
        for (const id of this.#last.keys()) if (!running.has(id)) this.#last.delete(id);
        return lines;
    }
}
