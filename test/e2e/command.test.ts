// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openStore } from "../../src/store/open-store.ts";
import { type CommandResult, root, run, TestSite } from "../support/site.ts";

/** What a person sees who gets something wrong: one clear line, an exit code, no stack trace. */
describe("the redge command", () => {
    let site: TestSite;
    const redge = (...args: string[]): Promise<CommandResult> =>
        run(process.execPath, [join(root, "dist/cli/redge.js"), ...args], site.env);
    const oneLine = ({ stderr }: CommandResult): string => {
        const lines = stderr.split("\n").filter((line) => line.startsWith("redge: "));
        expect(lines, stderr).toHaveLength(1);
        expect(stderr).not.toMatch(/^\s+at /m);
        return lines[0] ?? "";
    };

    beforeEach(async () => {
        site = await TestSite.create();
    });
    afterEach(() => site.remove());

    test.each(["site", "cloud", "edge", "token", "kubectl", "rotate-key"])(
        "redge %s --help explains itself",
        async (name) => {
            const { code, stdout } = await redge(name, "--help");
            expect(code).toBe(0);
            expect(stdout).toMatch(new RegExp(`^redge ${name}`));
            expect(stdout).toContain("--help");
        },
    );

    test("--help lists every command, --version is the package's", async () => {
        expect((await redge("--help")).stdout).toMatch(
            /redge site[\s\S]*redge cloud[\s\S]*redge edge[\s\S]*redge token/,
        );
        const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
        expect((await redge("--version")).stdout.trim()).toBe(version);
    });

    test.each([
        [["nonsense"], /no command "nonsense"/],
        [["site", "--nonsense"], /--nonsense/],
        [["edge", "--join", "cloud.example"], /--join/],
        [["token", "--ttl", "soon"], /--ttl/],
    ])("%j is refused with exit code 2", async (args, expected) => {
        const result = await redge(...args);
        expect(result.code).toBe(2);
        expect(oneLine(result)).toMatch(expected);
    });

    test("kubectl: passes everything on, with kubectl's own exit code; says what is missing", async () => {
        const nowhere = await redge("kubectl", "get", "pods");
        expect(nowhere.code).toBe(1);
        expect(oneLine(nowhere)).toContain("REDGE_CLI_NO_GATEWAY");
        const folder = join(site.home, "edge/redge/metaserver");
        const programs = join(site.home, "bin");
        mkdirSync(folder, { recursive: true });
        mkdirSync(programs);
        writeFileSync(join(folder, "kubeconfig"), "");
        site.env["PATH"] = programs;
        const missing = await redge("kubectl", "get", "pods");
        expect(missing.code).toBe(1);
        expect(oneLine(missing)).toContain("REDGE_CLI_KUBECTL");
        const script = '#!/bin/sh\necho "$KUBECONFIG|$*"\nexit 3\n';
        writeFileSync(join(programs, "kubectl"), script, { mode: 0o755 });
        const passed = await redge("kubectl", "get", "pods", "--help", "-o", "json");
        expect(passed).toMatchObject({ code: 3, stdout: `${join(folder, "kubeconfig")}|get pods --help -o json\n` });
    });

    test("rotate-key makes a key only its owner can read, and keeps the one before", async () => {
        for (const lines of [1, 2]) {
            expect((await redge("rotate-key")).code).toBe(0);
            const file = join(site.home, "edge/redge/identity/store.key");
            expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(lines);
            expect(statSync(file).mode & 0o777).toBe(0o600);
        }
    });

    test("a token without a cloud side says where it looked", async () => {
        const result = await redge("token");
        expect(result.code).toBe(1);
        expect(oneLine(result)).toContain("REDGE_CLI_NO_CLOUD");
    });

    test("a gateway that never joined is told how to", async () => {
        const result = await redge("edge");
        expect(result.code).toBe(1);
        expect(oneLine(result)).toContain("REDGE_CLI_NOT_JOINED");
    });

    describe("a start that cannot succeed", () => {
        let blocker: Server | undefined;
        afterEach(() => blocker?.close());

        test("a taken port is named with its variable", async () => {
            const server = createServer();
            blocker = server;
            await new Promise<void>((resolve) => server.listen(site.port("REDGE_API_PORT"), "127.0.0.1", resolve));
            const result = await redge("site");
            expect(result.code).toBe(1);
            expect(oneLine(result)).toMatch(/REDGE_API_PORT.*REDGE_CLI_PORT_TAKEN/);
        });

        test("a broken flow file is named with its path", async () => {
            mkdirSync(join(site.home, "cloud"), { recursive: true });
            writeFileSync(join(site.home, "cloud/flows.json"), "[{");
            const result = await redge("site");
            expect(result.code).toBe(1);
            expect(result.stderr).toContain(join(site.home, "cloud/flows.json"));
            expect(result.stderr).toContain("REDGE_CLI_FLOWS_BROKEN");
            expect(result.stderr).not.toMatch(/^\s+at /m);
        });

        test("a store of a newer version is named, with both formats", async () => {
            const folder = join(site.home, "edge/redge");
            mkdirSync(folder, { recursive: true });
            const path = join(folder, "redge.nedb");
            writeFileSync(path, "");
            const store = await openStore(
                { engine: "nedb", path: join(site.home, "format.nedb") },
                { clock: systemClock, log: silentLogger },
            );
            await store.close();
            const format = readFileSync(join(site.home, "format.nedb"), "utf8");
            writeFileSync(path, format.replace(/"format":\d+/, '"format":999'));
            const result = await redge("edge", "--join", "https://127.0.0.1:1", "--token", "a.b.c.d");
            expect(result.code).toBe(1);
            expect(oneLine(result)).toMatch(/redge\.nedb.*999.*REDGE_STORE_NEWER/);
        });

        test("a folder that cannot be one is named", async () => {
            writeFileSync(join(site.home, "edge"), "not a folder");
            const result = await redge("edge");
            expect(result.code).toBe(1);
            expect(oneLine(result)).toContain("REDGE_CLI_HOME_UNUSABLE");
        });
    });
});
