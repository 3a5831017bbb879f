// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import type { Timer } from "../../../src/core/clock.ts";
import type { Ports } from "../../../src/core/component.ts";
import { errorText, RedgeError } from "../../../src/core/errors/redge-error.ts";
import type { FlowHost, FlowHostListener, FlowNode, FlowUnit } from "../../../src/edge/edged/index.ts";
import { bringTypes } from "../../shell/core-palette.ts";
import type { NodeRed } from "../../shell/red.ts";
import {
    type DebugRecord,
    debugText,
    errorOf,
    LEVELS,
    type LogRecord,
    logText,
    type NodeRedEvents,
    type NodeRedRuntime,
    stripId,
} from "./flow-host-red.ts";
import { parseModule } from "./palette-modules.ts";
import { podNodes } from "./pod-flow.ts";
import { isPodNode, podPrefix, prefixOf, stripPodId } from "./pod-flow-ids.ts";

const CONFLICT_TRIES = 20;
const FAIL_TURNS = 4;
const STARTED_TIMEOUT_MS = 30_000;

interface Running {
    readonly unit: FlowUnit;
    readonly nodes: readonly FlowNode[];
    /** Why a node of it could not be made, told while it was being started. */
    failure: string | undefined;
    starting: boolean;
}

interface Change {
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
    readonly unitId: string;
}

/** Runs pod flows in the gateway's own Node-RED, through the runtime that the launcher offers. */
export function createFlowHost(RED: NodeRed, _nodeId: string, ports: Ports): FlowHost {
    const runtime = RED.settings.redge?.runtime?.() as NodeRedRuntime | undefined;
    return new GatewayFlowHost(RED as unknown as NodeRedEvents, runtime, ports);
}

/**
 * Each unit is one or more locked tabs among the owner's flows. Changes are gathered and made in one deploy of changed flows
 * only, so that the owner's flows and other pods go on undisturbed. The storage wrapper keeps them out of the flow file.
 */
export class GatewayFlowHost implements FlowHost {
    readonly handler = "node-red";
    readonly #red: NodeRedEvents;
    readonly #runtime: NodeRedRuntime | undefined;
    readonly #ports: Ports;
    /** By prefix. */
    readonly #units = new Map<string, Running>();
    /** Prefixes of units that may be among the flows from before and have not been asked for yet. */
    readonly #expected = new Set<string>();
    readonly #handler = new EventEmitter();
    #listener: FlowHostListener | undefined;
    #waiting: Change[] = [];
    #flushing: Promise<void> | undefined;
    #version = "";
    #started = false;

    constructor(red: NodeRedEvents, runtime: NodeRedRuntime | undefined, ports: Ports) {
        this.#red = red;
        this.#runtime = runtime;
        this.#ports = ports;
    }

    async start(listener: FlowHostListener, expected: readonly string[]): Promise<void> {
        for (const unitId of expected) this.#expected.add(podPrefix(unitId));
        this.#listener = listener;
        this.#handler.on("log", this.#onLog);
        this.#red.log.addHandler(this.#handler);
        this.#red.events.on("comms", this.#onComms);
        this.#red.events.on("node-status", this.#onStatus);
        this.#red.events.on("flows:started", this.#onStarted);
        this.#version = (await this.#runtime?.version({})) ?? "";
        this.#started = true;
    }

    async stop(): Promise<void> {
        this.#started = false;
        this.#red.log.removeHandler(this.#handler);
        this.#handler.removeAllListeners();
        this.#red.events.off("comms", this.#onComms);
        this.#red.events.off("node-status", this.#onStatus);
        this.#red.events.off("flows:started", this.#onStarted);
        for (const { reject } of this.#waiting.splice(0)) reject(unavailable("the Edged node is closing"));
    }

    problem(): string | undefined {
        if (this.#runtime === undefined)
            return "this Node-RED was not started by redge; use runtimeClassName: node-red-isolated";
        return this.#started ? undefined : "Node-RED is starting";
    }

    version(): string {
        return this.#version || "0";
    }

    async deploy(unit: FlowUnit): Promise<void> {
        const runtime = this.#need();
        await installModules(runtime, unit.modules);
        const nodes = podNodes(unit);
        await bringTypes(nodes.map(({ type }) => type));
        await checkTypes(runtime, nodes);
        const running: Running = { unit, nodes, failure: undefined, starting: true };
        this.#expected.delete(podPrefix(unit.id));
        this.#units.set(podPrefix(unit.id), running);
        await this.#change(unit.id);
        // Nodes that load something first, as function does, fail a few turns after the deploy.
        for (let turn = 0; turn < FAIL_TURNS; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
        running.starting = false;
        if (running.failure !== undefined) throw new RedgeError("REDGE_FLOW_FAILED", { reason: running.failure });
    }

    async remove(unitId: string): Promise<void> {
        const prefix = podPrefix(unitId);
        const left = this.#expected.delete(prefix);
        if (!left && this.#units.get(prefix)?.unit.id !== unitId) return;
        this.#units.delete(prefix);
        if (this.#started) await this.#change(unitId);
    }

    /** Flows that share a process cannot be told apart: what they use is in the node's own figures. */
    async usage(unitId: string): Promise<{ cpuNanoseconds: number; memoryBytes: number } | undefined> {
        if (this.#units.get(podPrefix(unitId))?.unit.id !== unitId) return undefined;
        return { cpuNanoseconds: 0, memoryBytes: 0 };
    }

    #need(): NodeRedRuntime {
        const problem = this.problem();
        if (this.#runtime === undefined || problem !== undefined) throw unavailable(problem ?? "no runtime");
        return this.#runtime;
    }

    /** Resolves when Node-RED runs what `#units` says. */
    #change(unitId: string): Promise<void> {
        return new Promise((resolve, reject) => {
            this.#waiting.push({ unitId, resolve, reject });
            this.#flushing ??= this.#flush().finally(() => {
                this.#flushing = undefined;
            });
        });
    }

    async #flush(): Promise<void> {
        // Whatever else is asked for in this turn goes into the same deploy.
        await new Promise<void>((resolve) => setImmediate(resolve));
        while (this.#waiting.length > 0) {
            const changes = this.#waiting.splice(0);
            try {
                await this.#deployAll();
                for (const { resolve } of changes) resolve();
            } catch (thrown) {
                for (const { reject } of changes) reject(thrown);
            }
        }
    }

    async #deployAll(): Promise<void> {
        const runtime = this.#need();
        for (let attempt = 0; attempt < CONFLICT_TRIES; attempt += 1) {
            const current = await runtime.flows.getFlows({});
            const rev = current?.rev ?? "";
            const before = current?.flows ?? [];
            const kept = before.filter(({ id }) => this.#expected.has(prefixOf(id) ?? ""));
            const wanted = [...kept, ...this.#nodes()];
            const flows = [...before.filter((node) => !isPodNode(node)), ...wanted];
            if (sameNodes(before.filter(isPodNode), wanted)) return;
            const started = this.#flowsStarted();
            try {
                await runtime.flows.setFlows({ flows: { flows, rev }, deploymentType: "flows" });
                await started.done;
                return;
            } catch (thrown) {
                started.cancel();
                // Somebody else deployed between our look and our deploy: look again.
                if ((thrown as { code?: string }).code !== "version_mismatch") {
                    throw new RedgeError("REDGE_FLOW_FAILED", { reason: errorText(thrown) }, thrown);
                }
            }
        }
        throw unavailable("the flows are being changed all the time");
    }

    #nodes(): readonly FlowNode[] {
        return [...this.#units.values()].flatMap(({ nodes }) => nodes);
    }

    #flowsStarted(): { readonly done: Promise<void>; cancel(): void } {
        let cancel = (): void => {};
        const done = new Promise<void>((resolve, reject) => {
            const timer: Timer = this.#ports.clock.after(STARTED_TIMEOUT_MS, () => {
                cancel();
                reject(unavailable("the flows did not start"));
            });
            const listener = (): void => {
                cancel();
                resolve();
            };
            cancel = (): void => {
                timer.cancel();
                this.#red.events.off("flows:started", listener);
            };
            this.#red.events.once("flows:started", listener);
        });
        return { done, cancel };
    }

    /** The owner may have deleted a pod's tab in the editor: put it back, Kubernetes says that it runs. */
    readonly #onStarted = (event: { readonly config?: { readonly flows?: readonly FlowNode[] } }): void => {
        if (this.#flushing !== undefined || !this.#started) return;
        const there = new Set((event.config?.flows ?? []).map(({ id }) => id));
        const lost = [...this.#units.values()].find(({ nodes }) => nodes.some(({ id }) => !there.has(id)));
        if (lost === undefined) return;
        this.#listener?.log(lost.unit.id, "stderr", "[redge] the flow was removed in the editor and is put back");
        this.#change(lost.unit.id).catch((thrown: unknown) => {
            this.#ports.log.warn("a pod's flow could not be put back", { error: thrown });
        });
    };

    readonly #onLog = (record: LogRecord): void => {
        const running = this.#ownerOf(record);
        if (running === undefined || LEVELS[record.level] === undefined) return;
        // The runtime says it when a constructor throws; nodes such as function say it themselves.
        const error = errorOf(record);
        if (running.starting && record.level <= 20 && error !== undefined) {
            running.failure = `${record.type}: ${error.message}`;
        }
        this.#listener?.log(running.unit.id, record.level <= 30 ? "stderr" : "stdout", logText(stripId(record)));
    };

    readonly #onComms = (event: { readonly topic?: string; readonly data?: DebugRecord }): void => {
        if (event.topic !== "debug" || event.data === undefined || event.data.level !== undefined) return;
        const running = this.#ownerOf(event.data);
        if (running !== undefined) this.#listener?.log(running.unit.id, "stdout", debugText(stripId(event.data)));
    };

    readonly #onStatus = (event: { readonly id: string; readonly status: Readonly<Record<string, unknown>> }): void => {
        const running = this.#ownerOf(event);
        if (running !== undefined) this.#listener?.status(running.unit.id, stripPodId(event.id), event.status);
    };

    /** Nodes inside a subflow instance have ids of their own; their alias is the id in the pod's flow. */
    #ownerOf(record: { readonly id?: string; readonly z?: string; readonly _alias?: string }): Running | undefined {
        const prefix = prefixOf(record._alias) ?? prefixOf(record.id) ?? prefixOf(record.z);
        return prefix === undefined ? undefined : this.#units.get(prefix);
    }
}

/** Order does not matter to Node-RED. */
function sameNodes(a: readonly FlowNode[], b: readonly FlowNode[]): boolean {
    const text = (nodes: readonly FlowNode[]): string =>
        JSON.stringify([...nodes].sort((x, y) => (x.id < y.id ? -1 : 1)));
    return a.length === b.length && text(a) === text(b);
}

/** One missing type would stop every flow of the gateway: refuse such a flow before it is deployed. */
async function checkTypes(runtime: NodeRedRuntime, nodes: readonly FlowNode[]): Promise<void> {
    const sets = await runtime.nodes.getNodeList({});
    const known = new Set(sets.flatMap(({ types, enabled, err }) => (enabled === false || err ? [] : (types ?? []))));
    const built = (type: string): boolean => ["tab", "subflow", "group"].includes(type) || type.startsWith("subflow:");
    const missing = [...new Set(nodes.map(({ type }) => type).filter((type) => !built(type) && !known.has(type)))];
    if (missing.length > 0) throw new RedgeError("REDGE_FLOW_TYPES_MISSING", { types: missing.join(", ") });
}

/** Into the gateway's own palette, which its owner's flows use too: what is there in another version is left alone. */
async function installModules(runtime: NodeRedRuntime, modules: readonly string[]): Promise<void> {
    for (const wanted of modules) {
        const { name, version } = parseModule(wanted);
        const found = (await runtime.nodes.getNodeList({})).find((set) => set.module === name);
        if (found?.version === version) continue;
        if (found !== undefined) {
            const reason = `the gateway has version ${found.version}; use it, or runtimeClassName node-red-isolated`;
            throw new RedgeError("REDGE_FLOW_MODULE", { module: wanted, reason });
        }
        try {
            await runtime.nodes.addModule({ module: name, version });
        } catch (thrown) {
            throw new RedgeError("REDGE_FLOW_MODULE", { module: wanted, reason: errorText(thrown) }, thrown);
        }
    }
}

function unavailable(reason: string): RedgeError {
    return new RedgeError("REDGE_FLOW_HOST_UNAVAILABLE", { reason });
}
