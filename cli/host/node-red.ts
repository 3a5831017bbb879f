// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { packageRoot } from "../package-root.ts";
import { runsNodeRed } from "./own-node.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What a node tells of itself on its status line. */
export interface NodeStatus {
    readonly fill?: string;
    readonly shape?: string;
    readonly text?: string;
}

/** The part of the Node-RED package that embedding uses (its own documentation, "Embedding into an existing app"). */
interface NodeRed {
    init(server: Server, settings: Record<string, unknown>): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    readonly httpAdmin: Handler;
    readonly httpNode: Handler;
    readonly runtime: Record<string, unknown>;
    readonly version: string | (() => string);
    readonly events: {
        on(name: string, listener: (event: never) => void): void;
        once(name: string, listener: (event: never) => void): void;
    };
}

export interface NodeRedHost {
    readonly port: number;
    /** Ends when the flows have been started. @throws REDGE_CLI_FLOWS_INCOMPLETE when node types are missing */
    readonly started: Promise<void>;
    /** Calls back for every status a node sets. `id` is the node's id in the flow. */
    onStatus(listener: (id: string, status: NodeStatus) => void): void;
    stop(): Promise<void>;
}

/**
 * Brings one Node-RED runtime up in this process with the given settings. One per process: Node-RED keeps module state.
 * @throws REDGE_CLI_NO_NODE_RED, REDGE_CLI_NODE_TOO_OLD
 */
export async function hostNodeRed(settings: Record<string, unknown>): Promise<NodeRedHost> {
    const RED = loadNodeRed();
    const server = createServer((request, response) => serve(RED, settings, request, response));
    const ownSettings = settings["redge"] as Record<string, unknown>;
    ownSettings["runtime"] = () => RED.runtime;
    RED.init(server, settings);
    const started = flowsStarted(RED, String(settings["userDir"]));
    // Observed again by the caller; this keeps an early failure from counting as unhandled meanwhile.
    started.catch(() => {});
    const statusListeners: ((id: string, status: NodeStatus) => void)[] = [];
    // A node that stops says so without a status.
    RED.events.on("node-status", ({ id, status }: { id: string; status?: NodeStatus }) => {
        if (status !== undefined) for (const listener of statusListeners) listener(id, status);
    });
    await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(Number(settings["uiPort"]), String(settings["uiHost"]), resolve);
    });
    await RED.start();
    const address = server.address();
    return {
        port: typeof address === "object" && address !== null ? address.port : Number(settings["uiPort"]),
        started,
        onStatus: (listener) => statusListeners.push(listener),
        stop: async () => {
            server.close();
            server.closeAllConnections();
            await RED.stop();
        },
    };
}

function loadNodeRed(): NodeRed {
    const require = createRequire(`${packageRoot}/package.json`);
    let wanted: string;
    try {
        wanted = (require("node-red/package.json") as { engines: { node: string } }).engines.node;
    } catch (thrown) {
        throw new RedgeError("REDGE_CLI_NO_NODE_RED", {}, thrown);
    }
    if (!runsNodeRed(process.versions.node)) {
        throw new RedgeError("REDGE_CLI_NODE_TOO_OLD", { found: process.versions.node, wanted });
    }
    return require("node-red") as NodeRed;
}

function serve(
    RED: NodeRed,
    settings: Record<string, unknown>,
    request: IncomingMessage,
    response: ServerResponse,
): void {
    const notFound = (): void => {
        response.statusCode = 404;
        response.end();
    };
    const root = String(settings["httpNodeRoot"]);
    const url = request.url ?? "/";
    if (url === root || url.startsWith(`${root}/`) || url.startsWith(`${root}?`)) {
        request.url = url.slice(root.length) || "/";
        RED.httpNode(request, response, notFound);
        return;
    }
    RED.httpAdmin(request, response, notFound);
}

function flowsStarted(RED: NodeRed, userDir: string): Promise<void> {
    return new Promise((resolve, reject) => {
        RED.events.once("flows:started", () => resolve());
        RED.events.on("runtime-event", (event: { id: string; payload?: { error?: string; types?: string[] } }) => {
            if (event.id !== "runtime-state" || event.payload?.error !== "missing-types") return;
            const types = (event.payload.types ?? []).join(", ");
            reject(new RedgeError("REDGE_CLI_FLOWS_INCOMPLETE", { path: `${userDir}/flows.json`, types }));
        });
    });
}
