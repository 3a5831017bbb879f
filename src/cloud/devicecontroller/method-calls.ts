// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { EventRecorder } from "../../kube/client/event-recorder.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import type { CallResult } from "../../kube/devices/method-call.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { CoalescingWriter } from "../shared/coalescing-writer.ts";
import { isNewer } from "../shared/versions.ts";
import { type CallPlan, type CallStatus, planCalls } from "./call-plan.ts";
import { type DeviceKey, keyOf } from "./device.ts";

export interface MethodCallsOptions {
    readonly cluster: KubeClient;
    readonly clock: Clock;
    readonly recorder: EventRecorder;
    readonly device: (key: DeviceKey) => KubeObject | undefined;
    readonly onFailure: (key: DeviceKey, thrown: unknown) => void;
}

const PARALLEL = 2;
/** Results that wait for their patch; an edge reports them again. */
const MOST_RESULTS = 100;

/** Follows calls of device methods in Device.status.methodCalls, from the annotation that asks to its result. */
export class MethodCalls {
    readonly #options: MethodCallsOptions;
    readonly #results = new Map<DeviceKey, Map<string, CallResult>>();
    readonly #deadlines = new Map<DeviceKey, number>();
    /** Devices as they were written, until the watch tells of it: what was ended is not ended again. */
    readonly #written = new Map<DeviceKey, KubeObject>();
    readonly #writer: CoalescingWriter;
    #timer: { readonly atMs: number; readonly timer: Timer } | undefined;

    constructor(options: MethodCallsOptions) {
        this.#options = options;
        this.#writer = new CoalescingWriter({
            clock: options.clock,
            intervalMs: 0,
            parallel: PARALLEL,
            write: (key) => this.#write(key),
            onFailure: options.onFailure,
        });
    }

    stop(): void {
        this.#timer?.timer.cancel();
        this.#timer = undefined;
        this.#writer.stop();
    }

    /** The edge has ended these calls. */
    ended(device: KubeObject, results: readonly CallResult[]): void {
        const key = keyOf(device);
        const waiting = this.#results.get(key) ?? new Map<string, CallResult>();
        for (const result of results.slice(-MOST_RESULTS)) waiting.set(result.id, result);
        if (waiting.size > 0) this.#results.set(key, waiting);
        this.check(device);
    }

    /** The Device is new or has changed. */
    check(device: KubeObject): void {
        const key = keyOf(device);
        const plan = this.#plan(key, device);
        if (plan.nextMs === undefined) this.#deadlines.delete(key);
        else this.#deadlines.set(key, plan.nextMs);
        this.#arm();
        if (plan.due) this.#writer.mark(key);
        else this.#results.delete(key);
    }

    forget(key: DeviceKey): void {
        this.#results.delete(key);
        this.#deadlines.delete(key);
        this.#written.delete(key);
        this.#writer.forget(key);
    }

    #plan(key: DeviceKey, device: KubeObject): CallPlan {
        const written = this.#written.get(key);
        const ahead = isNewer(written?.metadata.resourceVersion, device.metadata.resourceVersion);
        if (!ahead) this.#written.delete(key);
        const newest = ahead && written !== undefined ? written : device;
        return planCalls(newest, this.#results.get(key) ?? new Map(), this.#options.clock.nowMs());
    }

    async #write(key: DeviceKey): Promise<void> {
        const device = this.#options.device(key);
        if (device === undefined) return;
        const { methodCalls, drop, ended, due } = this.#plan(key, device);
        if (!due) return;
        const { namespace, name } = device.metadata;
        const annotations = Object.fromEntries(drop.map((annotation) => [annotation, null]));
        const patch = { metadata: { annotations }, status: { methodCalls } };
        try {
            const ref = { type: Kinds.device, namespace, name };
            this.#written.set(key, await this.#options.cluster.patch(ref, patch, "merge"));
        } catch (thrown) {
            if (isNotFound(thrown)) return;
            throw thrown;
        }
        for (const call of ended) this.#tell(device, call);
    }

    #tell(device: KubeObject, { id, method, state, reason }: CallStatus): void {
        const said = reason === undefined ? "" : `: ${reason}`;
        const level = state === "Succeeded" ? "Normal" : "Warning";
        this.#options.recorder.record(device, level, `Method${state}`, `${method} (call ${id})${said}`);
    }

    #arm(): void {
        const [atMs] = [...this.#deadlines.values()].sort((a, b) => a - b);
        if (atMs === undefined || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
        this.#timer?.timer.cancel();
        const { clock } = this.#options;
        const timer = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
            this.#timer = undefined;
            for (const key of [...this.#deadlines.keys()]) {
                const device = this.#options.device(key);
                if (device === undefined) this.#deadlines.delete(key);
                else this.check(device);
            }
            this.#arm();
        });
        this.#timer = { atMs, timer };
    }
}
