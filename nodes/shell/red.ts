// SPDX-License-Identifier: Apache-2.0
import type { EventEmitter } from "node:events";

/** A message as Node-RED carries it. */
export interface Message {
    _msgid?: string;
    topic?: unknown;
    payload?: unknown;
    [property: string]: unknown;
}

export type Send = (message: Message | (Message | null)[]) => void;
export type Done = (error?: Error) => void;

export interface NodeStatus {
    readonly fill?: "red" | "green" | "yellow" | "blue" | "grey";
    readonly shape?: "ring" | "dot";
    readonly text?: string;
}

/** A node's saved configuration, as untrusted as any other input. */
export interface NodeDef {
    readonly id: string;
    readonly type: string;
    readonly name?: string;
    readonly z?: string;
    readonly [property: string]: unknown;
}

/** What a Node-RED node offers to its author (Node-RED 4.1 and 5). */
export interface RedNode {
    readonly id: string;
    readonly type: string;
    readonly name?: string;
    readonly credentials?: Readonly<Record<string, string | undefined>>;
    /** The runtime reads this on config nodes, to bring their status and errors to the tabs of those who use them. */
    users?: Record<string, RedNode>;
    on(event: "input", listener: (message: Message, send: Send, done: Done) => void): unknown;
    on(event: "close", listener: (removed: boolean, done: () => void) => void): unknown;
    send(message: Message | (Message | null)[]): void;
    status(status: NodeStatus): void;
    log(text: unknown): void;
    warn(text: unknown): void;
    error(text: unknown, message?: Message): void;
    debug(text: unknown): void;
}

/** What the launcher puts into the settings; absent in a palette install. */
export interface RedgeSettings {
    readonly role?: "cloud" | "edge";
    readonly home?: string;
    readonly runtime?: () => unknown;
    /** Told when a component or config node cannot start, with the node's type; the launcher decides whether the process ends. */
    readonly failed?: (error: unknown, type: string) => void;
}

export interface HttpRequest {
    readonly params: Readonly<Record<string, string>>;
    readonly query: Readonly<Record<string, unknown>>;
}

export interface HttpResponse {
    status(code: number): HttpResponse;
    type(mime: string): HttpResponse;
    set(field: string, value: string): HttpResponse;
    json(body: unknown): void;
    send(body: string): void;
}

export type HttpHandler = (request: HttpRequest, response: HttpResponse, next: () => void) => void;

/** The parts of Node-RED's `RED` that Redge uses: nothing private, nothing that 4.1 lacks. */
export interface NodeRed {
    readonly nodes: {
        createNode(node: RedNode, def: NodeDef): void;
        getNode(id: string): RedNode | null | undefined;
        eachNode(visit: (def: NodeDef) => void): void;
        registerType(
            type: string,
            // biome-ignore lint/complexity/noBannedTypes: Node-RED calls it with `new` and lends it Node's prototype
            make: Function,
            options?: { readonly credentials?: Readonly<Record<string, { readonly type: "text" | "password" }>> },
        ): void;
    };
    readonly settings: {
        readonly userDir?: string;
        readonly redge?: RedgeSettings;
        /** Where Node-RED's own nodes are; absent where none are used. */
        readonly coreNodesDir?: string;
        /** Of Redge's settings files: see core-palette.ts. */
        readonly deferredPalette?: readonly string[];
    };
    readonly events: EventEmitter;
    readonly util: { generateId(): string };
    readonly httpAdmin: { get(path: string, ...handlers: HttpHandler[]): void };
    readonly auth: { needsPermission(permission: string): HttpHandler };
    readonly plugins: { registerPlugin(id: string, definition: Readonly<Record<string, unknown>>): void };
    _(key: string, params?: Readonly<Record<string, unknown>>): string;
}
