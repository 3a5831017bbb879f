// SPDX-License-Identifier: Apache-2.0
import type { IntOrPercent } from "../../objects/workloads.ts";

/** The number that "25%" (of `total`), 3 or "3" stands for. */
export function scaled(
    value: IntOrPercent | undefined,
    fallback: IntOrPercent,
    total: number,
    round: "up" | "down",
): number {
    const text = String(value ?? fallback);
    if (!text.endsWith("%")) return Number(text) || 0;
    const exact = ((Number(text.slice(0, -1)) || 0) * total) / 100;
    return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}
