// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { asRecord, asText } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { EventRecorder } from "../../kube/client/event-recorder.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { type Condition, conditionsOf, type DeviceFacts, findings, withTimes } from "./conditions.ts";

export interface DeviceMirrorOptions {
    readonly cluster: KubeClient;
    readonly clock: Clock;
    readonly recorder: EventRecorder;
    readonly lastSeenIntervalMs: number;
}

/** State, last seen and conditions in Device.status, where `kubectl get devices` and `describe` show them. */
export class DeviceMirror {
    readonly #options: DeviceMirrorOptions;

    constructor(options: DeviceMirrorOptions) {
        this.#options = options;
    }

    /** True when the Device says something else than what is known. */
    isDue(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts): boolean {
        return this.#patch(device, model, facts) !== undefined;
    }

    async write(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts): Promise<void> {
        const status = this.#patch(device, model, facts);
        if (status === undefined) return;
        const { namespace, name } = device.metadata;
        try {
            await this.#options.cluster.patch({ type: Kinds.device, namespace, name }, { status }, "merge");
        } catch (thrown) {
            if (isNotFound(thrown)) return;
            throw thrown;
        }
        const before = conditionsOf(device);
        for (const condition of status.conditions ?? []) {
            const old = before.find(({ type }) => type === condition.type);
            if (isWorthAnEvent(condition, old)) this.#tell(device, condition);
        }
    }

    #patch(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts) {
        const now = new Date(this.#options.clock.nowMs()).toISOString().replace(/\.\d{3}Z$/, "Z");
        const current = asRecord(device["status"]);
        const conditions = withTimes(findings(device, model, facts), device, now);
        const state = shownState(conditions, facts);
        const stateDiffers = state !== undefined && state !== asText(current["state"]);
        const conditionsDiffer = !isDeepStrictEqual(conditions, conditionsOf(device));
        if (!stateDiffers && !conditionsDiffer && !this.#seenLongAfter(current, facts)) return undefined;
        return {
            ...(state === undefined ? {} : { state }),
            ...(facts.lastOnlineTime === undefined ? {} : { lastOnlineTime: facts.lastOnlineTime }),
            ...(conditionsDiffer ? { conditions } : {}),
        };
    }

    #seenLongAfter(current: Record<string, unknown>, { lastOnlineTime }: DeviceFacts): boolean {
        if (lastOnlineTime === undefined) return false;
        const shownMs = Date.parse(asText(current["lastOnlineTime"]) ?? "");
        return Number.isNaN(shownMs) || Date.parse(lastOnlineTime) - shownMs >= this.#options.lastSeenIntervalMs;
    }

    #tell(device: KubeObject, { status, reason, message }: Condition): void {
        this.#options.recorder.record(device, status === "True" ? "Normal" : "Warning", reason, message);
    }
}

/**
 * What the edge said last is not what is when nothing is heard of the gateway any more, and a device that is said to be well
 * and is silent is not known to be so; one that is said to be away is rightly silent.
 */
function shownState(conditions: readonly Condition[], { state }: DeviceFacts): string | undefined {
    const reporting = conditions.find(({ type }) => type === "Reporting")?.status;
    if (state === undefined || reporting === undefined || reporting === "True") return state;
    const well = ["online", "ok"].includes(state.toLowerCase());
    return reporting === "Unknown" || well ? "unknown" : state;
}

/** Trouble and its end are; that a value is on its way, or that all was well from the start, is not. */
function isWorthAnEvent(condition: Condition, before: Condition | undefined): boolean {
    if (condition.reason === "Pending" || condition.reason === before?.reason) return false;
    if (condition.status !== "True") return true;
    return before !== undefined && before.status !== "True" && before.reason !== "Pending";
}
