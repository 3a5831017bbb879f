import { defineConfig } from "vitest/config";

const exclude = ["**/node_modules/**", "dist/**"];

const long = "test/**/*.long.test.ts";

/**
 * Four projects, by what a test needs:
 *  fast      *.test.ts        no sockets beyond loopback, no engines; seconds
 *  real      *.real.test.ts   real parts (engines, brokers, API servers); skipped by name and reason where one is missing
 *  e2e       test/e2e, test/editor, test/faults: the built product as its users start it
 *  long      *.long.test.ts   a minute and more each: images, installations, forms, outages, kills, faults, fuzz; run by
 *                             'npm run test:long'
 * Most of them wait for other processes rather than compute, so there are more workers than the two cores they are made for;
 * whole sites come after the rest, two at a time.
 */
export default defineConfig({
    test: {
        reporters: ["default", "./test/support/summary-reporter.ts"],
        pool: "forks",
        teardownTimeout: 60_000,
        maxWorkers: 3,
        // As the time-outs below: how long a busy machine may take, not how long it should.
        expect: { poll: { timeout: 60_000 } },
        projects: [
            {
                extends: true,
                test: {
                    name: "fast",
                    include: ["test/**/*.test.ts"],
                    exclude: [
                        ...exclude,
                        long,
                        "test/**/*.real.test.ts",
                        "test/e2e/**",
                        "test/editor/**",
                        "test/faults/**",
                    ],
                    // A bound for what hangs, not a measure: a busy machine may take its time.
                    testTimeout: 120_000,
                    hookTimeout: 120_000,
                },
            },
            {
                extends: true,
                test: {
                    name: "real",
                    include: ["test/**/*.real.test.ts"],
                    exclude: [...exclude, "test/e2e/**", "test/editor/**", "test/faults/**"],
                    testTimeout: 180_000,
                    hookTimeout: 300_000,
                },
            },
            {
                extends: true,
                test: {
                    name: "e2e",
                    include: ["test/{e2e,editor,faults}/**/*.test.ts"],
                    exclude: [...exclude, long],
                    testTimeout: 300_000,
                    hookTimeout: 480_000,
                    maxWorkers: 2,
                    sequence: { groupOrder: 1 },
                },
            },
            {
                extends: true,
                test: {
                    name: "long",
                    include: [long],
                    exclude,
                    testTimeout: 180_000,
                    hookTimeout: 600_000,
                    maxWorkers: 2,
                    sequence: { groupOrder: 2 },
                },
            },
        ],
    },
});
