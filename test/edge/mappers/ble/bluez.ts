// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from "node:child_process";
import type { EventEmitter } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Message, sessionBus } from "@jellybrick/dbus-next";
import { eventually } from "../../../support/eventually.ts";
import { packageRoot } from "../../../support/node-red.ts";
import type { Part } from "../../../support/requires.ts";

export const PYTHON = "/usr/bin/python3";

/** BlueZ's D-Bus interface on a bus of its own: the stand-in that the simulator uses, too. */
export const bluezPart: Part = {
    name: "python3-dbusmock",
    probe: () => {
        const python = spawnSync(PYTHON, ["-c", "import dbusmock, dbus, gi"]).status === 0;
        const daemon = spawnSync("sh", ["-c", "command -v dbus-daemon"]).status === 0;
        return python && daemon
            ? undefined
            : "dbus-daemon, python3-dbusmock, python3-dbus or python3-gi is not installed";
    },
};

export interface MockBluez {
    readonly busAddress: string;
    /** Calls the stand-in's own interface. */
    mock(member: string, signature: string, body: unknown[]): Promise<unknown>;
    /** A device appears: heard by a scan, with the characteristics given (flags and first value). */
    appear(
        mac: string,
        characteristics: Readonly<Record<string, { flags: string[]; value: number[] }>>,
    ): Promise<{ device: string; paths: Record<string, string> }>;
    call(path: string, iface: string, member: string, signature?: string, body?: unknown[]): Promise<unknown>;
    stop(): Promise<void>;
}

export async function startBluez(): Promise<MockBluez> {
    const folder = mkdtempSync(join(tmpdir(), "redge-bluez-"));
    const socket = join(folder, "bus");
    const busAddress = `unix:path=${socket}`;
    writeFileSync(
        join(folder, "bus.conf"),
        `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>${busAddress}</listen><auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_type="method_call"/><allow send_type="signal"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy></busconfig>`,
    );
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: busAddress };
    const daemon = spawn("dbus-daemon", [`--config-file=${join(folder, "bus.conf")}`, "--nofork", "--nopidfile"], {
        stdio: "ignore",
    });
    const mockTemplate = join(packageRoot, "examples/simulators/bluez_gatt.py");
    const connected = await eventually(async () => {
        const opened = sessionBus({ busAddress });
        await new Promise<void>((resolve, reject) => {
            opened.once("connect", () => resolve());
            (opened as EventEmitter).once("error", reject);
        });
        return opened;
    });
    const mocked = spawn(PYTHON, ["-m", "dbusmock", "--system", "--template", mockTemplate], { stdio: "ignore", env });
    const call: MockBluez["call"] = async (path, iface, member, signature = "", body = []) => {
        const reply = await connected.call(
            new Message({ destination: "org.bluez", path, interface: iface, member, signature, body }),
        );
        return reply?.body?.[0];
    };
    const mock: MockBluez["mock"] = (member, signature, body) => call("/", "org.bluez.Mock", member, signature, body);
    await eventually(() => mock("AddAdapter", "ss", ["hci0", "gateway"]));
    return {
        busAddress,
        call,
        mock,
        appear: async (mac, characteristics) => {
            const device = String(await mock("AddPeripheral", "sss", ["hci0", mac, "thermo"]));
            const service = await mock("AddGattService", "sss", [
                device,
                "service000a",
                "0000181a-0000-1000-8000-00805f9b34fb",
            ]);
            const paths: Record<string, string> = {};
            for (const [index, [uuid, { flags, value }]] of Object.entries(characteristics).entries()) {
                paths[uuid] = String(
                    await mock("AddGattCharacteristic", "sssasay", [
                        service,
                        `char000${index}`,
                        uuid,
                        flags,
                        Buffer.from(value),
                    ]),
                );
            }
            return { device, paths };
        },
        stop: async () => {
            connected.disconnect();
            for (const child of [mocked, daemon]) {
                const gone = new Promise((resolve) => child.once("exit", resolve));
                if (child.exitCode === null && child.signalCode === null) {
                    child.kill("SIGKILL");
                    await gone;
                }
            }
            rmSync(folder, { recursive: true, force: true });
        },
    };
}
