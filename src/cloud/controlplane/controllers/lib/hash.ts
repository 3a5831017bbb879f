// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { PodTemplate } from "../../objects/pod.ts";

export const POD_TEMPLATE_HASH = "pod-template-hash";
export const CONTROLLER_REVISION_HASH = "controller-revision-hash";

// Letters and digits that cannot spell words, as Kubernetes uses for generated name parts.
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A short name part that stands for a value: equal values give equal parts, whatever the order of their keys. */
export function hashOf(value: unknown, collisionCount = 0): string {
    const text = canonical(value) + (collisionCount === 0 ? "" : String(collisionCount));
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    return [...String(hash)].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}

/** True when two pod templates are the same but for the hash labels that controllers add. */
export function sameTemplate(one: PodTemplate, other: PodTemplate): boolean {
    return isDeepStrictEqual(bare(one), bare(other));
}

function bare(template: PodTemplate): unknown {
    const { [POD_TEMPLATE_HASH]: _, ...labels } = template.metadata?.labels ?? {};
    const annotations = template.metadata?.annotations ?? {};
    return { spec: template.spec, labels, annotations: { ...annotations } };
}

function canonical(value: unknown): string {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    entries.sort(([one], [other]) => (one < other ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(",")}}`;
}
