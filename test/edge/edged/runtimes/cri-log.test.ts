// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { rotateLog } from "../../../../src/edge/edged/runtimes/cri/log-rotation.ts";
import { readCriLog } from "../../../../src/edge/edged/runtimes/cri-log.ts";
import { removeTempDirs, tempDir, until } from "../harness.ts";

afterEach(removeTempDirs);

const line = (text: string): string => `2026-01-01T00:00:00.000000001Z stdout F ${text}\n`;

describe("a log that is followed", () => {
    it("loses nothing and tells nothing twice when it is rotated, even what is written after it was moved away", async () => {
        const path = join(await tempDir(), "web.0.log");
        writeFileSync(path, line("one"));
        const read: string[] = [];
        let running = true;
        const reading = (async () => {
            for await (const { data } of readCriLog(path, { follow: true }, () => running))
                read.push(String(data).trim());
        })();
        const has = (count: number): Promise<unknown> =>
            until(() => read.length >= count || undefined, `${count} lines`);
        await has(1);
        appendFileSync(path, line("two"));
        await has(2);
        renameSync(path, `${path}.1`);
        appendFileSync(`${path}.1`, line("three"));
        await has(3);
        appendFileSync(`${path}.1`, line("four"));
        writeFileSync(path, line("five"));
        await has(5);
        // Longer than the old one at once: a size alone would not tell.
        appendFileSync(path, line("six ä€".repeat(20)));
        await has(6);
        running = false;
        await reading;
        expect(read).toEqual(["one", "two", "three", "four", "five", "six ä€".repeat(20)]);
    });
});

describe("rotation", () => {
    it("leaves a short log alone and puts a long one aside", async () => {
        const path = join(await tempDir(), "web.0.log");
        let reopened = 0;
        const reopen = async (): Promise<void> => {
            reopened += 1;
        };
        expect(await rotateLog(path, 10, reopen)).toBe(false);
        writeFileSync(path, "0123456789");
        expect(await rotateLog(path, 10, reopen)).toBe(false);
        appendFileSync(path, "x");
        expect(await rotateLog(path, 10, reopen)).toBe(true);
        expect(reopened).toBe(1);
    });

    it("puts the log back when the engine does not begin a new one", async () => {
        const path = join(await tempDir(), "web.0.log");
        writeFileSync(path, line("kept"));
        const refuse = (): Promise<void> => Promise.reject(new Error("no"));
        await expect(rotateLog(path, 1, refuse)).rejects.toThrow("no");
        const read: string[] = [];
        for await (const { data } of readCriLog(path, {}, () => false)) read.push(String(data));
        expect(read).toEqual(["kept\n"]);
    });
});
