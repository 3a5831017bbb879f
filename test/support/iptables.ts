// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";

/**
 * Removes the rules that an engine of a test's own leaves behind when it ends: hundreds of them make every later start of a
 * container slower.
 * @param mentions interface, network or address prefix, of that engine alone; a rule that holds one goes
 */
export function removeRules(...mentions: readonly string[]): void {
    for (const table of ["filter", "nat"]) {
        const listed = spawnSync("iptables", ["-w", "-t", table, "-S"], { encoding: "utf8" }).stdout ?? "";
        const chains = new Set<string>();
        for (const rule of listed.split("\n").filter((line) => line.startsWith("-A "))) {
            if (!mentions.some((mention) => rule.includes(mention))) continue;
            const [, chain = ""] = rule.split(" ");
            if (/^CNI-[0-9a-f]+$/.test(chain)) chains.add(chain);
            const words = rule.match(/"(?:\\.|[^"])*"|\S+/g) ?? [];
            const plain = words.map((word) => word.replace(/^"(.*)"$/, "$1").replace(/\\(.)/g, "$1"));
            spawnSync("iptables", ["-w", "-t", table, "-D", ...plain.slice(1)]);
        }
        for (const chain of chains) spawnSync("iptables", ["-w", "-t", table, "-X", chain]);
    }
}
