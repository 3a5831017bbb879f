// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../src/core/clock.ts";
import type { ComponentState } from "../../src/core/component.ts";
import type { NodeRed, NodeStatus, RedNode } from "./red.ts";

/** The editor's websocket carries every status: one a second is plenty for a person. */
const MIN_INTERVAL_MS = 1000;
const MAX_TEXT = 80;
/** A time as components give it. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

const LOOKS: Readonly<Record<ComponentState["level"], Pick<NodeStatus, "fill" | "shape">>> = {
    ready: { fill: "green", shape: "dot" },
    busy: { fill: "blue", shape: "dot" },
    connecting: { fill: "yellow", shape: "ring" },
    disconnected: { fill: "red", shape: "ring" },
    error: { fill: "red", shape: "dot" },
    disabled: { fill: "grey", shape: "ring" },
};

/** A node's status line: translates, leaves out what did not change, and shows at most one change a second. */
export class StatusLine {
    readonly #red: NodeRed;
    readonly #node: RedNode;
    readonly #clock: Clock;
    #shown: NodeStatus | undefined;
    #shownMs = Number.NEGATIVE_INFINITY;
    /** Made when it is its turn: a component may tell a hundred states for each that is shown, and texts are translated. */
    #next: (() => NodeStatus) | undefined;
    #timer: Timer | undefined;

    constructor(red: NodeRed, node: RedNode, clock: Clock) {
        this.#red = red;
        this.#node = node;
        this.#clock = clock;
    }

    /** A state that is soon followed by another: the next one is not held back. */
    announce(state: ComponentState): void {
        this.show(state);
        this.#shownMs = Number.NEGATIVE_INFINITY;
    }

    show(state: ComponentState): void {
        this.#put(() => ({ ...LOOKS[state.level], text: this.#text(state) }));
    }

    /** The reason of a failure, as it is. `ring` tells that somebody has to configure something first. */
    fail(reason: string, shape: "ring" | "dot"): void {
        this.#put(() => ({ fill: "red", shape, text: shorten(reason) }));
    }

    close(): void {
        this.#timer?.cancel();
        this.#timer = undefined;
    }

    #put(status: () => NodeStatus): void {
        this.#next = status;
        if (this.#timer !== undefined) return;
        const waitMs = this.#shownMs + MIN_INTERVAL_MS - this.#clock.monotonicMs();
        if (waitMs <= 0) this.#flush();
        else this.#timer = this.#clock.after(waitMs, () => this.#flush());
    }

    #flush(): void {
        this.#timer = undefined;
        const next = this.#next?.();
        if (next === undefined || same(next, this.#shown)) return;
        this.#shown = next;
        this.#shownMs = this.#clock.monotonicMs();
        this.#node.status(next);
    }

    /** A text without places goes out as its key, which the editor translates and flows can switch on. */
    #text({ text, params: given }: ComponentState): string {
        const params = given === undefined ? undefined : inLocalTime(given);
        const key = `${this.#node.type}.status.${text}`;
        const translated = this.#red._(key, params);
        if (translated.endsWith(key)) return shorten([words(text), ...Object.values(params ?? {})].join(" "));
        return params === undefined ? key : shorten(translated);
    }
}

/** Times become what a clock on the wall here shows, short enough to fit below a node: `03-01 14:05`. */
function inLocalTime(params: Readonly<Record<string, string | number>>): Record<string, string | number> {
    return Object.fromEntries(
        Object.entries(params).map(([name, value]) => [
            name,
            typeof value === "string" && TIME.test(value) ? localTime(new Date(value)) : value,
        ]),
    );
}

function localTime(time: Date): string {
    const two = (value: number): string => String(value).padStart(2, "0");
    const day = `${two(time.getMonth() + 1)}-${two(time.getDate())}`;
    return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

function words(key: string): string {
    return key.replace(/([a-z])([A-Z])/g, (_, left: string, right: string) => `${left} ${right.toLowerCase()}`);
}

function shorten(text: string): string {
    return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

function same(left: NodeStatus, right: NodeStatus | undefined): boolean {
    return left.fill === right?.fill && left.shape === right?.shape && left.text === right?.text;
}
