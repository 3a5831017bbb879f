// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import type { Ports } from "../../src/core/component.ts";
import { type ConfigSchema, parseConfig } from "../../src/core/config.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { nodeLogger } from "./logger.ts";
import { processRegistry, promMetrics } from "./metrics.ts";
import { type Migration, migrate } from "./migrate.ts";
import type { NodeDef, NodeRed, RedNode } from "./red.ts";
import type { SharedPart } from "./shared-part.ts";
import { StatusLine } from "./status.ts";

/** Names what a type of config node hands out. `T` is that thing's type and exists only for the compiler. */
export interface PartKind<T> {
    readonly type: string;
    readonly hands?: (part: T) => T;
    /** Throws when a node of that type hands out something else in its configuration. */
    readonly check?: (part: unknown) => void;
}

const PART = Symbol.for("redge.part");

/** A config node with what it shares. */
export type PartNode<T> = RedNode & { [PART]?: SharedPart<T> };

export function offerPart<T>(node: RedNode, part: SharedPart<T>): void {
    const holder: PartNode<T> = node;
    holder[PART] = part;
    Object.defineProperty(holder, "users", { configurable: true, get: () => Object.fromEntries(flowUsers(part)) });
}

/**
 * By id, the nodes on tabs that use a part, directly or by another config node: Node-RED brings the status and the
 * errors of a config node to their tabs. Config nodes are left out, since the runtime would call itself for ever on them.
 */
function* flowUsers(part: { readonly users: Iterable<RedNode> }): Generator<[string, RedNode]> {
    for (const user of part.users) {
        const own = (user as PartNode<never>)[PART];
        if (own === undefined) yield [user.id, user];
        else yield* flowUsers(own);
    }
}

/** What every open config node of a kind hands out at this moment, for those who only look. */
export async function openParts<T>(red: NodeRed, kind: PartKind<T>): Promise<T[]> {
    const parts: SharedPart<T>[] = [];
    red.nodes.eachNode(({ id, type }) => {
        const part = type === kind.type ? (red.nodes.getNode(id) as PartNode<T> | null | undefined)?.[PART] : undefined;
        if (part !== undefined) parts.push(part);
    });
    const values = await Promise.all(parts.map((part) => part.current()));
    return values.filter((value) => value !== undefined);
}

const TEXT: ConfigSchema = { type: "object", properties: { text: { type: "string" } } };

/** What a node's composition root works with. */
export class NodeShell {
    readonly red: NodeRed;
    readonly node: RedNode;
    readonly def: NodeDef;
    readonly ports: Ports;
    readonly status: StatusLine;
    readonly #held = new Set<SharedPart<unknown>>();

    constructor(red: NodeRed, node: RedNode, def: NodeDef, migrations: readonly Migration[] = []) {
        this.red = red;
        this.node = node;
        this.def = migrate(def, migrations);
        this.ports = {
            clock: systemClock,
            log: nodeLogger(node),
            metrics: promMetrics(processRegistry),
            random: Math.random,
        };
        this.status = new StatusLine(red, node, systemClock);
    }

    /**
     * The node's configuration by a component's schema; `extra` stands above what was saved in the node.
     * @throws REDGE_CONFIG_INVALID
     */
    parse<T>(schema: ConfigSchema, extra: Readonly<Record<string, unknown>> = {}): Readonly<T> {
        return parseConfig<T>(schema, { ...this.def, ...extra });
    }

    /**
     * What the config node chosen in `field` hands out; held until this node closes.
     * @throws REDGE_NODE_NOT_CHOSEN when there is none, it is disabled, or it is of another type
     */
    async use<T>(kind: PartKind<T>, field: string): Promise<T> {
        const part = this.#part(kind, field);
        this.#held.add(part as SharedPart<unknown>);
        const value = await part.acquire(this.node);
        kind.check?.(value);
        return value;
    }

    #part<T>(kind: PartKind<T>, field: string): SharedPart<T> {
        const id = this.def[field];
        const found = typeof id === "string" && id !== "" ? this.red.nodes.getNode(id) : undefined;
        const part = found?.type === kind.type ? (found as PartNode<T>)[PART] : undefined;
        if (part === undefined) throw new RedgeError("REDGE_NODE_NOT_CHOSEN", { field, type: kind.type });
        return part;
    }

    /**
     * The same for a part in which only one node of this type may keep its records.
     * @throws REDGE_NODE_NOT_CHOSEN, REDGE_NODE_TWICE while there is another one
     */
    async useAlone<T>(kind: PartKind<T>, field: string): Promise<T> {
        const { id, type } = this.node;
        const part = this.#part(kind, field);
        const other = [...part.users].find((user) => user.type === type && user.id !== id);
        if (other !== undefined) throw new RedgeError("REDGE_NODE_TWICE", { type, other: other.name || other.id });
        return this.use(kind, field);
    }

    /** A field of the node's form; absent when it is blank or names a variable that nothing defines. */
    text(field: string): string | undefined {
        return parseConfig<{ text?: string }>(TEXT, { text: this.def[field] }).text;
    }

    /** A field that lists words, separated by commas; absent when there is none. */
    words(field: string): string[] | undefined {
        const words = (this.text(field) ?? "").split(",").map((word) => word.trim());
        const found = words.filter((word) => word !== "");
        return found.length === 0 ? undefined : found;
    }

    /** Where this runtime keeps Redge's files: the given folder, else `redge` in Node-RED's user directory. */
    dataDir(given: string | undefined): string {
        return given === undefined ? join(this.red.settings.userDir ?? process.cwd(), "redge") : resolve(given);
    }

    /** Gives back every part in use. */
    async release(): Promise<void> {
        const held = [...this.#held];
        this.#held.clear();
        await Promise.all(held.map((part) => part.release(this.node)));
    }
}
