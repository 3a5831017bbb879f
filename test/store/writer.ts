// SPDX-License-Identifier: Apache-2.0
// A process that writes to a store without end and tells each acknowledged write on stdout: `<lane> <number>`.
import { writeSync } from "node:fs";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openStore, type StoreConfig } from "../../src/store/open-store.ts";

const LANES = 8;

async function main(engine: string, path: string): Promise<void> {
    const store = await openStore(
        { engine: engine as StoreConfig["engine"], path },
        { clock: systemClock, log: silentLogger },
    );
    const lane = async (name: string): Promise<never> => {
        let number = (await store.get<{ number: number }>(`lane/${name}`))?.number ?? 0;
        for (;;) {
            number += 1;
            const size = number % 97 === 0 ? 100_000 : 300; // Now and then one that takes several pages.
            const value = { number, pad: name.repeat(size) };
            await store.write([
                { op: "put", key: `lane/${name}`, value },
                { op: "delete", key: `copy/${name}/${(number + 1) % 2}` },
                { op: "put", key: `copy/${name}/${number % 2}`, value: number },
            ]);
            writeSync(1, `${name} ${number}\n`);
        }
    };
    await Promise.all(Array.from({ length: LANES }, (_, at) => lane(String(at))));
}

const [engine = "", path = ""] = process.argv.slice(2);
main(engine, path).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
});
