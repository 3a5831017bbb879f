// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { connect } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asRecord } from "../../../src/core/json.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { testPorts } from "../../support/link/ends.ts";

/** 8 in CI. */
const KILLS = Number(process.env["REDGE_TEST_KILLS"] ?? 8);
const UPDATE = "$hw/events/device/default/meter/twin/update";
const RECORDS = "SYS/dis/upload_records";

let folder: string;
// Where packages are found from.
const script = join(import.meta.dirname, `../../../node_modules/.cache/redge-test/eventbus-${process.pid}.cjs`);

beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "redge-puback-"));
    const entryPoints = [join(import.meta.dirname, "gateway-child.ts")];
    const options = { bundle: true, platform: "node", format: "cjs", packages: "external" } as const;
    buildSync({ entryPoints, outfile: script, ...options });
});
afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(script, { force: true });
});

async function startGateway(path: string, engine: string, diverted: boolean) {
    const child: ChildProcess = fork(script, [path, engine, diverted ? "diverted" : ""], { execArgv: [] });
    const port = await new Promise<number>((resolve, reject) => {
        child.once("exit", () => reject(new Error("the gateway did not start")));
        child.once("message", (message) => resolve(Number(asRecord(message)["port"])));
    });
    const killed = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    return {
        port,
        kill: () => {
            child.kill("SIGKILL");
            return killed;
        },
    };
}

/** Publishes numbers, reports and records in turn, until the gateway is killed right at an acknowledgement. */
async function publishUntilKilled(
    { port, kill }: Awaited<ReturnType<typeof startGateway>>,
    from: number,
    acknowledgements: number,
): Promise<{ readonly acknowledged: readonly number[]; readonly next: number }> {
    const client = connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
    client.on("error", () => {}); // of the connection that the kill breaks
    const acknowledged: number[] = [];
    let next = from;
    let dying: Promise<void> | undefined;
    await new Promise<void>((resolve) => client.once("connect", () => resolve()));
    const send = (): void => {
        const n = next++;
        const document = { twin: { n: { actual: { value: String(n) } } } };
        const [topic, payload] = n % 2 === 0 ? [UPDATE, JSON.stringify(document)] : [RECORDS, String(n)];
        client.publish(topic, payload, { qos: n % 5 === 0 ? 2 : 1 }, (error) => {
            // What the client hears once the gateway is being killed may come from its own end of the connection.
            if (error || dying !== undefined) return;
            acknowledged.push(n);
            if (acknowledged.length === acknowledgements) dying = kill();
            else send();
        });
    };
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    for (let lane = 0; lane < 40; lane += 1) send();
    await closed;
    await dying;
    await client.endAsync(true);
    return { acknowledged, next };
}

/** All numbers that the store has, as reports of the device, as uploads, or in EventBus' journal. */
async function stored(path: string, engine: "nedb" | "sqlite"): Promise<ReadonlySet<number>> {
    const store = await openStore({ engine, path }, testPorts);
    const reports = await store.scan("devicetwin/report/");
    const uploads = await store.scan("item/");
    const journal = await store.scan("eventbus/journal/");
    await store.close();
    const reportOf = (twin: unknown): number => Number(asRecord(asRecord(asRecord(twin)["n"])["actual"])["value"]);
    const contentOf = (value: unknown): unknown => asRecord(asRecord(value)["envelope"])["content"];
    return new Set([
        ...reports.map(({ value }) => reportOf(value)),
        ...uploads.map(({ value }) => Number(contentOf(value))),
        ...journal.map(({ value }) => {
            const content = contentOf(value);
            return typeof content === "object" ? reportOf(asRecord(content)["twin"]) : Number(content);
        }),
    ]);
}

test.each([
    ["nedb", false],
    ["sqlite", false],
    ["nedb", true],
] as const)(
    `${KILLS} times kill -9 right at an acknowledgement: all that was acknowledged is on disk (%s, wires cut: %s)`,
    { timeout: 60_000 + KILLS * 10_000 },
    async (engine, diverted) => {
        const path = join(folder, `${engine}-${diverted}.db`);
        const acknowledged: number[] = [];
        let next = 0;
        for (let kill = 0; kill < KILLS; kill += 1) {
            const gateway = await startGateway(path, engine, diverted);
            // Each round of the 40 in flight waits for the journal when the wires are cut.
            const wanted = 1 + Math.floor(Math.random() * (diverted ? 80 : 400));
            const run = await publishUntilKilled(gateway, next, wanted);
            expect(run.acknowledged).toHaveLength(wanted);
            acknowledged.push(...run.acknowledged);
            next = run.next;
        }
        const found = await stored(path, engine);
        expect(acknowledged.filter((n) => !found.has(n))).toEqual([]);
    },
);
