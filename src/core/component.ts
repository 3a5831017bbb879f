// SPDX-License-Identifier: Apache-2.0
import type { Envelope } from "../envelope/envelope.ts";
import type { Clock } from "./clock.ts";
import type { EventMap } from "./emitter.ts";
import { Emitter } from "./emitter.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** What every component is given from outside, so that it can be tested without a socket or a wait. */
export interface Ports {
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: Metrics;
    /** Uniform in [0, 1), as Math.random. */
    readonly random: () => number;
}

/** How a component is doing, in the terms of a node's status line. */
export interface ComponentState {
    /** ready: works. connecting: will work by itself. disconnected/error: needs somebody. disabled: nothing to do. */
    readonly level: "ready" | "busy" | "connecting" | "disconnected" | "error" | "disabled";
    /** Locale key below `<node type>.status.`, e.g. "connectedSince". */
    readonly text: string;
    /** Fills the places of the locale text. */
    readonly params?: Readonly<Record<string, string | number>>;
}

/** Starts once, stops at most once; `stop` is idempotent, never throws and ends within two seconds. */
export interface Component {
    start(): Promise<void>;
    stop(): Promise<void>;
}

export type WireEvents<Output extends string> = {
    /** A message leaves by the output of that name. */
    output: [output: Output, envelope: Envelope];
    state: [state: ComponentState];
};

/**
 * A component that has wires: one input, named outputs. Everything that crosses its border does so as an Envelope by
 * `receive` and `output`, so that an operator can cut any wire and put a node in between.
 */
export abstract class WireComponent<Output extends string, Extra extends EventMap = Record<never, never>>
    extends Emitter<WireEvents<Output> & Extra>
    implements Component
{
    /** Names of the outputs in port order; the order is public interface (docs/architecture.md). */
    abstract readonly outputs: readonly Output[];
    abstract start(): Promise<void>;
    abstract stop(): Promise<void>;

    /**
     * Takes a message over. Resolves when responsibility for it has passed to this component (stored, queued or
     * handled); rejects with a RedgeError when it was refused and nothing was done.
     */
    abstract receive(envelope: Envelope): Promise<void>;

    protected send(output: Output, envelope: Envelope): void {
        (this as unknown as Emitter<WireEvents<Output>>).emit("output", output, envelope);
    }

    protected report(state: ComponentState): void {
        (this as unknown as Emitter<WireEvents<Output>>).emit("state", state);
    }
}
