// SPDX-License-Identifier: Apache-2.0
import type { Condition } from "../../objects/pod.ts";
import { metaTime } from "./time.ts";

type Wanted = Pick<Condition, "type" | "status" | "reason" | "message">;

/** The conditions with one set; its transition time changes only when its status does. */
export function setCondition(known: readonly Condition[], nowMs: number, wanted: Wanted): Condition[] {
    const current = known.find(({ type }) => type === wanted.type);
    if (current !== undefined && current.status === wanted.status && current.reason === wanted.reason) {
        if (current.message === wanted.message) return [...known];
    }
    const now = metaTime(nowMs);
    const lastTransitionTime = current?.status === wanted.status ? (current.lastTransitionTime ?? now) : now;
    return [...known.filter((condition) => condition !== current), { ...wanted, lastTransitionTime }];
}
