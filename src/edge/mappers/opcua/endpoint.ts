// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { OpcuaConnection } from "./connection.ts";
import type { OpcuaDevice } from "./device.ts";
import type { OpcuaDialer, OpcuaLink } from "./link.ts";

export interface EndpointParts {
    readonly clock: Clock;
    readonly random: () => number;
    readonly dialer: OpcuaDialer;
    readonly connection: OpcuaConnection;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;
/** A server that does not answer the goodbye is left without one. */
const CLOSE_MS = 1_500;

/** One session for all devices of a server: opened, and opened again with growing pauses whenever it ends. */
export class OpcuaEndpoint {
    readonly #parts: EndpointParts;
    readonly #devices = new Set<OpcuaDevice>();
    readonly #stopping = new AbortController();
    #link: OpcuaLink | undefined;
    #trouble: string | undefined;
    #running: Promise<void> | undefined;

    constructor(parts: EndpointParts) {
        this.#parts = parts;
    }

    get empty(): boolean {
        return this.#devices.size === 0;
    }

    join(device: OpcuaDevice): void {
        this.#devices.add(device);
        if (this.#link !== undefined) device.attach(this.#link);
        else if (this.#trouble !== undefined) device.detach(this.#trouble);
        this.#running ??= this.#run();
    }

    async leave(device: OpcuaDevice): Promise<void> {
        this.#devices.delete(device);
        await device.leave();
    }

    async stop(): Promise<void> {
        this.#stopping.abort();
        for (const device of this.#devices) void device.leave();
        this.#devices.clear();
        await Promise.race([this.#running, sleep(this.#parts.clock, CLOSE_MS)]);
    }

    async #run(): Promise<void> {
        const { clock, random } = this.#parts;
        const { signal } = this.#stopping;
        let pauseMs = FIRST_PAUSE_MS;
        while (!signal.aborted) {
            let reason: string;
            try {
                reason = await this.#session(() => {
                    pauseMs = FIRST_PAUSE_MS;
                });
            } catch (thrown) {
                reason = errorText(thrown);
            }
            if (signal.aborted) return;
            this.#trouble = reason;
            for (const device of this.#devices) device.detach(reason);
            await sleep(clock, pauseMs * (0.75 + random() / 2), signal);
            pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
        }
    }

    /** Resolves with the reason when the session has ended. */
    async #session(opened: () => void): Promise<string> {
        const { dialer, connection } = this.#parts;
        const { signal } = this.#stopping;
        let lose: (reason: string) => void = () => {};
        const lost = new Promise<string>((resolve) => {
            lose = resolve;
        });
        const stopped = (): void => lose("the mapper stops");
        signal.addEventListener("abort", stopped, { once: true });
        try {
            const link = await dialer.connect(connection, lose);
            try {
                if (signal.aborted) return "the mapper stops";
                opened();
                this.#trouble = undefined;
                this.#link = link;
                for (const device of this.#devices) device.attach(link);
                return await lost;
            } finally {
                this.#link = undefined;
                await link.close();
            }
        } finally {
            signal.removeEventListener("abort", stopped);
        }
    }
}
