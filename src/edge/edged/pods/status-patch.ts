// SPDX-License-Identifier: Apache-2.0
import type { Condition, PodStatus } from "../podspec/types.ts";

/** Of what others wrote into a status before: the reason of a phase goes with the phase. */
const WHY = ["reason", "message"];

/**
 * The strategic merge patch that turns what the API has of a status into `wanted`: what is gone has to be named, or the
 * merge keeps it. `confirmed`: the status that the cloud took last; `found`: the one that the API had before.
 */
export function statusPatch(
    wanted: PodStatus,
    confirmed: Partial<PodStatus>,
    found: PodStatus | undefined,
): Record<string, unknown> {
    const known = [...Object.keys(confirmed), ...WHY.filter((key) => key in (found ?? {}))];
    const dropped = known.filter((key) => !(key in wanted));
    const before = [...(found?.conditions ?? []), ...(confirmed.conditions ?? [])];
    return {
        ...Object.fromEntries(dropped.map((key) => [key, null])),
        ...wanted,
        ...(wanted.conditions === undefined
            ? {}
            : { conditions: wanted.conditions.map((condition) => conditionPatch(condition, before)) }),
        ...ipLists(wanted, confirmed, found),
    };
}

/** Conditions merge by type: a reason and a message that no longer hold are taken out, or a True one keeps why it was False. */
function conditionPatch(condition: Condition, before: readonly Condition[]): Record<string, unknown> {
    const known = before.filter(({ type }) => type === condition.type).flatMap((one) => Object.keys(one));
    const gone = [...new Set(known)].filter((key) => !(key in condition));
    return { ...Object.fromEntries(gone.map((key) => [key, null])), ...condition };
}

/**
 * podIPs and hostIPs merge by address: an address that is gone has to be taken out by name. (`$patch: replace`
 * would do, but API servers take it for an element where they make the list anew.)
 */
function ipLists(
    wanted: PodStatus,
    confirmed: Partial<PodStatus>,
    found: PodStatus | undefined,
): Record<string, unknown> {
    const lists: Record<string, unknown> = {};
    for (const key of ["podIPs", "hostIPs"] as const) {
        const now = wanted[key];
        if (now === undefined) continue;
        const before = [...(found?.[key] ?? []), ...(confirmed[key] ?? [])];
        const gone = new Set(before.map(({ ip }) => ip).filter((ip) => !now.some((one) => one.ip === ip)));
        lists[key] = [...now, ...[...gone].map((ip) => ({ $patch: "delete", ip }))];
    }
    return lists;
}
