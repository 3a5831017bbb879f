// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ServerTCP } from "modbus-serial";
import { connectAsync } from "mqtt";

const PUBLISH_WINDOW = 200;
const REPORT_EVERY_MS = 20;

/** Runs this bench as another process in a role; resolves with its first line. */
export async function startPeer(
    role: string,
    ...args: string[]
): Promise<{ line: string; ended: Promise<string>; stop(): void }> {
    const child = spawn(process.execPath, [process.argv[1] ?? "", `--${role}`, ...args], {
        stdio: ["ignore", "pipe", "inherit"],
    });
    process.once("exit", () => child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    return {
        line: String(first.value),
        ended: lines.next().then(({ value }) => String(value)),
        stop: () => child.kill("SIGKILL"),
    };
}

/** A process of its own: publishes `count` reports over `devices` devices as fast as the broker acknowledges them. */
export async function publish(port: string, devices: string, count: string): Promise<void> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
    process.stdout.write("connected\n");
    const total = Number(count);
    const startedMs = performance.now();
    let sent = 0;
    const lane = async (): Promise<void> => {
        while (sent < total) {
            sent += 1;
            const topic = `$hw/events/device/default/d${sent % Number(devices)}/twin/update`;
            const document = { event_id: "", timestamp: Date.now(), twin: { p0: { actual: { value: String(sent) } } } };
            await client.publishAsync(topic, JSON.stringify(document), { qos: 1 });
        }
    };
    await Promise.all(Array.from({ length: PUBLISH_WINDOW }, lane));
    process.stdout.write(`${performance.now() - startedMs}\n`);
    await client.endAsync();
}

/**
 * A process of its own: reports every property of `devices` devices each second, evenly over it, with values that change. Says so when
 * the twin of each has taken its first.
 */
export async function publishEachSecond(port: string, devices: number, properties: readonly string[]): Promise<void> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
    const waiting = new Set(Array.from({ length: devices }, (_, index) => `d${index}`));
    client.on("message", (topic, payload) => {
        // A refusal: the device has not come from the cloud yet.
        if (waiting.size === 0 || payload.includes('"code"')) return;
        waiting.delete(topic.split("/")[4] ?? "");
        if (waiting.size > 0) return;
        process.stdout.write("all reported\n");
        client.unsubscribe("$hw/events/device/+/+/twin/update/result");
    });
    await client.subscribeAsync("$hw/events/device/+/+/twin/update/result");
    const startedMs = performance.now();
    let sent = 0;
    setInterval(() => {
        const due = ((performance.now() - startedMs) / 1000) * devices;
        for (; sent < due; sent += 1) {
            const topic = `$hw/events/device/default/d${sent % devices}/twin/update`;
            const actual = { actual: { value: String(sent) } };
            const twin = Object.fromEntries(properties.map((name) => [name, actual]));
            client.publish(topic, JSON.stringify({ event_id: "", timestamp: Date.now(), twin }), { qos: 1 });
        }
    }, REPORT_EVERY_MS);
}

/** A Modbus TCP server in a process of its own, as the one who drives it sees it. */
export interface ModbusPlant {
    /** Resolves when so many blocks of registers (unit and first register) have been read for the first time. */
    polled(count: number): Promise<void>;
    /** Resolves when a holding register is set to `value`, with the time of it (ms since the epoch). */
    written(value: number): Promise<number>;
    stop(): void;
}

export async function startModbus(port: number): Promise<ModbusPlant> {
    const child = spawn(process.execPath, [process.argv[1] ?? "", "--modbus", String(port)], {
        stdio: ["ignore", "pipe", "inherit"],
    });
    process.once("exit", () => child.kill("SIGKILL"));
    const writes = new Map<number, (atMs: number) => void>();
    let blocks = 0;
    let wanted = Number.POSITIVE_INFINITY;
    let allPolled: () => void = () => {};
    await new Promise<void>((listening) => {
        createInterface({ input: child.stdout }).on("line", (line) => {
            const [what, value, atMs] = line.split(" ");
            if (what === "listening") listening();
            else if (what === "written") writes.get(Number(value))?.(Number(atMs));
            else blocks += 1;
            if (blocks >= wanted) allPolled();
        });
    });
    return {
        polled: (count) =>
            new Promise((resolve) => {
                [wanted, allPolled] = [count, resolve];
            }),
        written: (value) => new Promise((resolve) => writes.set(value, resolve)),
        stop: () => child.kill("SIGKILL"),
    };
}

/** A process of its own: a Modbus TCP server; tells of first reads and of writes. */
export function serveModbus(port: string): void {
    const registers = new Map<number, number>();
    const read = new Set<number>();
    const valueAt = (address: number, unit: number): number => registers.get(unit * 65_536 + address) ?? address;
    const noteRead = (address: number, unit: number): void => {
        const key = unit * 65_536 + address;
        if (read.has(key)) return;
        read.add(key);
        process.stdout.write(`polled ${unit} ${address}\n`);
    };
    const server = new ServerTCP(
        {
            getHoldingRegister: (address: number, unit: number) => {
                noteRead(address, unit);
                return valueAt(address, unit);
            },
            getMultipleHoldingRegisters: (address: number, length: number, unit: number) => {
                noteRead(address, unit);
                return Array.from({ length }, (_, index) => valueAt(address + index, unit));
            },
            setRegister: (address: number, value: number, unit: number) => {
                registers.set(unit * 65_536 + address, value);
                process.stdout.write(`written ${value} ${performance.timeOrigin + performance.now()}\n`);
            },
        },
        { host: "127.0.0.1", port: Number(port), unitID: 255 },
    );
    server.on("initialized", () => process.stdout.write("listening\n"));
}
