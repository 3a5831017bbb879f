// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import type { EventMap } from "../../core/emitter.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { KeyedQueue } from "../../core/keyed-queue.ts";
import { type Envelope, Operation } from "../../envelope/envelope.ts";
import { type DeviceInstance, fingerprintOf, type PropertyInstance } from "./device-instance.ts";
import { DeviceTroubles } from "./device-troubles.ts";
import { isRecord } from "./fields.ts";
import {
    CALL,
    type DesiredWrite,
    type DeviceConfiguration,
    deviceIdOf,
    deviceIdOfCall,
    type MapperReport,
    type MethodRequest,
    mapperReport,
    queryDevice,
    queryDevices,
    WRITE,
} from "./wire.ts";

/** A device that a mapper holds: begun when it was made, ended by `stop`. */
export interface MappedDevice {
    write(write: DesiredWrite): void;
    /**
     * More than a desired value has changed in the Device: takes it over and answers true, or answers false and is closed, and
     * opened anew. Absent: false.
     */
    change?(instance: DeviceInstance): boolean;
    /** A call of a method. Absent: methods are only what they write, and that comes as writes. */
    call?(request: MethodRequest): void;
    stop(): Promise<void>;
}

/**
 * What every mapper does alike: takes the devices of its protocol from DeviceTwin, opens each, again when more than a desired
 * value has changed, and closes what is gone. A device that cannot be opened is told as unhealthy, and the others go on.
 * `Extra`: events of a mapper that has wires of its own.
 */
export abstract class DeviceMapper<Extra extends EventMap = Record<never, never>> extends WireComponent<
    "devicetwin",
    Extra
> {
    readonly outputs = ["devicetwin"] as const;
    protected readonly ports: Ports;
    readonly #protocol: string;
    readonly #devices = new Map<string, { readonly fingerprint: string; readonly device: MappedDevice }>();
    /** What is told of one device is done in its order, although closing takes time. */
    readonly #queue = new KeyedQueue();
    readonly #troubles: DeviceTroubles;
    /** Devices of the protocol that could not be opened as they are described. */
    readonly #refused = new Set<string>();
    #stopped = false;

    /** @param protocol devices whose spec.protocol.protocolName is this one (in any case) are taken */
    constructor(protocol: string, ports: Ports) {
        super();
        this.#protocol = protocol.toLowerCase();
        this.ports = ports;
        this.#troubles = new DeviceTroubles(ports.clock, ports.log);
    }

    /** @throws RedgeError when the device cannot be mapped as it is described */
    protected abstract open(instance: DeviceInstance, tell: (report: MapperReport) => void): MappedDevice;

    async start(): Promise<void> {
        this.#stopped = false;
        this.#showState();
        this.send("devicetwin", queryDevices());
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        const devices = [...this.#devices.values()];
        this.#devices.clear();
        await Promise.all(devices.map(({ device }) => device.stop()));
    }

    async receive({ route, content }: Envelope): Promise<void> {
        const called = deviceIdOfCall(route.resource);
        if (called !== undefined && route.operation === CALL)
            await this.#queue.run(called, async () =>
                this.#devices.get(called)?.device.call?.(content as MethodRequest),
            );
        const id = deviceIdOf(route.resource);
        if (id === undefined) return;
        await this.#queue.run(id, () => this.#take(id, route, content));
        this.#showState();
    }

    async #take(id: string, route: Envelope["route"], content: unknown): Promise<void> {
        if (route.operation === WRITE) this.#devices.get(id)?.device.write(content as DesiredWrite);
        else if (route.operation === Operation.delete) await this.#close(id);
        else if (isRecord(content) && isRecord(content["instance"]))
            await this.#configure((content as unknown as DeviceConfiguration).instance);
        else {
            const component = `the ${this.#protocol} mapper`;
            throw new RedgeError("REDGE_DEVICE_MESSAGE", {
                component,
                field: route.resource,
                reason: "has no instance",
            });
        }
    }

    /** One point a property; a property that cannot be mapped is told as bad, and the device's others go on. */
    protected points<P>(
        instance: DeviceInstance,
        tell: (report: MapperReport) => void,
        parse: (property: PropertyInstance) => P,
    ): P[] {
        return instance.properties.flatMap((property) => {
            try {
                return [parse(property)];
            } catch (thrown) {
                const reason = errorText(thrown);
                tell({ reported: { [property.name]: { value: null, quality: "bad", reason } } });
                return [];
            }
        });
    }

    async #configure(instance: DeviceInstance): Promise<void> {
        const { id, protocol } = instance;
        if (protocol.protocolName.toLowerCase() !== this.#protocol) return this.#close(id);
        const fingerprint = fingerprintOf(instance);
        if (this.#devices.get(id)?.fingerprint === fingerprint) return;
        const before = this.#devices.get(id)?.device;
        // What ailed it as it was described is told anew of what it is now.
        this.#troubles.forget(id);
        try {
            if (before?.change?.(instance)) {
                this.#devices.set(id, { fingerprint, device: before });
                return;
            }
            await this.#close(id);
            if (this.#stopped) return;
            this.#devices.set(id, { fingerprint, device: this.open(instance, (report) => this.#tell(id, report)) });
        } catch (thrown) {
            await this.#close(id);
            const reason = errorText(thrown);
            const bad = { value: null, quality: "bad" as const, reason };
            const reported = Object.fromEntries(instance.properties.map(({ name }) => [name, bad]));
            this.#refused.add(id);
            this.#tell(id, { state: "unhealthy", reported });
            return;
        }
        // Desired values that waited for the device are told once only: what it had not written yet is asked for again.
        if (before !== undefined) this.send("devicetwin", queryDevice(id));
    }

    #tell(id: string, report: MapperReport): void {
        if (this.#stopped) return;
        this.send("devicetwin", mapperReport(id, report));
        if (this.#troubles.take(id, report)) this.#showState();
    }

    async #close(id: string): Promise<void> {
        const known = this.#devices.get(id);
        this.#devices.delete(id);
        this.#refused.delete(id);
        await known?.device.stop();
        this.#troubles.forget(id);
    }

    #showState(): void {
        this.report(this.#troubles.state(this.#devices.size + this.#refused.size));
    }
}
