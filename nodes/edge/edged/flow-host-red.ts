// SPDX-License-Identifier: Apache-2.0
import type { EventEmitter } from "node:events";
import type { FlowNode } from "../../../src/edge/edged/index.ts";
import { stripPodId } from "./pod-flow-ids.ts";

/** Node-RED's runtime API as far as pod flows need it (embedding; `RED.runtime` of the launcher). */
export interface NodeRedRuntime {
    readonly flows: {
        getFlows(options: object): Promise<{ readonly flows: readonly FlowNode[]; readonly rev: string } | null>;
        setFlows(options: {
            readonly flows: { readonly flows: readonly FlowNode[]; readonly rev: string };
            readonly deploymentType: "full" | "nodes" | "flows";
        }): Promise<{ readonly rev: string }>;
    };
    readonly nodes: {
        getNodeList(options: object): Promise<readonly NodeSet[]>;
        addModule(options: { readonly module: string; readonly version?: string }): Promise<unknown>;
    };
    version(options: object): Promise<string>;
}

export interface NodeSet {
    readonly module?: string;
    readonly version?: string;
    readonly types?: readonly string[];
    readonly enabled?: boolean;
    readonly err?: unknown;
}

/** A record of Node-RED's log. `z` is absent for what the runtime says about a node that could not be made. */
export interface LogRecord {
    readonly level: number;
    readonly id?: string;
    readonly z?: string;
    readonly _alias?: string;
    readonly type?: string;
    readonly name?: string;
    readonly msg: unknown;
    /** Set by the debug node when it has encoded `msg` for the editor. */
    readonly format?: string;
}

/** What a debug node shows in the sidebar. */
export interface DebugRecord {
    readonly id?: string;
    readonly z?: string;
    readonly _alias?: string;
    readonly name?: string;
    readonly topic?: unknown;
    readonly format?: string;
    readonly msg?: unknown;
    /** Only on copies of log records, which the log has already. */
    readonly level?: number;
}

/** The parts of `RED` that the adapter listens to. */
export interface NodeRedEvents {
    readonly events: EventEmitter;
    readonly log: {
        addHandler(handler: EventEmitter): void;
        removeHandler(handler: EventEmitter): void;
    };
}

export const LEVELS: Readonly<Record<number, string>> = {
    10: "fatal",
    20: "error",
    30: "warn",
    40: "info",
    50: "debug",
};

/**
 * The error in a log record, if it is one. The debug node's handler, which may run before ours, puts an encoded copy in
 * its place.
 */
export function errorOf(record: LogRecord): { readonly message: string; readonly stack?: string } | undefined {
    const { msg, format } = record;
    if (msg instanceof Error) return msg;
    if (format !== "error" || typeof msg !== "string") return undefined;
    // Longer ones were cut, which leaves no JSON.
    if (!msg.endsWith("}")) return { message: /"message":"((?:[^"\\]|\\.)*)"/.exec(msg)?.[1] ?? msg };
    const { data } = JSON.parse(msg) as { data?: { message: string; stack?: string } };
    return data;
}

export function logText(record: LogRecord): string {
    const { msg } = record;
    const error = errorOf(record);
    const plain = typeof msg === "string" ? msg : JSON.stringify(msg);
    const text = error === undefined ? plain : (error.stack ?? error.message);
    return `[${LEVELS[record.level] ?? "log"}] [${record.type ?? ""}:${record.name || record.id || ""}] ${text}`;
}

export function debugText(record: DebugRecord): string {
    const name = record.name || record.id || "";
    const topic = record.topic === undefined || record.topic === "" ? "" : `${String(record.topic)} : `;
    const text = typeof record.msg === "string" ? record.msg : JSON.stringify(record.msg);
    return `[debug] [${name}] ${topic}${text}`;
}

/** Ids as the flow's author knows them. */
export function stripId<T extends { readonly id?: string; readonly _alias?: string }>(record: T): T {
    const id = record._alias ?? record.id;
    return id === undefined ? record : { ...record, id: stripPodId(id) };
}
