// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { connect } from "node:net";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "../../../support/eventually.ts";
import { freePorts } from "../../../support/free-ports.ts";
import type { Part } from "../../../support/requires.ts";

const PYTHON = "/usr/bin/python3";

/** The Debian package python3-pymodbus with what it needs for serial lines. */
export const pymodbusPart: Part = {
    name: "python3-pymodbus",
    probe: () => {
        const found = spawnSync(PYTHON, ["-c", "import pymodbus.server, serial_asyncio"]).status === 0;
        return found ? undefined : "python3-pymodbus, python3-serial or python3-serial-asyncio is not installed";
    },
};

export interface ModbusPeer {
    readonly port: number;
    /** What the server holds: function code 1 coils, 2 discrete inputs, 3 holding, 4 input registers. */
    get(unit: number, fc: 1 | 2 | 3 | 4, address: number, count: number): Promise<number[]>;
    stop(): Promise<void>;
}

/** Starts an independent Modbus TCP server with these units (such as "1,3-9"); on a fixed port to bring one back. */
export async function startPymodbus(units: string, fixedPort?: number): Promise<ModbusPeer> {
    const port = fixedPort ?? (await freePorts(1))[0] ?? 0;
    const peer = launch(["tcp", String(port), units], port);
    const answers = (): Promise<void> =>
        new Promise((done, failed) => {
            const socket = connect(port, "127.0.0.1", () => {
                socket.destroy();
                done();
            });
            socket.on("error", failed);
        });
    try {
        await eventually(answers);
    } catch (failure) {
        await peer.stop();
        throw failure;
    }
    return peer;
}

/** The same on a serial line (RTU, 19200 baud). */
export async function startPymodbusRtu(units: string, path: string): Promise<ModbusPeer> {
    const peer = launch(["rtu", path, units], 0);
    await peer.get(Number.parseInt(units, 10), 3, 0, 1);
    return peer;
}

function launch(args: readonly string[], port: number): ModbusPeer {
    const script = resolve(import.meta.dirname, "pymodbus_server.py");
    const child: ChildProcess = spawn(PYTHON, [script, ...args], { stdio: ["pipe", "pipe", "ignore"] });
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error("no pipes");
    const waiting: ((line: string) => void)[] = [];
    createInterface({ input: stdout }).on("line", (line) => {
        waiting.shift()?.(line);
    });
    return {
        port,
        get: async (unit, fc, address, count) => {
            const line = await new Promise<string>((done) => {
                waiting.push(done);
                stdin.write(`get ${unit} ${fc} ${address} ${count}\n`);
            });
            return JSON.parse(line) as number[];
        },
        stop: async () => {
            if (child.exitCode !== null || child.signalCode !== null) return;
            const gone = new Promise((done) => child.once("exit", done));
            child.kill("SIGKILL");
            await gone;
        },
    };
}
