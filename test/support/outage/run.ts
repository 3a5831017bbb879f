// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../../src/core/clock.ts";
import { asRecord, asRecords } from "../../../src/core/json.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { createKubeClient } from "../../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../../src/kube/client/kubeconfig.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { eventually } from "../eventually.ts";
import { freePorts } from "../free-ports.ts";
import { Relay } from "../link/relay.ts";
import { TestSite } from "../site.ts";
import { Arrivals } from "./arrivals.ts";
import { createDevices, ModbusDevices, MqttDevices } from "./devices.ts";
import { GatewayWatch } from "./gateway-watch.ts";
import { Made } from "./made.ts";
import { tapCloudFlow } from "./tapped-flow.ts";

export interface OutageOptions {
    readonly outageSeconds: number;
    readonly devices: number;
    /** Each device reports once in this time. */
    readonly everyMs: number;
}

export interface OutageResult {
    /** One a line: what, and how much. */
    readonly figures: Readonly<Record<string, string | number>>;
    /** What must not be; empty when all is well. */
    readonly findings: readonly string[];
}

/** Of the reporting on either side of the outage. */
const BESIDE_MS = 10_000;
const CLOUD_KILLED_AT = 0.25;
const GATEWAY_KILLED_AT = 0.5;
/** Readings that were on their way from a slave to the gateway's disk when it was killed were no reports yet. */
const READING_MS = 3_000;
/** The devices' clients come back to a gateway that is there again within this time. */
const RECONNECT_MS = 3_000;
/** Nothing may stand still for longer, once the link is back. */
const STUCK_MS = 90_000;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * An outage by the clock, on a site as `redge site` starts it, with its shipped flows: nine of ten devices report by MQTT, one of ten
 * is read by the Modbus mapper, at a steady rate all along. The network between gateway and CloudHub swallows everything; the
 * cloud is killed with kill -9 and comes back behind it, then the gateway is; then the network is well again.
 */
export async function runOutage(options: OutageOptions, say: (line: string) => void): Promise<OutageResult> {
    const ends: (() => Promise<unknown>)[] = [];
    try {
        return await run(options, say, ends);
    } finally {
        for (const end of ends.reverse()) await end();
    }
}

async function run(
    { outageSeconds, devices, everyMs }: OutageOptions,
    say: (line: string) => void,
    ends: (() => Promise<unknown>)[],
): Promise<OutageResult> {
    const [relayPort = 0, slavesPort = 0] = await freePorts(2);
    const relay = new Relay(0);
    relay.port = relayPort;
    const site = await TestSite.create({
        REDGE_EDITOR: "off",
        REDGE_CONTAINER_RUNTIME: "none",
        REDGE_CLOUDHUB_URL: `wss://127.0.0.1:${relayPort}`,
    });
    ends.push(() => site.remove());
    relay.target = site.port("REDGE_CLOUDHUB_PORT");
    await relay.start();
    ends.push(() => relay.stop());
    const made = new Made();
    const arrivals = new Arrivals(tapCloudFlow(site.home), made);
    ends.push(async () => arrivals.close());
    const slaves = await ModbusDevices.listen(made, slavesPort);
    ends.push(() => slaves.stop());
    await site.start();
    ends.push(() => site.stop());
    const connection = await connectionFromKubeconfig(site.kubeconfig);
    const cluster = createKubeClient(connection, { clock: systemClock, random: Math.random });
    ends.push(() => cluster.close());

    const modbus = Math.max(1, Math.round(devices / 10));
    const mqtt = devices - modbus;
    await createDevices(cluster, { mqtt, modbus, port: slavesPort, everyMs });
    const reporters = await MqttDevices.connect(made, `mqtt://127.0.0.1:${site.port("REDGE_MQTT_PORT")}`, mqtt);
    ends.push(() => reporters.stop());
    await eventually(
        () => {
            arrivals.read();
            const silent = reporters.names.filter((name) => !arrivals.heard.has(name));
            for (const name of silent) reporters.greet(name);
            const slavesSilent = Array.from({ length: modbus }, (_, index) => `modbus-${index + 1}`).filter(
                (name) => !arrivals.heard.has(name),
            );
            if (silent.length + slavesSilent.length > 0)
                throw new Error(`${silent.length} MQTT and ${slavesSilent.length} Modbus devices were not heard of`);
        },
        180_000,
        2_000,
    );
    const watch = new GatewayWatch(site);
    ends.push(() => watch.stop());
    say(`${mqtt} MQTT and ${modbus} Modbus devices, each reports every ${everyMs} ms`);

    reporters.report(everyMs);
    slaves.count();
    await wait(BESIDE_MS);
    arrivals.read();
    const outageMs = outageSeconds * 1000;
    const darkMs = Date.now();
    relay.blackhole();
    say(`the network is gone for ${outageSeconds} s`);
    await wait(outageMs * CLOUD_KILLED_AT);
    await kill(site, "cloud");
    say("the cloud was killed");
    await wait(outageMs * (GATEWAY_KILLED_AT - CLOUD_KILLED_AT));
    const killedMs = Date.now();
    await kill(site, "edge");
    say("the gateway was killed");
    await wait(Math.max(0, darkMs + outageMs - Date.now()));
    arrivals.read();
    const before = arrivals.arrived;
    const lightMs = Date.now();
    relay.light();
    say(`the network is back; ${made.count - before} reports have to come`);

    const done = (untilMs: number) => (): boolean =>
        [...arrivals.missing(untilMs)].every(({ device, atMs }) => inTheAir(device, atMs, killedMs));
    await settled(arrivals, done(lightMs));
    const caughtUpMs = Date.now();
    say(`all of the outage have come after ${seconds(caughtUpMs - lightMs)} s`);
    await wait(BESIDE_MS);
    reporters.pause();
    slaves.pause();
    await settled(arrivals, () => reporters.pending === 0 && done(Date.now() - READING_MS)());
    await settled(arrivals, done(Date.now()));

    const missing = [...arrivals.missing()];
    const inAir = missing.filter(({ device, atMs }) => inTheAir(device, atMs, killedMs));
    const lost = missing.length - inAir.length;
    const lightAgainMs =
        watch.link.find(({ state, atMs }) => state === "connected" && atMs > lightMs)?.atMs ?? Date.now();
    const noticedMs =
        watch.link.find(({ state, atMs }) => state === "disconnected" && atMs >= darkMs)?.atMs ?? killedMs;
    // Of each device one value was under way when the network went, and the newest goes when it is back. What was made while there was
    // no gateway came to it later, all at once.
    const backMs = watch.link.find(({ atMs }) => atMs > killedMs)?.atMs ?? lightMs;
    const kept = [
        [noticedMs + everyMs, killedMs - everyMs],
        [backMs + RECONNECT_MS, lightMs - 2 * everyMs],
    ] as const;
    const stale = arrivals.newest.filter(
        ({ madeMs, cameMs }) => cameMs >= lightMs && kept.some(([from, to]) => madeMs > from && madeMs < to),
    );
    const wrongInApi = await inApi(cluster, made);
    return {
        figures: {
            "reports made": made.count,
            "  of them during the outage": reportsBetween(made, darkMs, lightMs),
            arrived: arrivals.arrived,
            lost: lost,
            "readings in the air when the gateway was killed": inAir.length,
            repeated: arrivals.repeated,
            "out of order": arrivals.outOfOrder,
            "with a wrong time": arrivals.wrongTime,
            "stale values under keep newest": stale.length,
            "devices whose newest value is not in the API": wrongInApi,
            "gateway noticed the outage after": `${seconds(noticedMs - darkMs)} s`,
            "gateway back after its kill": `${seconds(backMs - killedMs)} s`,
            "link back after": `${seconds(lightAgainMs - lightMs)} s`,
            "all of the outage had arrived after": `${seconds(caughtUpMs - lightMs)} s`,
            "gateway's store on disk, largest": `${(watch.storeBytes / 1024 / 1024).toFixed(1)} MiB`,
            "gateway's resident memory, largest": `${watch.residentMiB.toFixed(0)} MiB`,
        },
        findings: [
            ...(lost > 0 ? [`${lost} reports were lost`] : []),
            ...(arrivals.outOfOrder > 0 ? [`${arrivals.outOfOrder} reports came out of order`] : []),
            ...(arrivals.wrongTime > 0 ? [`${arrivals.wrongTime} reports came with a wrong time`] : []),
            ...(stale.length > 0 ? [`${stale.length} values came that were not the newest`] : []),
            ...(wrongInApi > 0 ? [`${wrongInApi} devices have an old value in the API`] : []),
            ...(inAir.length > modbus
                ? [`${inAir.length} readings were lost with the gateway, of ${modbus} slaves`]
                : []),
        ],
    };
}

/** kill -9; the site starts it again. */
async function kill(site: TestSite, role: "cloud" | "edge"): Promise<void> {
    const pid = (await site.pids())[role];
    if (pid === undefined) throw new Error(`the ${role} side does not run`);
    process.kill(pid, "SIGKILL");
}

function inTheAir(device: string, atMs: number, killedMs: number): boolean {
    return device.startsWith("modbus-") && Math.abs(atMs - killedMs) < READING_MS;
}

/** Waits until it is so, or until nothing more has come for too long. */
async function settled(arrivals: Arrivals, isSo: () => boolean): Promise<void> {
    let last = -1;
    let movedMs = performance.now();
    for (;;) {
        arrivals.read();
        if (isSo() || performance.now() - movedMs > STUCK_MS) return;
        const now = arrivals.arrived;
        if (now !== last) movedMs = performance.now();
        last = now;
        await wait(250);
    }
}

function reportsBetween(made: Made, fromMs: number, toMs: number): number {
    let count = 0;
    for (const { atMs } of made.devices.values()) count += atMs.filter((ms) => ms >= fromMs && ms < toMs).length;
    return count;
}

/** How many devices have another value in the API, of either property, than the last that was made. */
async function inApi(cluster: KubeClient, made: Made): Promise<number> {
    const wrong = async (): Promise<number> => {
        const { items } = await cluster.list({ type: Kinds.deviceStatus });
        const values = new Map(
            items.map(({ metadata, ...object }) => [
                metadata.name,
                asRecords(asRecord(object["status"])["twins"]).map((twin) =>
                    Number(asRecord(twin["reported"])["value"]),
                ),
            ]),
        );
        return [...made.devices].filter(([device, { first, atMs }]) => {
            const last = first + atMs.length - 1;
            const found = values.get(device) ?? [];
            return found.length !== 2 || found.some((value) => value !== last);
        }).length;
    };
    let count = await wrong();
    for (let tries = 0; count > 0 && tries < 40; tries += 1) {
        await wait(250);
        count = await wrong();
    }
    return count;
}

function seconds(ms: number): string {
    return (ms / 1000).toFixed(1);
}
