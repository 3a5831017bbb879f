// SPDX-License-Identifier: Apache-2.0
import type { EventEmitter } from "node:events";
import type * as DBus from "@jellybrick/dbus-next" with { "resolution-mode": "import" };
import { type Clock, sleep } from "../../../core/clock.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { field, isRecord, text } from "../fields.ts";
import type { BleCentral, BlePeripheral } from "./central.ts";

const BLUEZ = "org.bluez";
const ADAPTER = "org.bluez.Adapter1";
const DEVICE = "org.bluez.Device1";
const CHARACTERISTIC = "org.bluez.GattCharacteristic1";
const PROPERTIES = "org.freedesktop.DBus.Properties";
const LOOK_MS = 250;

type Interfaces = Readonly<Record<string, unknown>>;

/** Bluetooth LE by BlueZ's D-Bus interface, the one that bluetoothd serves on the system bus. */
export class BluezCentral implements BleCentral {
    readonly #clock: Clock;
    readonly #busAddress: string | undefined;
    readonly #watchers = new Map<string, Set<(changed: Readonly<Record<string, unknown>>) => void>>();
    #dbus: typeof DBus | undefined;
    #bus: DBus.MessageBus | undefined;

    /** `busAddress` as in DBUS_SYSTEM_BUS_ADDRESS, which counts when none is given. */
    constructor(clock: Clock, busAddress?: string) {
        this.#clock = clock;
        this.#busAddress = busAddress;
    }

    async connect(mac: string, timeoutMs: number, lost: () => void): Promise<BlePeripheral> {
        const path = await this.#find(mac.toUpperCase(), timeoutMs);
        await this.#call(path, DEVICE, "Connect");
        const unwatch = this.#watch(path, (changed) => {
            if (changed["Connected"] === false) lost();
        });
        try {
            await this.#resolved(path, timeoutMs);
            return await this.#peripheral(path, unwatch);
        } catch (thrown) {
            unwatch();
            throw thrown;
        }
    }

    async stop(): Promise<void> {
        this.#bus?.disconnect();
        this.#bus = undefined;
        this.#watchers.clear();
    }

    async #peripheral(device: string, unwatch: () => void): Promise<BlePeripheral> {
        let found = await this.#characteristics(device);
        // Devices may show more later (Bluetooth's "service changed"), so one that is missing is looked for again.
        const at = async (uuid: string): Promise<string> => {
            if (!found.has(uuid)) found = await this.#characteristics(device);
            const one = found.get(uuid);
            if (one === undefined) throw new Error(`the device has no characteristic ${uuid}`);
            return one.path;
        };
        const unwatches = [unwatch];
        return {
            canNotify: (uuid) =>
                (found.get(uuid)?.flags ?? []).some((flag) => flag === "notify" || flag === "indicate"),
            read: async (uuid) =>
                bufferOf((await this.#call(await at(uuid), CHARACTERISTIC, "ReadValue", "a{sv}", [{}]))[0]),
            write: async (uuid, bytes) =>
                void (await this.#call(await at(uuid), CHARACTERISTIC, "WriteValue", "aya{sv}", [bytes, {}])),
            notify: async (uuid, arrived) => {
                const path = await at(uuid);
                unwatches.push(
                    this.#watch(path, (changed) => {
                        if (changed["Value"] !== undefined) arrived(bufferOf(changed["Value"]));
                    }),
                );
                await this.#call(path, CHARACTERISTIC, "StartNotify");
            },
            disconnect: async () => {
                for (const stop of unwatches) stop();
                await this.#call(device, DEVICE, "Disconnect");
            },
        };
    }

    async #characteristics(device: string): Promise<Map<string, { path: string; flags: readonly string[] }>> {
        const found = new Map<string, { path: string; flags: readonly string[] }>();
        for (const [path, interfaces] of await this.#objects()) {
            const properties = interfaces[CHARACTERISTIC];
            const uuid = text(field(properties, "UUID"))?.toLowerCase();
            const flags = field(properties, "Flags");
            if (!path.startsWith(`${device}/`) || uuid === undefined) continue;
            found.set(uuid, { path, flags: Array.isArray(flags) ? flags.map(String) : [] });
        }
        return found;
    }

    /** The object path of a device; scans for it when BlueZ does not know it. */
    async #find(mac: string, timeoutMs: number): Promise<string> {
        const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
        let scanning: string | undefined;
        try {
            for (;;) {
                const objects = await this.#objects();
                const known = objects.find(
                    ([, interfaces]) => text(field(interfaces[DEVICE], "Address"))?.toUpperCase() === mac,
                );
                if (known !== undefined) return known[0];
                if (this.#clock.monotonicMs() > deadlineMs) throw new Error(`no device with address ${mac} was heard`);
                if (scanning === undefined) {
                    scanning = objects.find(([, interfaces]) => interfaces[ADAPTER] !== undefined)?.[0];
                    if (scanning === undefined) throw new Error("BlueZ has no Bluetooth adapter");
                    await this.#scan(scanning);
                }
                await sleep(this.#clock, LOOK_MS);
            }
        } finally {
            // Another device may still be looked for: BlueZ counts the scans of a client as one, and that one then scans again.
            if (scanning !== undefined) await this.#call(scanning, ADAPTER, "StopDiscovery").catch(() => {});
        }
    }

    async #scan(adapter: string): Promise<void> {
        const { Variant } = await this.#library();
        await this.#call(adapter, PROPERTIES, "Set", "ssv", [ADAPTER, "Powered", new Variant("b", true)]);
        await this.#call(adapter, ADAPTER, "SetDiscoveryFilter", "a{sv}", [{ Transport: new Variant("s", "le") }]);
        try {
            await this.#call(adapter, ADAPTER, "StartDiscovery");
        } catch (thrown) {
            if (!/InProgress/.test(`${field(thrown, "type")} ${errorText(thrown)}`)) throw thrown;
        }
    }

    async #resolved(device: string, timeoutMs: number): Promise<void> {
        const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
        for (;;) {
            const [value] = await this.#call(device, PROPERTIES, "Get", "ss", [DEVICE, "ServicesResolved"]);
            if (plain(value) === true) return;
            if (this.#clock.monotonicMs() > deadlineMs) throw new Error("the device does not tell its services");
            await sleep(this.#clock, LOOK_MS);
        }
    }

    async #objects(): Promise<readonly (readonly [string, Interfaces])[]> {
        const [objects] = await this.#call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        return Object.entries(plain(objects) as Record<string, Interfaces>);
    }

    #watch(path: string, watcher: (changed: Readonly<Record<string, unknown>>) => void): () => void {
        const watchers = this.#watchers.get(path) ?? new Set();
        watchers.add(watcher);
        this.#watchers.set(path, watchers);
        return () => void watchers.delete(watcher);
    }

    async #call(
        path: string,
        iface: string,
        member: string,
        signature = "",
        body: unknown[] = [],
    ): Promise<readonly unknown[]> {
        const [{ Message }, bus] = [await this.#library(), await this.#open()];
        const message = new Message({ destination: BLUEZ, path, interface: iface, member, signature, body });
        const reply = await bus.call(message);
        return reply?.body ?? [];
    }

    async #open(): Promise<DBus.MessageBus> {
        if (this.#bus !== undefined) return this.#bus;
        const { systemBus, sessionBus, Message } = await this.#library();
        // The library takes an address only for what it calls a session bus; to D-Bus a bus is a bus.
        const bus = this.#busAddress === undefined ? systemBus() : sessionBus({ busAddress: this.#busAddress });
        this.#bus = bus;
        // A bus that goes away fails the calls under way; the next one opens it anew.
        (bus as EventEmitter).on("error", () => {
            if (this.#bus === bus) this.#bus = undefined;
        });
        bus.on("message", (message: DBus.Message) => this.#signal(message));
        const rule = `type='signal',interface='${PROPERTIES}',member='PropertiesChanged',path_namespace='/org/bluez'`;
        const dbus = {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
        };
        await bus.call(new Message({ ...dbus, member: "AddMatch", signature: "s", body: [rule] }));
        return bus;
    }

    #signal({ member, path, body }: DBus.Message): void {
        if (member !== "PropertiesChanged" || path === undefined) return;
        const changed = plain((body as unknown[])[1]);
        if (isRecord(changed)) for (const watcher of [...(this.#watchers.get(path) ?? [])]) watcher(changed);
    }

    async #library(): Promise<typeof DBus> {
        try {
            this.#dbus ??= await import("@jellybrick/dbus-next");
            return this.#dbus;
        } catch (thrown) {
            throw new RedgeError("REDGE_BLE_LIBRARY", {}, thrown);
        }
    }
}

/** D-Bus variants taken off, all the way down. */
function plain(value: unknown): unknown {
    if (Buffer.isBuffer(value)) return value;
    if (Array.isArray(value)) return value.map(plain);
    if (!isRecord(value)) return value;
    if ("signature" in value && "value" in value) return plain(value["value"]);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function bufferOf(value: unknown): Buffer {
    const bytes = plain(value);
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes as number[]);
}
