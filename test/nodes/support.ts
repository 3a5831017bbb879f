// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import helper from "node-red-node-test-helper";
import type { Message, NodeRed, NodeStatus } from "../../nodes/shell/red.ts";
import { WireComponent } from "../../src/core/component.ts";
import type { Envelope } from "../../src/envelope/envelope.ts";

helper.init(createRequire(import.meta.url).resolve(process.env["REDGE_TEST_NODE_RED"] ?? "node-red"));

export { helper };

/** A component that does what a test tells it to. */
export class Probe extends WireComponent<"first" | "second"> {
    readonly outputs = ["first", "second"] as const;
    readonly received: Envelope[] = [];
    stops = 0;
    onStart: () => Promise<void> = async () => {};
    onReceive: (envelope: Envelope) => Promise<void> = async () => {};
    onStop: () => Promise<void> = async () => {};

    async start(): Promise<void> {
        await this.onStart();
        this.report({ level: "ready", text: "connected" });
    }

    async stop(): Promise<void> {
        this.stops += 1;
        await this.onStop();
    }

    async receive(envelope: Envelope): Promise<void> {
        this.received.push(envelope);
        await this.onReceive(envelope);
    }

    emitTo(output: "first" | "second", envelope: Envelope): void {
        this.send(output, envelope);
    }
}

/** Loads a flow of the given node modules and helper nodes. */
export function load(
    modules: readonly ((red: NodeRed) => void)[],
    flow: readonly Record<string, unknown>[],
): Promise<void> {
    return helper.load(modules as never, flow as never);
}

interface TestNode {
    on(event: "input", listener: (message: Message) => void): void;
    on(event: "call:status", listener: (call: { args: [NodeStatus] }) => void): void;
    receive(message: Message): void;
    status: { args: [NodeStatus][] };
}

export function node(id: string): TestNode {
    return helper.getNode(id) as unknown as TestNode;
}

/** The next message that arrives at a node. */
export function arrival(id: string): Promise<Message> {
    return new Promise((resolve) => node(id).on("input", resolve));
}

/** Resolves with the first status of a node, now or later, that `fits`. */
export function status(id: string, fits: (status: NodeStatus) => boolean): Promise<NodeStatus> {
    return new Promise((resolve) => {
        const shown = node(id)
            .status.args.map(([value]) => value)
            .find(fits);
        if (shown !== undefined) resolve(shown);
        node(id).on("call:status", ({ args }) => {
            if (fits(args[0])) resolve(args[0]);
        });
    });
}
