// SPDX-License-Identifier: Apache-2.0
import { comeback, idle, names, outage, register } from "./connections.ts";
import { verdicts } from "./stats.ts";
import { stock } from "./stock.ts";
import { devices, reports, updates } from "./traffic.ts";
import { load } from "./transport.ts";

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
    // First: the other scenarios leave the load's own process a heap that slows it down.
    register: () => register(2_000),
    idle: async () => {
        await idle(1_000, true);
        await idle(5_000, true);
        await idle(5_000, false);
    },
    comeback: () => comeback(5_000),
    updates: async () => {
        await updates(1, 1_000, "embedded");
        await updates(1, 1_000, "memory");
        await updates(100, 20, "memory");
        await updates(1_000, 3, "memory");
    },
    devices: () => devices(1_000, "embedded"),
    reports: async () => {
        await reports("embedded");
        await reports("memory");
    },
    outage,
    names: () => names(20_000),
};

/**
 * `--cloudcore PATH`: the load on that stock CloudCore instead, its figures alone. Runs the scenarios named, or all; with `--quic` over QUIC, which stock edges do not speak: all are Redge's then. */
export async function bench(words: readonly string[]): Promise<void> {
    const at = words.indexOf("--cloudcore");
    if (at >= 0) {
        const binary = words[at + 1];
        if (binary === undefined) throw new Error("--cloudcore wants the path of a CloudCore binary");
        return await stock(binary, Number(words[at + 2] ?? 200), 1_000);
    }
    const chosen = words.filter((word) => word !== "--quic");
    if (chosen.length < words.length) load.transport = "quic";
    // The network that is cut there carries TCP.
    const all = Object.keys(scenarios).filter((name) => load.transport === "websocket" || name !== "outage");
    const run = chosen.length === 0 ? all : chosen;
    for (const name of run) {
        const scenario = scenarios[name];
        if (scenario === undefined)
            throw new Error(`no scenario "${name}"; there are ${Object.keys(scenarios).join(", ")}`);
        await scenario();
    }
    verdicts();
}
