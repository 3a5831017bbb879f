import { defineConfig } from "vitest/config";

/**
 * Tests with engines, browsers and whole sites share two cores with what they start: in CI one that fails is tried once
 * more, and both results are in the report. The fast ones never are.
 */
const retry = process.env["CI"] === "true" ? 1 : 0;
const exclude = ["**/node_modules/**", "dist/**"];

/**
 * Three projects, by what a test needs:
 *  fast      *.test.ts        no sockets beyond loopback, no engines; seconds
 *  real      *.real.test.ts   real parts (engines, brokers, API servers); skipped by name and reason where one is missing
 *  e2e       test/e2e, test/editor, test/faults: the built product as its users start it
 */
export default defineConfig({
    test: {
        reporters: ["default", "./test/support/summary-reporter.ts"],
        pool: "forks",
        maxWorkers: 2,
        projects: [
            {
                extends: true,
                test: {
                    name: "fast",
                    include: ["test/**/*.test.ts"],
                    exclude: [...exclude, "test/**/*.real.test.ts", "test/e2e/**", "test/editor/**", "test/faults/**"],
                },
            },
            {
                extends: true,
                test: {
                    name: "real",
                    include: ["test/**/*.real.test.ts"],
                    exclude: [...exclude, "test/e2e/**", "test/editor/**", "test/faults/**"],
                    testTimeout: 60_000,
                    hookTimeout: 120_000,
                    retry,
                },
            },
            {
                extends: true,
                test: {
                    name: "e2e",
                    include: ["test/{e2e,editor,faults}/**/*.test.ts"],
                    exclude,
                    testTimeout: 180_000,
                    hookTimeout: 300_000,
                    retry,
                    fileParallelism: false,
                },
            },
        ],
    },
});
