// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ServerTCP } from "modbus-serial";
import { connectAsync } from "mqtt";

const PUBLISH_WINDOW = 200;

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

/** A process of its own: a Modbus TCP server; tells when holding register 0 of a unit is written. */
export function serveModbus(port: string): void {
    const registers = new Map<number, number>();
    const server = new ServerTCP(
        {
            getHoldingRegister: (address: number, unit: number) => registers.get(unit * 65_536 + address) ?? address,
            getMultipleHoldingRegisters: (address: number, length: number) =>
                Array.from({ length }, (_, index) => address + index),
            setRegister: (address: number, value: number, unit: number) => {
                registers.set(unit * 65_536 + address, value);
                if (address === 0) process.stdout.write(`${value} ${performance.timeOrigin + performance.now()}\n`);
            },
        },
        { host: "127.0.0.1", port: Number(port), unitID: 255 },
    );
    server.on("initialized", () => process.stdout.write("listening\n"));
}
