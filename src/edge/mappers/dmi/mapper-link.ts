// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Client } from "@grpc/grpc-js";
import { type Clock, sleep } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { type DmiMessage, toDmiDevice, toDmiModel } from "./convert.ts";
import type { ServedDevice } from "./dmi-server.ts";
import { call } from "./grpc.ts";
import type { MapperCall } from "./proto.ts";

export interface MapperLinkParts {
    readonly name: string;
    readonly protocol: string;
    readonly client: Client;
    readonly clock: Clock;
    readonly log: Logger;
    readonly callTimeoutMs: number;
    readonly livenessMs: number;
    /** The devices that this mapper should have now. */
    readonly devices: () => readonly ServedDevice[];
    /** The mapper has been told something; for the store. */
    readonly told: () => void;
    readonly away: (reason: string) => void;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;
const NOT_FOUND = 5;

/**
 * Brings one mapper to the state it should have: models before devices, changes as updates, the rest removed. Told by
 * comparing, not by events, so that whatever failed or was missed is made good.
 */
export class MapperLink {
    readonly name: string;
    readonly protocol: string;
    readonly #parts: MapperLinkParts;
    /** What the mapper was told: `device <id>` or `model <id>` → hash. */
    readonly told: Map<string, string>;
    readonly #stopping = new AbortController();
    #running = false;
    #again = false;
    #awaySaid = false;

    constructor(parts: MapperLinkParts, told: Readonly<Record<string, string>> = {}) {
        this.name = parts.name;
        this.protocol = parts.protocol;
        this.#parts = parts;
        this.told = new Map(Object.entries(told));
    }

    start(): void {
        this.sync();
        void this.#watch();
    }

    stop(): void {
        this.#stopping.abort();
        this.#parts.client.close();
    }

    /** The mapper has just got everything with the answer to its registration. */
    toldAll(): void {
        this.told.clear();
        for (const [key, { hash }] of this.#wanted()) this.told.set(key, hash);
        this.#awaySaid = false;
    }

    /** Tells the mapper what has changed; again and again while it is away. */
    sync(): void {
        this.#again = true;
        if (this.#running) return;
        this.#running = true;
        void this.#run().finally(() => {
            this.#running = false;
        });
    }

    async #run(): Promise<void> {
        const { clock, log } = this.#parts;
        let pauseMs = FIRST_PAUSE_MS;
        while (this.#again && !this.#stopping.signal.aborted) {
            this.#again = false;
            try {
                await this.#step();
                pauseMs = FIRST_PAUSE_MS;
            } catch (thrown) {
                log.warn("A mapper did not take what it was told", { mapper: this.name, reason: errorText(thrown) });
                this.#again = true;
                await sleep(clock, pauseMs, this.#stopping.signal);
                pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
            }
        }
    }

    async #step(): Promise<void> {
        const wanted = this.#wanted();
        for (const [key, { hash, request, insert, update }] of wanted) {
            const before = this.told.get(key);
            if (before === hash) continue;
            await this.#call(before === undefined ? insert : update, request);
            this.told.set(key, hash);
            this.#parts.told();
        }
        for (const key of [...this.told.keys()]) {
            if (wanted.has(key)) continue;
            await this.#remove(key);
            this.told.delete(key);
            this.#parts.told();
        }
    }

    async #remove(key: string): Promise<void> {
        const [kind, id = ""] = key.split(" ");
        const [namespace, name] = id.split("/");
        try {
            if (kind === "device") await this.#call("RemoveDevice", { deviceName: name, deviceNamespace: namespace });
            else await this.#call("RemoveDeviceModel", { modelName: name, modelNamespace: namespace });
        } catch (thrown) {
            if ((thrown as { code?: number }).code !== NOT_FOUND) throw thrown;
        }
    }

    #wanted() {
        const wanted = new Map<string, { hash: string; request: DmiMessage; insert: MapperCall; update: MapperCall }>();
        const devices = this.#parts.devices();
        for (const { modelId, model } of devices) {
            if (modelId === undefined || wanted.has(`model ${modelId}`)) continue;
            const request = { model: toDmiModel(modelId, model) };
            wanted.set(`model ${modelId}`, {
                hash: hashOf(request),
                request,
                insert: "CreateDeviceModel",
                update: "UpdateDeviceModel",
            });
        }
        for (const { instance, device } of devices) {
            const request = { device: toDmiDevice(instance, device) };
            wanted.set(`device ${instance.id}`, {
                hash: hashOf(request),
                request,
                insert: "RegisterDevice",
                update: "UpdateDevice",
            });
        }
        return wanted;
    }

    #call(method: MapperCall, request: DmiMessage): Promise<DmiMessage> {
        return call(this.#parts.client, method, request, Date.now() + this.#parts.callTimeoutMs);
    }

    /** A mapper says nothing when it dies: its socket is tried now and then. */
    async #watch(): Promise<void> {
        const { clock, livenessMs, away } = this.#parts;
        while (!this.#stopping.signal.aborted) {
            const error = await this.#reachable(livenessMs);
            if (this.#stopping.signal.aborted) return;
            if (error === undefined) this.#awaySaid = false;
            else if (!this.#awaySaid) {
                this.#awaySaid = true;
                away(`the mapper ${this.name} does not answer: ${errorText(error)}`);
            }
            await sleep(clock, livenessMs, this.#stopping.signal);
        }
    }

    #reachable(withinMs: number): Promise<Error | undefined> {
        return new Promise((resolve) =>
            this.#parts.client.waitForReady(Date.now() + withinMs, (error) => resolve(error ?? undefined)),
        );
    }
}

function hashOf(request: DmiMessage): string {
    return createHash("sha256").update(JSON.stringify(request)).digest("base64");
}
