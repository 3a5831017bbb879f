// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import type { Logger } from "../../../core/log.ts";
import type { EdgedConfig } from "../config.ts";
import type { Machine } from "../node/machine.ts";
import type { EventRecorder } from "../pods/events.ts";
import { terminationGrace } from "../pods/terminator.ts";
import type { PodWorker } from "../pods/worker.ts";
import { type Pod, podName } from "../podspec/types.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import type { VolumeManager } from "../volumes/volume-manager.ts";
import { admitUnderPressure } from "./admit.ts";
import { exceededLimit, limitsLocalStorage } from "./local-storage.ts";
import { localStorage, podUsage, resourceOf } from "./pod-usage.ts";
import { PressureGauge } from "./pressure.ts";
import { isCritical, rank, requestOf } from "./rank.ts";
import { imageDisk, readingsOf } from "./readings.ts";
import { type PressureType, parseThresholds, pressureOf, type Readings, type Threshold } from "./thresholds.ts";

/** As often as the kubelet looks. */
const LOOK_MS = 10_000;
/** How long one pod's end is waited for before the next may be evicted. */
const CLEANUP_MS = 30_000;
/** What a pod gets at a hard threshold, as from the kubelet. */
const HARD_GRACE_SECONDS = 1;
const ORDER: readonly PressureType[] = ["MemoryPressure", "DiskPressure", "PIDPressure"];

export interface EvictionPorts {
    readonly clock: Clock;
    readonly log: Logger;
    readonly machine: Machine;
    readonly runtimes: readonly PodRuntime[];
    readonly volumes: VolumeManager;
    readonly events: EventRecorder;
    readonly workers: () => readonly PodWorker[];
    /** Frees disk without touching a pod: everything that nothing uses. */
    readonly reclaimDisk: () => Promise<void>;
    /** Another set of pressures than before. */
    readonly changed: () => void;
}

/**
 * Keeps the node alive when memory, disk or process ids run short: says so in its conditions, frees what nobody uses, then
 * ends one pod at a time until the readings are above the thresholds again (the kubelet's eviction manager).
 */
export class EvictionManager {
    readonly thresholds: readonly Threshold[];
    readonly #config: EdgedConfig;
    readonly #ports: EvictionPorts;
    readonly #gauge: PressureGauge;
    #timer: Timer | undefined;
    #looking: Promise<void> | undefined;
    #told = "";
    #stopped = false;

    /** @throws REDGE_CONFIG_INVALID */
    constructor(config: EdgedConfig, ports: EvictionPorts) {
        this.#config = config;
        this.#ports = ports;
        this.thresholds = parseThresholds(config.evictionHard, config.evictionSoft, config.evictionSoftGracePeriod);
        this.#gauge = new PressureGauge(this.thresholds, config.evictionPressureTransitionSeconds * 1000);
    }

    /** What the node's conditions say now. */
    get pressures(): ReadonlySet<PressureType> {
        return this.#gauge.pressures(this.#ports.clock.monotonicMs());
    }

    /** Measures once, so that the first status is right; acts from the next look on. */
    async start(): Promise<void> {
        this.#gauge.observe(await this.#read(), this.#ports.clock.monotonicMs());
        this.#told = [...this.pressures].join();
        this.#next();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        await this.#looking;
    }

    /** Why a new pod is not taken while the node is short of something. */
    admit(pod: Pod): { readonly reason: string; readonly message: string } | undefined {
        return admitUnderPressure(pod, this.pressures);
    }

    /** Looks now instead of at the next turn. */
    look(): Promise<void> {
        this.#timer?.cancel();
        this.#looking ??= this.#look()
            .catch((thrown: unknown) =>
                this.#ports.log.warn("the node's resources could not be judged", { error: thrown }),
            )
            .finally(() => {
                this.#looking = undefined;
                this.#next();
            });
        return this.#looking;
    }

    #next(): void {
        if (!this.#stopped) this.#timer = this.#ports.clock.after(LOOK_MS, () => void this.look());
    }

    async #look(): Promise<void> {
        await this.#keepLimits();
        const due = this.#gauge.observe(await this.#read(), this.#ports.clock.monotonicMs());
        this.#tell();
        const [worst] = inOrder(due);
        if (worst === undefined || this.#stopped) return;
        const { nodeName } = this.#config;
        const resource = resourceOf(worst.signal);
        const about = { kind: "Node" as const, name: nodeName, uid: nodeName };
        this.#ports.events.record(about, "Warning", "EvictionThresholdMet", `Attempting to reclaim ${resource}`);
        if (resource === "ephemeral-storage") {
            await this.#ports.reclaimDisk();
            const readings = await this.#read();
            if (!this.#gauge.observe(readings, this.#ports.clock.monotonicMs()).includes(worst)) return;
        }
        await this.#evictOne(worst, await this.#read());
    }

    #tell(): void {
        const now = [...this.pressures].join();
        if (now === this.#told) return;
        this.#told = now;
        this.#ports.log.warn("the node's pressure has changed", { pressure: now || "none" });
        this.#ports.changed();
    }

    async #read(): Promise<Readings> {
        const { machine, runtimes } = this.#ports;
        const [info, use, images] = await Promise.all([
            machine.info(),
            machine.use(this.#config.rootDir),
            imageDisk(machine, runtimes),
        ]);
        return readingsOf(info, use, images);
    }

    /** Pods that wrote more than they said they would; a limit of their own needs no pressure. */
    async #keepLimits(): Promise<void> {
        for (const worker of this.#active().filter(({ pod }) => limitsLocalStorage(pod) && !isCritical(pod))) {
            const message = exceededLimit(worker.pod, await localStorage(worker, this.#ports.volumes));
            if (message !== undefined) await this.#evict(worker, message, HARD_GRACE_SECONDS);
        }
    }

    async #evictOne(threshold: Threshold, readings: Readings): Promise<void> {
        const resource = resourceOf(threshold.signal);
        const candidates = await Promise.all(
            this.#active().map(async (owner) => ({
                owner,
                pod: owner.pod,
                used: await podUsage(owner, resource, this.#ports.volumes),
            })),
        );
        const [first] = rank(candidates, resource);
        if (first === undefined) {
            this.#ports.log.error("the node is short and no pod may be evicted", { signal: threshold.signal });
            return;
        }
        const reading = readings[threshold.signal];
        const needs = threshold.least(reading?.capacity ?? 0);
        const message =
            `The node was low on resource: ${resource}. Threshold quantity: ${Math.ceil(needs)} (${threshold.text}), ` +
            `available: ${reading?.available ?? "?"}. The pod was using ${first.used}, request is ${requestOf(first.pod, resource)}.`;
        const own = terminationGrace(first.pod);
        const soft = Math.min(own, this.#config.evictionMaxPodGracePeriodSeconds);
        await this.#evict(first.owner, message, threshold.graceMs === 0 ? HARD_GRACE_SECONDS : soft);
    }

    async #evict(worker: PodWorker, message: string, graceSeconds: number): Promise<void> {
        this.#ports.log.warn("evicting a pod", { pod: podName(worker.pod), message });
        const waited = new Promise<void>((resolve) => this.#ports.clock.after(CLEANUP_MS, resolve));
        await Promise.race([worker.evict({ reason: "Evicted", message }, graceSeconds), waited]);
    }

    /** Pods that hold something here. */
    #active(): readonly PodWorker[] {
        return this.#ports
            .workers()
            .filter(
                ({ pod, record }) =>
                    record !== undefined &&
                    pod.metadata.deletionTimestamp === undefined &&
                    !["Succeeded", "Failed"].includes(pod.status?.phase ?? ""),
            );
    }
}

/** Memory first, as the kubelet; then disk, then process ids. */
function inOrder(due: readonly Threshold[]): readonly Threshold[] {
    const place = ({ signal }: Threshold): number => ORDER.indexOf(pressureOf(signal));
    return [...due].sort((a, b) => place(a) - place(b) || a.graceMs - b.graceMs);
}
