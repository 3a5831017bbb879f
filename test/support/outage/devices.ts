// SPDX-License-Identifier: Apache-2.0
import { ServerTCP } from "modbus-serial";
import { connectAsync, type MqttClient } from "mqtt";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { EVERY, NEWEST } from "./arrivals.ts";
import type { Made } from "./made.ts";

const API = "devices.kubeedge.io/v1beta1";
const CLIENTS = 20;
const NODE = "edge";

/** `mqtt` devices that speak KubeEdge's documents, and `modbus` slaves read by the shipped mapper; all with both policies. */
export async function createDevices(
    cluster: KubeClient,
    { mqtt, modbus, port, everyMs }: { mqtt: number; modbus: number; port: number; everyMs: number },
): Promise<void> {
    const metadata = { name: "outage", namespace: "default" };
    const properties = [EVERY, NEWEST].map((name) => ({ name, type: "INT", accessMode: "ReadOnly" }));
    const model = { apiVersion: API, kind: "DeviceModel", metadata, spec: { protocol: "modbus", properties } };
    await cluster.create(Kinds.deviceModel, model);
    const policies = [
        { name: EVERY, reportToCloud: true, reportPolicy: { keep: "all" } },
        { name: NEWEST, reportToCloud: true, reportPolicy: { keep: "newest" } },
    ];
    const specs = [
        ...Array.from({ length: mqtt }, (_, index) => ({ name: `mqtt-${index}`, properties: policies })),
        ...Array.from({ length: modbus }, (_, index) => ({
            name: `modbus-${index + 1}`,
            protocol: {
                protocolName: "modbus",
                configData: { ip: "127.0.0.1", port: String(port), slaveID: index + 1, timeout: 10_000 },
            },
            // One register twice: both properties have the value of the same reading.
            properties: policies.map((property) => ({
                ...property,
                collectCycle: everyMs,
                visitors: { protocolName: "modbus", configData: { register: "HoldingRegister", offset: 0 } },
            })),
        })),
    ];
    let next = 0;
    const lane = async (): Promise<void> => {
        for (let spec = specs[next++]; spec !== undefined; spec = specs[next++]) {
            const { name, ...rest } = spec;
            await cluster.create(Kinds.device, {
                apiVersion: API,
                kind: "Device",
                metadata: { name, namespace: "default" },
                spec: { deviceModelRef: { name: "outage" }, nodeName: NODE, ...rest },
            });
        }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
}

/** MQTT devices behind some connections, each of which says its next number at a steady rate, whatever the gateway does. */
export class MqttDevices {
    readonly #made: Made;
    readonly #clients: readonly MqttClient[];
    readonly names: readonly string[];
    #timer: NodeJS.Timeout | undefined;
    /** Not acknowledged yet. */
    pending = 0;

    private constructor(made: Made, clients: readonly MqttClient[], count: number) {
        this.#made = made;
        this.#clients = clients;
        this.names = Array.from({ length: count }, (_, index) => `mqtt-${index}`);
    }

    static async connect(made: Made, url: string, count: number): Promise<MqttDevices> {
        const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectAsync(url)));
        // Connections break when the gateway is killed; the library comes back and sends again what nobody acknowledged.
        for (const client of clients) client.on("error", () => {});
        return new MqttDevices(made, clients, count);
    }

    /** A first word of a device, which the gateway answers with an error while it does not know it; 0 counts nowhere. */
    greet(name: string): void {
        this.#publish(name, 0, Date.now());
    }

    /** Each device reports once in `everyMs`, spread over that time. */
    report(everyMs: number): void {
        const startedMs = performance.now();
        for (const name of this.names) this.#made.begin(name, 1, true);
        let turn = 0;
        this.#timer = setInterval(() => {
            const due = ((performance.now() - startedMs) / everyMs) * this.names.length;
            for (; turn < due; turn += 1) {
                const name = this.names[turn % this.names.length] ?? "";
                const nowMs = Date.now();
                const number = this.#made.next(name, nowMs);
                if (number !== undefined) this.#publish(name, number, nowMs);
            }
        }, 10);
    }

    pause(): void {
        clearInterval(this.#timer);
    }

    async stop(): Promise<void> {
        this.pause();
        await Promise.all(this.#clients.map((client) => client.endAsync(true)));
    }

    #publish(name: string, number: number, timestamp: number): void {
        const value = { actual: { value: String(number), metadata: { timestamp } } };
        const document = JSON.stringify({ event_id: "", timestamp, twin: { [EVERY]: value, [NEWEST]: value } });
        const client = this.#clients[this.names.indexOf(name) % this.#clients.length];
        this.pending += 1;
        client?.publish(`$hw/events/device/default/${name}/twin/update`, document, { qos: 1 }, () => {
            this.pending -= 1;
        });
    }
}

/** Modbus slaves of one server, each with a register that counts how often it was read. */
export class ModbusDevices {
    readonly #made: Made;
    readonly #reads = new Map<number, number>();
    readonly #server: ServerTCP;
    #answering = true;

    private constructor(made: Made, port: number) {
        this.#made = made;
        const read = (unit: number): number => {
            if (!this.#answering) throw new Error("the slave is off");
            const count = (this.#reads.get(unit) ?? 0) + 1;
            this.#reads.set(unit, count);
            this.#made.next(`modbus-${unit}`, Date.now());
            return count;
        };
        this.#server = new ServerTCP(
            {
                getHoldingRegister: (_address: number, unit: number) => read(unit),
                getMultipleHoldingRegisters: (_address: number, length: number, unit: number) => {
                    const value = read(unit);
                    return Array.from({ length }, () => value);
                },
            },
            { host: "127.0.0.1", port, unitID: 255 },
        );
    }

    static async listen(made: Made, port: number): Promise<ModbusDevices> {
        const devices = new ModbusDevices(made, port);
        await new Promise<void>((resolve, reject) => {
            devices.#server.on("initialized", () => resolve());
            devices.#server.on("socketError", (thrown) => reject(thrown));
        });
        return devices;
    }

    /** From now on every reading counts. */
    count(): void {
        for (const [unit, count] of this.#reads) this.#made.begin(`modbus-${unit}`, count + 1, false);
    }

    /** The slaves answer nothing more but errors. */
    pause(): void {
        this.#answering = false;
    }

    async stop(): Promise<void> {
        await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    }
}
