// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import type { ComponentState } from "../../core/component.ts";
import type { Logger } from "../../core/log.ts";
import type { MapperReport } from "./wire.ts";

/** What ails one device: its own state, and properties that could not be read, each with the reason. */
interface Trouble {
    state: string | undefined;
    readonly bad: Map<string, string>;
}

const WELL = new Set(["online", "ok"]);
/** A device that comes and goes, or fails in turns, fills no log: in this time a reason is told once, and no more than so many. */
const SAID_AGAIN_MS = 600_000;
const MOST_REASONS = 8;

/**
 * Which devices of a mapper are in trouble, by what is reported of them: for those who look at the editor alone, in the node's
 * status and, once for each reason, in its log.
 */
export class DeviceTroubles {
    readonly #clock: Pick<Clock, "monotonicMs">;
    readonly #log: Logger;
    readonly #troubles = new Map<string, Trouble>();
    /** By device: what was said, and when. */
    readonly #said = new Map<string, Map<string, number>>();

    constructor(clock: Pick<Clock, "monotonicMs">, log: Logger) {
        this.#clock = clock;
        this.#log = log;
    }

    /** Takes what is reported of a device. Answers whether that changes what the status says. */
    take(id: string, report: MapperReport): boolean {
        const known = this.#troubles.get(id);
        if (known === undefined && !isTrouble(report)) return false;
        const before = known && textOf(known);
        const trouble = known ?? { state: undefined, bad: new Map() };
        update(trouble, report);
        const text = textOf(trouble);
        if (text === before) return false;
        if (text === undefined) this.#troubles.delete(id);
        else this.#troubles.set(id, trouble);
        this.#say(id, text);
        return true;
    }

    /** The device is gone. */
    forget(id: string): void {
        this.#troubles.delete(id);
        this.#said.delete(id);
    }

    /** The status of a mapper that has so many devices. */
    state(devices: number): ComponentState {
        const [first] = this.#troubles;
        if (first === undefined) return { level: "ready", text: "mapping", params: { devices } };
        const [device, trouble] = first;
        const params = { devices, troubled: this.#troubles.size, device, reason: textOf(trouble) ?? "" };
        return { level: this.#troubles.size < devices ? "connecting" : "disconnected", text: "troubled", params };
    }

    #say(device: string, text: string | undefined): void {
        if (text === undefined) {
            this.#log.info("the device is well again", { device });
            return;
        }
        const nowMs = this.#clock.monotonicMs();
        const said = this.#said.get(device) ?? new Map<string, number>();
        for (const [before, atMs] of said) if (nowMs - atMs >= SAID_AGAIN_MS) said.delete(before);
        if (said.has(text) || said.size >= MOST_REASONS) return;
        this.#said.set(device, said.set(text, nowMs));
        this.#log.warn(text, { device });
    }
}

function isTrouble({ state, reported }: MapperReport): boolean {
    if (state !== undefined && !WELL.has(state.toLowerCase())) return true;
    for (const name in reported) if (reported[name]?.quality === "bad") return true;
    return false;
}

function update(trouble: Trouble, { state, reported = {} }: MapperReport): void {
    if (state !== undefined) trouble.state = WELL.has(state.toLowerCase()) ? undefined : state;
    for (const [name, { quality, reason = "" }] of Object.entries(reported)) {
        if (quality === "bad") trouble.bad.set(name, reason.replace(/\s+/g, " ").trim());
        else trouble.bad.delete(name);
    }
}

/** Undefined: it is well. A device that does not answer fails with all its properties for one reason, which is enough to say. */
function textOf({ state, bad }: Trouble): string | undefined {
    const [first] = bad;
    if (first === undefined) return state;
    const [name, reason] = first;
    if (state !== undefined) return reason === "" ? state : `${state}: ${reason}`;
    return bad.size === 1 ? `${name}: ${reason}` : `${bad.size} properties, ${name} first: ${reason}`;
}
