// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../src/core/clock.ts";
import type { Component, ComponentState } from "../../src/core/component.ts";
import { errorText } from "../../src/core/errors/redge-error.ts";
import type { Envelope } from "../../src/envelope/envelope.ts";
import { within } from "./bounded.ts";
import { needsConfiguring, reportStartFailure, toError } from "./failure.ts";
import { flowsStarted } from "./flows-started.ts";
import type { Migration } from "./migrate.ts";
import type { Done, Message, NodeDef, NodeRed, RedNode } from "./red.ts";
import { NodeShell } from "./shell.ts";
import { toEnvelope, toMessage } from "./wire.ts";

/** A WireComponent of any outputs and events, as far as the shell needs to know it. */
export interface Wired extends Component {
    readonly outputs: readonly string[];
    receive(envelope: Envelope): Promise<void>;
    on(event: "output", listener: (output: string, envelope: Envelope) => void): () => void;
    on(event: "state", listener: (state: ComponentState) => void): () => void;
    clear(): void;
}

/** Makes the node's component: reads its configuration, loads what it needs, takes its parts from config nodes. */
export type Build<C> = (shell: NodeShell) => Promise<C>;

/** For components that also talk with nodes of others, which know nothing of envelopes: messages without a route. */
export interface PlainWires<C> {
    /** Ports behind the component's own outputs, in order. */
    readonly outputs: readonly string[];
    /** Absent: messages without a route are refused, as everywhere. */
    readonly take?: (component: C, message: Message) => void | Promise<void>;
    readonly listen?: (component: C, send: (output: string, message: Message) => void) => void;
}

export interface ComponentOptions<C> {
    readonly migrations?: readonly Migration[];
    readonly plain?: PlainWires<C>;
}

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;
/** How long a close waits for a start under way, and for the component's own stop (which promises two seconds). */
const START_SETTLES_MS = 1_000;
const STOP_MS = 2_500;

/** Puts a component behind a Node-RED node: input, outputs, status, errors, close. */
export function attachComponent<C extends Wired>(
    red: NodeRed,
    node: RedNode,
    def: NodeDef,
    build: Build<C>,
    { migrations, plain }: ComponentOptions<C> = {},
): void {
    const runner = new ComponentRunner(new NodeShell(red, node, def, migrations), build, plain);
    // Node-RED ignores the promise of a handler: each of these ends in its own catch.
    node.on("input", (message, _send, done) => void runner.take(message, done));
    node.on("close", (_removed, done) => void runner.stop().finally(done));
    void runner.run();
}

class ComponentRunner<C extends Wired> {
    readonly #shell: NodeShell;
    readonly #build: Build<C>;
    readonly #plain: PlainWires<C> | undefined;
    readonly #stopping = new AbortController();
    /** Messages inside the component, by message id, so that what it answers keeps their other properties. */
    readonly #inside = new Map<string, Message>();
    #component: C | undefined;
    #ready: Promise<C>;

    constructor(shell: NodeShell, build: Build<C>, plain: PlainWires<C> | undefined) {
        this.#shell = shell;
        this.#build = build;
        this.#plain = plain;
        this.#ready = flowsStarted(shell.red.events).then(() => this.#attempt());
    }

    /** Starts the component, and tries again with growing pauses while what it needs is not there. */
    async run(): Promise<void> {
        const { clock, random } = this.#shell.ports;
        let reported: string | undefined;
        for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_RETRY_MS)) {
            try {
                await this.#ready;
                return;
            } catch (thrown) {
                if (this.#stopping.signal.aborted) return;
                reportStartFailure(this.#shell, thrown, errorText(thrown) !== reported);
                reported = errorText(thrown);
                await this.#giveBack();
                if (needsConfiguring(thrown)) return;
            }
            await sleep(clock, pauseMs * (0.5 + random() / 2), this.#stopping.signal);
            if (this.#stopping.signal.aborted) return;
            this.#ready = this.#attempt();
        }
    }

    /** Takes one message from the wire; `done` is called exactly once, when the component has taken it over or refused. */
    async take(message: Message, done: Done): Promise<void> {
        let id: string | undefined;
        try {
            if (this.#plain?.take !== undefined && message["route"] === undefined) {
                await this.#plain.take(await this.#ready, message);
            } else {
                const envelope = toEnvelope(message, this.#shell.ports.clock.nowMs());
                const component = await this.#ready;
                id = envelope.header.msg_id;
                this.#inside.set(id, message);
                await component.receive(envelope);
            }
        } catch (thrown) {
            done(toError(thrown));
            return;
        } finally {
            if (id !== undefined) this.#inside.delete(id);
        }
        done();
    }

    async stop(): Promise<void> {
        const { clock } = this.#shell.ports;
        this.#stopping.abort();
        const settled = this.#ready.then(
            () => {},
            () => {}, // run() has reported it.
        );
        try {
            await within(clock, START_SETTLES_MS, settled);
        } finally {
            await this.#giveBack();
            this.#shell.status.close();
        }
    }

    /** Stops the component, also one whose start failed half way, and lets go of what config nodes handed out. */
    async #giveBack(): Promise<void> {
        const { clock, log } = this.#shell.ports;
        const component = this.#component;
        this.#component = undefined;
        try {
            const stopped = component === undefined || (await within(clock, STOP_MS, component.stop()));
            if (!stopped) log.warn("The component did not stop in time");
            component?.clear();
            await within(clock, STOP_MS, this.#shell.release());
        } catch (thrown) {
            log.error("The component did not stop cleanly", { reason: errorText(thrown) });
        }
    }

    async #attempt(): Promise<C> {
        if (this.#stopping.signal.aborted) throw new Error("The node is closing");
        this.#shell.status.announce({ level: "connecting", text: "starting" });
        const component = await this.#build(this.#shell);
        if (this.#stopping.signal.aborted) throw new Error("The node is closing");
        this.#component = component;
        component.on("output", (output, envelope) => this.#sendEnvelope(output, envelope));
        component.on("state", (state) => this.#shell.status.show(state));
        this.#plain?.listen?.(component, (output, message) => this.#send(output, message));
        await component.start();
        return component;
    }

    #sendEnvelope(output: string, envelope: Envelope): void {
        const { msg_id, parent_msg_id } = envelope.header;
        const about = this.#inside.get(parent_msg_id ?? msg_id) ?? this.#inside.get(msg_id);
        this.#send(
            output,
            toMessage(envelope, () => this.#shell.red.util.generateId(), about),
        );
    }

    #send(output: string, message: Message): void {
        const ports = [...(this.#component?.outputs ?? []), ...(this.#plain?.outputs ?? [])];
        this.#shell.node.send(ports.map((name) => (name === output ? message : null)));
    }
}
