// SPDX-License-Identifier: Apache-2.0
import type { ModbusRTU } from "modbus-serial/ModbusRTU";
import { failureOf } from "./failures.ts";
import { isRead, type LineAddress, type LineTransport, type ModbusRequest, type ModbusResult } from "./protocol.ts";

/** Slaves behind one TCP address are asked side by side (transactions carry ids); a serial line has one voice. */
const TCP_WIDTH = 16;
const CONNECT_TIMEOUT_MS = 3000;

/** A line of our own (modbus-serial): connects when it is needed, again after it broke; a silent slave costs nothing else. */
export class DirectTransport implements LineTransport {
    readonly width: number;
    readonly #address: LineAddress;
    #client: ModbusRTU | undefined;
    #connecting: Promise<ModbusRTU> | undefined;
    #closed = false;

    constructor(address: LineAddress) {
        this.#address = address;
        this.width = address.kind === "tcp" ? TCP_WIDTH : 1;
    }

    async request(request: ModbusRequest, timeoutMs: number): Promise<ModbusResult> {
        try {
            const client = await this.#open();
            client.setID(request.unit);
            client.setTimeout(timeoutMs);
            return { ok: true, values: await send(client, request) };
        } catch (thrown) {
            const failure = failureOf(thrown);
            if (failure.kind === "connection") this.#drop();
            return failure;
        }
    }

    async close(): Promise<void> {
        this.#closed = true;
        this.#drop();
    }

    #drop(): void {
        const client = this.#client;
        this.#client = undefined;
        this.#connecting = undefined;
        client?.destroy(() => {});
    }

    async #open(): Promise<ModbusRTU> {
        if (this.#closed) throw new Error("Port Not Open");
        if (this.#client?.isOpen) return this.#client;
        this.#connecting ??= this.#connect().finally(() => {
            this.#connecting = undefined;
        });
        return this.#connecting;
    }

    async #connect(): Promise<ModbusRTU> {
        const { default: exported } = await import("modbus-serial");
        // The package exports its class itself; its typings are those of an ES module.
        const Client = exported as unknown as new () => ModbusRTU;
        this.#client?.destroy(() => {});
        const client = new Client();
        // Errors also reject the request that met them; the event must only not be unheard.
        client.on("error", () => {});
        client.setTimeout(CONNECT_TIMEOUT_MS);
        const address = this.#address;
        if (address.kind === "tcp")
            await client.connectTCP(address.host, { port: address.port, timeout: CONNECT_TIMEOUT_MS });
        else {
            const { path, baudRate, dataBits, stopBits, parity } = address;
            await client.connectRTUBuffered(path, { baudRate, dataBits, stopBits, parity });
        }
        this.#client = client;
        return client;
    }
}

async function send(client: ModbusRTU, request: ModbusRequest): Promise<readonly number[]> {
    if (!isRead(request)) {
        const { fc, address, values } = request;
        if (fc === 5) await client.writeCoil(address, values[0] === 1);
        else if (fc === 6) await client.writeRegister(address, values[0] ?? 0);
        else if (fc === 15)
            await client.writeCoils(
                address,
                values.map((one) => one === 1),
            );
        else await client.writeRegisters(address, [...values]);
        return [];
    }
    const { fc, address, quantity } = request;
    if (fc === 1) return bits((await client.readCoils(address, quantity)).data, quantity);
    if (fc === 2) return bits((await client.readDiscreteInputs(address, quantity)).data, quantity);
    if (fc === 3) return (await client.readHoldingRegisters(address, quantity)).data;
    return (await client.readInputRegisters(address, quantity)).data;
}

/** The library fills up to whole bytes. */
function bits(data: readonly boolean[], quantity: number): number[] {
    return data.slice(0, quantity).map(Number);
}
