// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import { storeContract } from "./contract.ts";

const ports = { clock: systemClock, log: silentLogger };

storeContract("memory", async () => {
    const store = new MemoryStore();
    return { durable: false, open: async () => store, dispose: async () => {} };
});

for (const engine of ["nedb", "sqlite"] as const) {
    storeContract(engine, async () => {
        const folder = await mkdtemp(join(tmpdir(), "redge-store-"));
        return {
            durable: true,
            open: () => openStore({ engine, path: join(folder, "deep/store.db") }, ports),
            dispose: () => rm(folder, { recursive: true }),
        };
    });
}
