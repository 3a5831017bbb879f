// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import { errorText } from "../../../src/core/errors/redge-error.ts";
import type { FlowNode } from "../../../src/edge/edged/index.ts";
import type { NodeRedEvents, NodeRedRuntime } from "./flow-host-red.ts";
import { type DebugRecord, debugText, errorOf, LEVELS, type LogRecord, logText, stripId } from "./flow-host-red.ts";
import { headlessSettings } from "./headless-settings.ts";
import type { FromChild, StartCommand, ToChild } from "./isolated-protocol.ts";

/** A headless Node-RED of one pod, in a process of its own. It ends when the gateway does. */
interface Red extends NodeRedEvents {
    init(server: unknown, settings: object): void;
    start(): Promise<void>;
    readonly runtime: NodeRedRuntime;
    readonly version: string | (() => string);
}

const FAIL_TURNS = 4;
let red: Red | undefined;
let failure: string | undefined;
let starting = true;

function tell(message: FromChild): void {
    process.send?.(message);
}

process.on("disconnect", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
process.on("message", (message: ToChild) => {
    (message.kind === "start" ? start(message) : deploy(message.nodes)).catch((thrown: unknown) => {
        tell({ kind: "failed", code: "failed", reason: errorText(thrown) });
    });
});

async function start({ nodeRed, userDir, nodes }: StartCommand): Promise<void> {
    red = (await import(nodeRed)).default as Red;
    red.init(createServer(), {
        ...headlessSettings(userDir, memoryStorage(nodes)),
        functionExternalModules: false,
    });
    listen(red);
    const outcome = started(red);
    await red.start();
    await outcome;
    report(red);
}

async function deploy(nodes: readonly FlowNode[]): Promise<void> {
    if (red === undefined) throw new Error("the runtime has not been started");
    failure = undefined;
    starting = true;
    const rev = (await red.runtime.flows.getFlows({}))?.rev ?? "";
    const outcome = started(red);
    await red.runtime.flows.setFlows({ flows: { flows: nodes, rev }, deploymentType: "flows" });
    await outcome;
    report(red);
}

function report(RED: Red): void {
    starting = false;
    const version = typeof RED.version === "function" ? RED.version() : RED.version;
    if (failure === undefined) tell({ kind: "started", version });
    else tell({ kind: "failed", code: "failed", reason: failure });
}

/** Resolves when the flows run; a flow with unknown types never does. */
async function started(RED: Red): Promise<void> {
    await new Promise<void>((resolve) => {
        RED.events.once("flows:started", resolve);
        RED.events.on("runtime-event", (event: { payload?: { error?: string; types?: readonly string[] } }) => {
            if (event.payload?.error !== "missing-types") return;
            tell({ kind: "failed", code: "missing-types", reason: (event.payload.types ?? []).join(", ") });
        });
    });
    for (let turn = 0; turn < FAIL_TURNS; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

function listen(RED: Red): void {
    const handler = new EventEmitter();
    handler.on("log", (record: LogRecord) => {
        if (LEVELS[record.level] === undefined || record.id === undefined) return;
        const error = errorOf(record);
        if (starting && record.level <= 20 && error !== undefined) failure = `${record.type}: ${error.message}`;
        tell({ kind: "log", stream: record.level <= 30 ? "stderr" : "stdout", text: logText(stripId(record)) });
    });
    RED.log.addHandler(handler);
    RED.events.on("comms", ({ topic, data }: { topic?: string; data?: DebugRecord }) => {
        if (topic !== "debug" || data === undefined || data.level !== undefined) return;
        tell({ kind: "log", stream: "stdout", text: debugText(stripId(data)) });
    });
    RED.events.on("node-status", ({ id, status }: { id: string; status: Readonly<Record<string, unknown>> }) => {
        tell({ kind: "status", nodeId: id, status });
    });
}

/** Flows come from Kubernetes: nothing is kept on disk. */
function memoryStorage(nodes: readonly FlowNode[]): Record<string, unknown> {
    const nothing = async (): Promise<object> => ({});
    const done = async (): Promise<void> => {};
    return {
        init: done,
        getFlows: async () => nodes,
        saveFlows: done,
        getCredentials: nothing,
        saveCredentials: done,
        getSettings: nothing,
        saveSettings: done,
        getSessions: nothing,
        saveSessions: done,
        getLibraryEntry: async () => [],
        saveLibraryEntry: done,
    };
}
