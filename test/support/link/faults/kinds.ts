// SPDX-License-Identifier: Apache-2.0
import type { Relay } from "../relay.ts";
import type { Ends } from "./ends-under-fault.ts";
import type { Meddler } from "./meddler.ts";
import type { World } from "./world.ts";

export interface Scene {
    readonly ends: Ends;
    readonly relay: Relay;
    readonly meddler: Meddler;
    readonly world: World;
    readonly random: () => number;
}

interface Fault {
    /** How often, relative to the others. */
    readonly weight: number;
    run(scene: Scene): Promise<void>;
}

const HOUR_MS = 3_600_000;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const faults: Readonly<Record<string, Fault>> = {
    cut: { weight: 6, run: async ({ relay }) => relay.cut() },
    "cut mid-frame": { weight: 6, run: async ({ relay, random }) => relay.cutAfter(1 + Math.floor(random() * 4_000)) },
    "no route": {
        weight: 3,
        run: async ({ relay, random }) => {
            await relay.stop();
            await wait(100 + random() * 1_500);
            await relay.start();
        },
    },
    /** Long enough that the outbox overflows and drops by policy. */
    "long outage": {
        weight: 0.3,
        run: async ({ relay }) => {
            await relay.stop();
            await wait(8_000);
            await relay.start();
        },
    },
    "silent stall": { weight: 1, run: async ({ relay }) => relay.stall() },
    "duplicated delivery": {
        weight: 2,
        run: async ({ meddler, random }) => {
            meddler.duplicating = true;
            await wait(200 + random() * 1_500);
            meddler.duplicating = false;
        },
    },
    "reordered delivery": {
        weight: 2,
        run: async ({ meddler, random }) => {
            meddler.reordering = true;
            await wait(200 + random() * 1_500);
            meddler.reordering = false;
        },
    },
    /** Both while something else goes wrong. */
    "meddled with, then cut": {
        weight: 1,
        run: async ({ meddler, relay, random }) => {
            meddler.duplicating = true;
            meddler.reordering = true;
            await wait(200 + random() * 800);
            relay.cutAfter(1 + Math.floor(random() * 4_000));
            await wait(200 + random() * 800);
            meddler.duplicating = false;
            meddler.reordering = false;
        },
    },
    "kill -9 cloud": { weight: 2, run: ({ ends }) => ends.killCloud() },
    "kill -9 edge": { weight: 2, run: ({ ends }) => ends.killEdge() },
    "API down": {
        weight: 2,
        run: async ({ world, random }) => {
            world.cluster.down = true;
            await wait(100 + random() * 1_500);
            world.cluster.down = false;
        },
    },
    "disk full": {
        weight: 2,
        run: async ({ ends, random }) => {
            ends.tellEdge({ diskFull: true });
            await wait(100 + random() * 1_000);
            ends.tellEdge({ diskFull: false });
        },
    },
    "clock jump": {
        weight: 2,
        run: async ({ ends, random }) => {
            const jumpMs = random() < 0.5 ? HOUR_MS : -HOUR_MS;
            if (random() < 0.5) ends.tellEdge({ jumpMs });
            else ends.tellCloud({ jumpMs });
        },
    },
};
