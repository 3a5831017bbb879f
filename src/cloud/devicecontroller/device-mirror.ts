// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { asRecord, asText } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { type Condition, conditionsOf, type DeviceFacts, findings, withTimes } from "./conditions.ts";
import { recordEvent } from "./record-event.ts";

export interface DeviceMirrorOptions {
    readonly cluster: KubeClient;
    readonly clock: Clock;
    readonly lastSeenIntervalMs: number;
}

export interface Liveness {
    readonly state: string | undefined;
    readonly lastOnlineTime: string | undefined;
}

/** State, last seen and conditions in Device.status, where `kubectl get devices` and `describe` show them. */
export class DeviceMirror {
    readonly #options: DeviceMirrorOptions;

    constructor(options: DeviceMirrorOptions) {
        this.#options = options;
    }

    /** True when the Device says something else than what is known. */
    isDue(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts, liveness: Liveness): boolean {
        return this.#patch(device, model, facts, liveness) !== undefined;
    }

    async write(
        device: KubeObject,
        model: KubeObject | undefined,
        facts: DeviceFacts,
        liveness: Liveness,
    ): Promise<void> {
        const status = this.#patch(device, model, facts, liveness);
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
            if (isWorthAnEvent(condition, old)) await this.#tell(device, condition);
        }
    }

    #patch(device: KubeObject, model: KubeObject | undefined, facts: DeviceFacts, liveness: Liveness) {
        const now = new Date(this.#options.clock.nowMs()).toISOString().replace(/\.\d{3}Z$/, "Z");
        const current = asRecord(device["status"]);
        const conditions = withTimes(findings(device, model, facts), device, now);
        const stateDiffers = liveness.state !== undefined && liveness.state !== asText(current["state"]);
        const conditionsDiffer = !isDeepStrictEqual(conditions, conditionsOf(device));
        if (!stateDiffers && !conditionsDiffer && !this.#seenLongAfter(current, liveness)) return undefined;
        return {
            ...(liveness.state === undefined ? {} : { state: liveness.state }),
            ...(liveness.lastOnlineTime === undefined ? {} : { lastOnlineTime: liveness.lastOnlineTime }),
            ...(conditionsDiffer ? { conditions } : {}),
        };
    }

    #seenLongAfter(current: Record<string, unknown>, { lastOnlineTime }: Liveness): boolean {
        if (lastOnlineTime === undefined) return false;
        const shownMs = Date.parse(asText(current["lastOnlineTime"]) ?? "");
        return Number.isNaN(shownMs) || Date.parse(lastOnlineTime) - shownMs >= this.#options.lastSeenIntervalMs;
    }

    async #tell(device: KubeObject, condition: Condition): Promise<void> {
        await recordEvent(this.#options.cluster, this.#options.clock, device, {
            type: condition.status === "False" ? "Warning" : "Normal",
            reason: condition.reason,
            message: condition.message,
        });
    }
}

/** Trouble and its end are; that a value is on its way, or that all was well from the start, is not. */
function isWorthAnEvent(condition: Condition, before: Condition | undefined): boolean {
    if (condition.reason === "Pending" || condition.reason === before?.reason) return false;
    if (condition.status === "False") return true;
    return before?.status === "False" && before.reason !== "Pending";
}
