// SPDX-License-Identifier: Apache-2.0
import type { Component, ComponentState } from "../../src/core/component.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { attachComponent, type Build, type Wired } from "./component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "./red.ts";

/** A component that has no wires, only a state. */
export interface Service extends Component {
    on(event: "state", listener: (state: ComponentState) => void): () => void;
    clear(): void;
}

/** Puts a component without wires behind a Node-RED node: status, errors, retry, close. */
export function attachService(red: NodeRed, node: RedNode, def: NodeDef, build: Build<Service>): void {
    attachComponent(red, node, def, async (shell) => new Wireless(await build(shell)));
}

class Wireless implements Wired {
    readonly outputs: readonly string[] = [];
    readonly #service: Service;

    constructor(service: Service) {
        this.#service = service;
    }

    on(event: "output" | "state", listener: (state: never, nothing: never) => void): () => void {
        if (event === "output") return () => {};
        return this.#service.on(event, listener as (state: ComponentState) => void);
    }

    start(): Promise<void> {
        return this.#service.start();
    }

    stop(): Promise<void> {
        return this.#service.stop();
    }

    clear(): void {
        this.#service.clear();
    }

    async receive(): Promise<void> {
        throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "message", reason: "came to a node without an input" });
    }
}
