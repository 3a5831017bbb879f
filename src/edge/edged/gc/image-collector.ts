// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import type { DocumentStore } from "../../../store/store.ts";
import type { EdgedConfig } from "../config.ts";
import type { Machine } from "../node/machine.ts";
import type { EventRecorder } from "../pods/events.ts";
import type { ImageRecord, PodRuntime } from "../runtimes/runtime.ts";

/** As often as the kubelet. */
const LOOK_MS = 5 * 60_000;
const KEY = "edged/images/";
/** An image in a pod's hands that has no container yet. */
const IN_HAND_MS = 30_000;

export interface ImageCollectorPorts {
    readonly clock: Clock;
    readonly log: Logger;
    readonly store: DocumentStore;
    readonly machine: Machine;
    readonly runtimes: readonly PodRuntime[];
    readonly events: EventRecorder;
}

/**
 * Removes images that no container uses any more when their disk fills up, those unused for longest first. Only images that
 * pods of this gateway brought are collected: what the engine's owner put there for other things is not Edged's to remove.
 */
export class ImageCollector {
    readonly #config: EdgedConfig;
    readonly #ports: ImageCollectorPorts;
    /** When each of our images was last seen in use, by the collector's monotonic clock. */
    readonly #lastUsedMs = new Map<string, number>();
    #timer: Timer | undefined;
    #running: Promise<void> | undefined;
    #stopped = false;

    constructor(config: EdgedConfig, ports: ImageCollectorPorts) {
        this.#config = config;
        this.#ports = ports;
    }

    async start(): Promise<void> {
        const nowMs = this.#ports.clock.monotonicMs();
        for (const { key } of await this.#ports.store.scan(KEY)) this.#lastUsedMs.set(key.slice(KEY.length), nowMs);
        this.#next();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        await this.#running;
    }

    /** A pod is about to use the image: from now on it is ours to remove one day. */
    used(imageId: string): void {
        const { clock, store, log } = this.#ports;
        const known = this.#lastUsedMs.has(imageId);
        this.#lastUsedMs.set(imageId, clock.monotonicMs());
        if (known) return;
        // No start waits for it: an image that could not be noted is merely kept for longer.
        store.write([{ op: "put", key: KEY + imageId, value: {} }]).catch((thrown: unknown) => {
            log.warn("an image could not be noted as used", { imageId, error: thrown });
        });
    }

    /** Collects down to the low threshold if the high one is passed. */
    collect(): Promise<void> {
        return this.#once(() => this.#collectAll(false));
    }

    /** The node is short of disk: every unused image goes, whatever the configured age. */
    reclaim(): Promise<void> {
        return this.#once(() => this.#collectAll(true));
    }

    #next(): void {
        if (this.#stopped) return;
        this.#timer?.cancel();
        this.#timer = this.#ports.clock.after(LOOK_MS, () => void this.collect());
    }

    async #once(work: () => Promise<void>): Promise<void> {
        await this.#running;
        this.#running = work()
            .catch((thrown: unknown) => {
                this.#ports.log.warn("images could not be collected", { error: thrown });
                this.#tell("ImageGCFailed", errorText(thrown));
            })
            .finally(() => {
                this.#running = undefined;
                this.#next();
            });
        await this.#running;
    }

    async #collectAll(everything: boolean): Promise<void> {
        for (const runtime of this.#ports.runtimes) {
            const dir = await runtime.imageDir();
            if (dir === undefined) continue;
            const unused = await this.#unused(runtime);
            const wantedBytes = everything ? Number.POSITIVE_INFINITY : await this.#excessBytes(dir);
            if (wantedBytes <= 0) continue;
            const freedBytes = await this.#remove(runtime, unused, wantedBytes, everything);
            if (everything || freedBytes >= wantedBytes) continue;
            const message = `Failed to garbage collect required amount of images. Attempted to free ${wantedBytes} bytes, but only found ${freedBytes} bytes eligible to free.`;
            this.#tell("FreeDiskSpaceFailed", message);
        }
    }

    /** Bytes to free so that the disk is down at the low threshold; 0 while it is below the high one. */
    async #excessBytes(dir: string): Promise<number> {
        const disk = await this.#ports.machine.disk(dir);
        if (disk === undefined) return 0;
        const { imageGCHighThresholdPercent: high, imageGCLowThresholdPercent: low } = this.#config;
        const usedPercent = 100 - (disk.freeBytes * 100) / disk.totalBytes;
        if (usedPercent < high) return 0;
        return Math.ceil((disk.totalBytes * (100 - low)) / 100 - disk.freeBytes);
    }

    /** Our images that nothing uses, those unused for longest first; forgets those that are gone. */
    async #unused(runtime: PodRuntime): Promise<readonly ImageRecord[]> {
        const nowMs = this.#ports.clock.monotonicMs();
        const ours = (await runtime.images()).filter(({ id }) => this.#lastUsedMs.has(id));
        for (const { id, inUse } of ours) if (inUse) this.#lastUsedMs.set(id, nowMs);
        return ours.filter(({ inUse }) => !inUse).sort((a, b) => this.#usedMs(a) - this.#usedMs(b));
    }

    async #remove(
        runtime: PodRuntime,
        images: readonly ImageRecord[],
        wantedBytes: number,
        everything: boolean,
    ): Promise<number> {
        const { clock, log, store } = this.#ports;
        const minAgeMs = everything ? IN_HAND_MS : this.#config.imageMinimumGCAgeSeconds * 1000;
        let freedBytes = 0;
        for (const image of images) {
            if (freedBytes >= wantedBytes || this.#stopped) break;
            if (clock.monotonicMs() - this.#usedMs(image) < minAgeMs) continue;
            try {
                await runtime.removeImage(image.id);
            } catch (thrown) {
                // A container has come in between, or the engine has reasons of its own.
                if (!isRedgeError(thrown, "REDGE_RUNTIME_FAILED")) throw thrown;
                log.warn("an unused image stays", { image: image.names[0] ?? image.id, error: thrown });
                continue;
            }
            log.info("removed an unused image", { image: image.names[0] ?? image.id, bytes: image.sizeBytes });
            freedBytes += image.sizeBytes;
            this.#lastUsedMs.delete(image.id);
            await store.write([{ op: "delete", key: KEY + image.id }]);
        }
        return freedBytes;
    }

    #usedMs({ id }: ImageRecord): number {
        return this.#lastUsedMs.get(id) ?? 0;
    }

    #tell(reason: string, message: string): void {
        const { nodeName } = this.#config;
        this.#ports.events.record({ kind: "Node", name: nodeName, uid: nodeName }, "Warning", reason, message);
    }
}
