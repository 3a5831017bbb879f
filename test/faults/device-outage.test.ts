// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { asRecord, asRecords } from "../../src/core/json.ts";
import type { Envelope } from "../../src/envelope/envelope.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { Kinds } from "../../src/kube/types.ts";
import { type PlantGateway, startCloud, startPlantGateway, startSlave } from "../support/devices/plant.ts";
import { startEmbedded } from "../support/embedded.ts";
import { eventually } from "../support/eventually.ts";
import { freePorts } from "../support/free-ports.ts";
import { testPorts } from "../support/link/ends.ts";
import { Relay } from "../support/link/relay.ts";
import { TestPki } from "../support/link/test-pki.ts";

const API = "devices.kubeedge.io/v1beta1";
const NODE = "edge-1";
const REPORTS = 10_000;
const UPDATE = "$hw/events/device/default/meter/twin/update";

const refusals: unknown[] = [];
const refused = (thrown: unknown): void => void refusals.push(thrown);
/** What came to the cloud of each property, as [value, time stamp], in the order it came. */
const came: Record<string, [string, number][]> = {};
const cleanups: (() => Promise<unknown>)[] = [];
const pki = new TestPki();
let cluster: KubeClient;
let relay: Relay;
let folder: string;
let slavePort: number;

beforeEach(async () => {
    refusals.length = 0;
    Object.assign(came, { counter: [], level: [] });
    folder = await mkdtemp(join(tmpdir(), "redge-outage-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const api = await startEmbedded();
    cleanups.push(() => api.stop());
    cluster = createKubeClient(api.connection, testPorts);
    cleanups.push(() => cluster.close());
    const cloud = await startCloud(pki, cluster, seen, refused);
    cleanups.push(() => cloud.stop());
    relay = new Relay(cloud.port);
    await relay.start();
    cleanups.push(() => relay.stop());
    [slavePort = 0] = await freePorts(1);
    await makeDevices();
}, 120_000);

afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    expect(refusals).toEqual([]);
}, 120_000);

async function startGateway(): Promise<PlantGateway> {
    return await startPlantGateway(pki, NODE, relay.port, join(folder, "edge.db"), refused);
}

/** A boiler read and written by the Modbus mapper, and a meter that speaks KubeEdge's MQTT documents itself. */
async function makeDevices(): Promise<void> {
    const protocol = {
        protocolName: "modbus",
        // A write whose answer is late is written again, which is not what is counted here.
        configData: { ip: "127.0.0.1", port: String(slavePort), slaveID: 1, timeout: 60_000 },
    };
    const visitors = { protocolName: "modbus", configData: { register: "HoldingRegister", offset: 0 } };
    await makeDevice("boiler", { protocol, properties: [{ name: "setpoint", reportToCloud: true, visitors }] });
    await makeDevice("meter", {
        properties: [
            { name: "counter", reportToCloud: true, reportPolicy: { keep: "all" } },
            { name: "level", reportToCloud: true, reportPolicy: { keep: "newest" } },
            { name: "hello", reportToCloud: true },
        ],
    });
}

interface DeviceSpec {
    readonly properties: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
    readonly protocol?: object;
}

async function makeDevice(name: string, spec: DeviceSpec): Promise<void> {
    const metadata = { name, namespace: "default" };
    const properties = spec.properties.map((property) => ({
        name: property.name,
        type: "INT",
        accessMode: "ReadWrite",
    }));
    const model = { kind: "DeviceModel", metadata, spec: { protocol: "modbus", properties } };
    await cluster.create(Kinds.deviceModel, { apiVersion: API, ...model });
    const device = { kind: "Device", metadata, spec: { deviceModelRef: { name }, nodeName: NODE, ...spec } };
    await cluster.create(Kinds.device, { apiVersion: API, ...device });
}

async function desire(value: string): Promise<void> {
    const ref = { type: Kinds.device, namespace: "default", name: "boiler" };
    await cluster.patch(ref, [{ op: "add", path: "/spec/properties/0/desired", value: { value } }], "json");
}

function seen({ route, content }: Envelope): void {
    if (!route.resource.endsWith("/twin/edge_updated")) return;
    const { twin } = asRecord(typeof content === "string" ? JSON.parse(content) : content);
    for (const [name, list] of Object.entries(came)) {
        const { value, metadata } = asRecord(asRecord(asRecord(twin)[name])["actual"]);
        if (value !== undefined) list.push([String(value), Number(asRecord(metadata)["timestamp"])]);
    }
}

async function twinInApi(name: string, property: string): Promise<Record<string, unknown>> {
    const status = await cluster.get({ type: Kinds.deviceStatus, namespace: "default", name });
    const twins = asRecords(asRecord(status["status"])["twins"]);
    return asRecord(twins.find(({ propertyName }) => propertyName === property));
}

async function isSet(value: string): Promise<void> {
    await eventually(async () => {
        expect(await twinInApi("boiler", "setpoint")).toMatchObject({
            observedDesired: { value },
            reported: { value },
        });
        const device = await cluster.get({ type: Kinds.device, namespace: "default", name: "boiler" });
        expect(asRecords(asRecord(device["status"])["conditions"])).toContainEqual(
            expect.objectContaining({ type: "DesiredApplied", status: "True" }),
        );
    });
}

test("desired values set while the gateway is off: the last is written once when it returns, and confirmed", async () => {
    const slave = await startSlave(slavePort);
    cleanups.push(() => slave.stop());
    await desire("20");
    let gateway = await startGateway();
    cleanups.push(() => gateway.stop());
    await isSet("20");
    expect(slave.writes).toEqual([20]);

    await gateway.stop();
    for (const value of ["25", "30", "42"]) await desire(value);
    gateway = await startGateway();
    await isSet("42");
    expect(slave.writes).toEqual([20, 42]);

    // Nothing is written again for coming back once more.
    await gateway.stop();
    gateway = await startGateway();
    const client = await connectAsync(gateway.mqttUrl);
    cleanups.push(() => client.endAsync(true));
    await client.publishAsync(UPDATE, JSON.stringify({ twin: { level: { actual: { value: "7" } } } }), { qos: 1 });
    await eventually(async () => expect(await twinInApi("meter", "level")).toMatchObject({ reported: { value: "7" } }));
    expect(slave.writes).toEqual([20, 42]);
});

test("10,000 reports of an outage: all of them in order and time under keep all, the newest alone under newest", async () => {
    let gateway = await startGateway();
    cleanups.push(() => gateway.stop());
    const beganMs = Date.now() - REPORTS;
    const wanted = Array.from({ length: REPORTS }, (_, index): [string, number] => [String(index), beganMs + index]);
    const publish = async (from: number, to: number): Promise<void> => {
        const client = await connectAsync(gateway.mqttUrl);
        await client.subscribeAsync(`${UPDATE}/result`);
        let left = to - from;
        // An answer comes when the report is on disk; the broker's acknowledgement alone says less.
        const stored = new Promise<void>((resolve) => {
            client.on("message", () => {
                left -= 1;
                if (left === 0) resolve();
            });
        });
        for (const [value, timestamp] of wanted.slice(from, to)) {
            const report = { actual: { value, metadata: { timestamp } } };
            const document = { event_id: "", timestamp, twin: { counter: report, level: report } };
            client.publish(UPDATE, JSON.stringify(document), { qos: 1 });
        }
        await stored;
        await client.endAsync();
    };
    // The device is at the gateway once a report of it is in the API.
    const client = await connectAsync(gateway.mqttUrl);
    await eventually(async () => {
        await client.publishAsync(UPDATE, JSON.stringify({ twin: { hello: { actual: { value: "1" } } } }), { qos: 1 });
        expect(await twinInApi("meter", "hello")).toMatchObject({ reported: { value: "1" } });
    });
    await client.endAsync();

    await relay.stop();
    await publish(0, REPORTS / 2);
    await gateway.stop();
    gateway = await startGateway();
    await publish(REPORTS / 2, REPORTS);
    expect(came).toEqual({ counter: [], level: [] });

    await relay.start();
    const newest = { value: String(REPORTS - 1), metadata: { timestamp: String(beganMs + REPORTS - 1) } };
    // What is present is in the API before the past has come, and the past does not bring it back.
    const isPresent = async (): Promise<void> => {
        expect(await twinInApi("meter", "counter")).toMatchObject({ reported: newest });
        expect(await twinInApi("meter", "level")).toMatchObject({ reported: newest });
    };
    await eventually(isPresent, 120_000);
    await eventually(() => expect(came["counter"]?.length).toBe(REPORTS), 120_000);
    await isPresent();
    expect(came["counter"]).toEqual(wanted);
    expect(came["level"]).toEqual(wanted.slice(-1));
});
