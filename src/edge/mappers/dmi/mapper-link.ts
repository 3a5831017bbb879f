// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { Client } from "@grpc/grpc-js";
import { type Clock, sleep } from "../../../core/clock.ts";
import { errorText } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { type DmiMessage, toDmiDevice, toDmiModel } from "./convert.ts";
import type { ServedDevice } from "./dmi-server.ts";
import { call, hasAnswered, probe } from "./grpc.ts";
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

/** One thing that a mapper should know. */
interface Wanted {
    readonly key: string;
    readonly hash: string;
    readonly request: () => DmiMessage;
    /** What it must know before: a device's model. */
    readonly after?: string;
    readonly insert: MapperCall;
    readonly update: MapperCall;
}

/** What a mapper has refused, in which version, and from when on it is told again (by the monotonic clock). */
interface Refusal {
    readonly hash: string;
    readonly pauseMs: number;
    readonly againMs: number;
}

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
    readonly #refused = new Map<string, Refusal>();
    readonly #stopping = new AbortController();
    /** Since it was stored. */
    #changed = false;
    #running = false;
    #again = false;
    #wake = new AbortController();
    #away = false;

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
        this.#wake.abort();
        this.#parts.client.close();
    }

    /** The mapper has just got these devices with the answer to its registration. */
    toldWith(devices: readonly ServedDevice[]): void {
        this.told.clear();
        this.#refused.clear();
        for (const { key, hash } of wantedOf(devices)) this.told.set(key, hash);
        this.#away = false;
    }

    /** Tells the mapper what has changed; again and again while it is away. */
    sync(): void {
        this.#again = true;
        this.#wake.abort();
        if (this.#running) return;
        this.#running = true;
        void this.#run().finally(() => {
            this.#running = false;
        });
    }

    async #run(): Promise<void> {
        const { clock, log } = this.#parts;
        let awayPauseMs = 0;
        while (this.#again && !this.#stopping.signal.aborted) {
            this.#again = false;
            this.#wake = new AbortController();
            let pauseMs: number | undefined;
            try {
                pauseMs = await this.#step();
                awayPauseMs = 0;
            } catch (thrown) {
                if (awayPauseMs === 0 && !this.#stopping.signal.aborted)
                    log.warn("A mapper cannot be told", { mapper: this.name, reason: errorText(thrown) });
                awayPauseMs = Math.min(awayPauseMs * 2 || FIRST_PAUSE_MS, LAST_PAUSE_MS);
                pauseMs = awayPauseMs;
            }
            if (pauseMs === undefined) continue;
            // What comes meanwhile is told at once: a device that the mapper refuses holds up no other.
            if (!this.#stopping.signal.aborted) await sleep(clock, pauseMs, this.#wake.signal);
            this.#again = true;
        }
    }

    /** @returns after how long what was refused is to be told again. @throws what it said last when the mapper does not answer */
    async #step(): Promise<number | undefined> {
        const wanted = wantedOf(this.#parts.devices());
        try {
            for (const one of wanted) {
                if (this.#stopping.signal.aborted) return undefined;
                if (this.told.get(one.key) !== one.hash && this.#isDue(one)) await this.#tell(one);
            }
            const keys = new Set(wanted.map(({ key }) => key));
            for (const key of this.#refused.keys()) if (!keys.has(key)) this.#refused.delete(key);
            for (const key of [...this.told.keys()]) if (!keys.has(key)) await this.#remove(key);
        } finally {
            if (this.#changed) this.#parts.told();
            this.#changed = false;
        }
        const next = Math.min(...[...this.#refused.values()].map(({ againMs }) => againMs));
        return Number.isFinite(next) ? Math.max(0, next - this.#parts.clock.monotonicMs()) : undefined;
    }

    #isDue({ key, hash, after }: Wanted): boolean {
        if (after !== undefined && !this.told.has(after)) return false;
        const refusal = this.#refused.get(key);
        return refusal?.hash !== hash || refusal.againMs <= this.#parts.clock.monotonicMs();
    }

    async #tell({ key, hash, request, insert, update }: Wanted): Promise<void> {
        const method = this.told.has(key) ? update : insert;
        try {
            await this.#call(method, request());
        } catch (thrown) {
            if (!hasAnswered(thrown)) throw thrown;
            const last = this.#refused.get(key);
            const pauseMs = last?.hash === hash ? Math.min(last.pauseMs * 2, LAST_PAUSE_MS) : FIRST_PAUSE_MS;
            this.#refused.set(key, { hash, pauseMs, againMs: this.#parts.clock.monotonicMs() + pauseMs });
            if (last?.hash !== hash) this.#sayRefused(method, key, thrown);
            return;
        }
        this.#refused.delete(key);
        this.told.set(key, hash);
        this.#changed = true;
    }

    /** What a mapper has to say to a removal changes nothing: KubeEdge's framework calls a device that it does not have an error. */
    async #remove(key: string): Promise<void> {
        const [kind, id = ""] = key.split(" ");
        const [namespace, name] = id.split("/");
        const method = kind === "device" ? "RemoveDevice" : "RemoveDeviceModel";
        const [nameKey, namespaceKey] = kind === "device" ? DEVICE_KEYS : MODEL_KEYS;
        try {
            await this.#call(method, { [nameKey]: name, [namespaceKey]: namespace });
        } catch (thrown) {
            if (!hasAnswered(thrown)) throw thrown;
            this.#sayRefused(method, key, thrown);
        }
        this.told.delete(key);
        this.#changed = true;
    }

    #sayRefused(method: MapperCall, key: string, thrown: unknown): void {
        const { log } = this.#parts;
        log.warn("A mapper refuses what it is told", { mapper: this.name, method, of: key, reason: errorText(thrown) });
    }

    #call(method: MapperCall, request: DmiMessage): Promise<DmiMessage> {
        return call(this.#parts.client, method, request, Date.now() + this.#parts.callTimeoutMs);
    }

    /**
     * A mapper says nothing when it dies or hangs: it is asked something harmless now and then. It has as long to open its socket
     * (KubeEdge's framework registers first) as there is between two questions.
     */
    async #watch(): Promise<void> {
        const { client, clock, livenessMs, callTimeoutMs, away } = this.#parts;
        while (!this.#stopping.signal.aborted) {
            const error = await probe(client, livenessMs, callTimeoutMs);
            if (this.#stopping.signal.aborted) return;
            if (error === undefined && this.#away) this.sync();
            else if (error !== undefined && !this.#away) away(`the mapper ${this.name} does not answer: ${error}`);
            this.#away = error !== undefined;
            await sleep(clock, livenessMs, this.#stopping.signal);
        }
    }
}

const DEVICE_KEYS = ["deviceName", "deviceNamespace"] as const;
const MODEL_KEYS = ["modelName", "modelNamespace"] as const;

/** Models before devices. */
function wantedOf(devices: readonly ServedDevice[]): readonly Wanted[] {
    const models = new Map<string, ServedDevice>();
    for (const served of devices) if (served.modelId !== undefined) models.set(served.modelId, served);
    return [...[...models.values()].map(wantedModel), ...devices.map(wantedDevice)];
}

/** A device that arrives changes nothing of the thousand before it: of each the hash is made once. */
const hashes = new WeakMap<ServedDevice, string>();

function wantedDevice(served: ServedDevice): Wanted {
    const { instance, device, modelId } = served;
    const request = (): DmiMessage => ({ device: toDmiDevice(instance, device) });
    const hash = hashes.get(served) ?? hashOfDevice(served, request());
    const after = modelId === undefined ? {} : { after: `model ${modelId}` };
    return { key: `device ${instance.id}`, hash, request, insert: "RegisterDevice", update: "UpdateDevice", ...after };
}

/** `request` is the device as it is told. */
export function hashOfDevice(served: ServedDevice, request: DmiMessage): string {
    const hash = hashOf(request);
    hashes.set(served, hash);
    return hash;
}

function wantedModel({ modelId = "", model }: ServedDevice): Wanted {
    const request = (): DmiMessage => ({ model: toDmiModel(modelId, model) });
    const hash = hashOf(request());
    return { key: `model ${modelId}`, hash, request, insert: "CreateDeviceModel", update: "UpdateDeviceModel" };
}

function hashOf(request: DmiMessage): string {
    return createHash("sha256").update(JSON.stringify(request)).digest("base64");
}
