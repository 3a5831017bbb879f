// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { sleep } from "../../../core/clock.ts";
import { type Ports, WireComponent } from "../../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../../core/errors/redge-error.ts";
import { type Envelope, Operation } from "../../../envelope/envelope.ts";
import { below, type DocumentStore } from "../../../store/store.ts";
import type { DeviceInstance } from "../device-instance.ts";
import { isRecord } from "../fields.ts";
import {
    type DesiredWrite,
    type DeviceConfiguration,
    deviceIdOf,
    type MapperReport,
    mapperReport,
    queryDevices,
    WRITE,
} from "../wire.ts";
import { answerWith } from "./answer.ts";
import { CalledValues } from "./called-values.ts";
import type { DmiConfig } from "./config.ts";
import type { DmiMessage } from "./convert.ts";
import { type DmiGrpc, loadGrpc } from "./grpc.ts";
import { MapperLink } from "./mapper-link.ts";
import type { ManagerCall } from "./proto.ts";
import { parseRegistration, type Registration, reportOfStates, reportOfStatus } from "./requests.ts";
import { removeStale } from "./stale-socket.ts";

export interface ServedDevice {
    /** As DeviceTwin has it, and as the mapper is told: methods' values are desired ones there. */
    readonly given: DeviceInstance;
    readonly instance: DeviceInstance;
    readonly device: unknown;
    readonly modelId: string | undefined;
    readonly model: unknown;
}

export interface DmiPorts extends Ports {
    readonly store: DocumentStore;
}

interface StoredMapper extends Registration {
    readonly told: Readonly<Record<string, string>>;
    /** Devices that are `unknown` because this mapper does not answer. */
    readonly lost?: readonly string[];
}

/**
 * A mapper that registers while the gateway starts waits this long for the devices. KubeEdge's framework gives up after a second, and
 * its process with it; what is not in the answer is pushed.
 */
const COMPLETE_MS = 500;
/** The message of an error travels in a header, and headers are small; what was wrong may be huge. */
const MAX_MESSAGE = 1000;
/** Owner and group may register: whoever can open the socket can report for any device. */
const SOCKET_MODE = 0o660;

/**
 * KubeEdge's Device Mapper Interface (device plane reference 5): stock mappers register at a Unix socket, get their devices
 * and models, and report. No rate limit; mappers that are away get what they missed when they are back.
 */
export class DmiServer extends WireComponent<"devicetwin"> {
    readonly outputs = ["devicetwin"] as const;
    readonly #config: DmiConfig;
    readonly #ports: DmiPorts;
    readonly #store: DocumentStore;
    readonly #devices = new Map<string, ServedDevice>();
    readonly #writes = new Map<string, DesiredWrite>();
    readonly #called = new CalledValues();
    readonly #lost = new Set<string>();
    /** By protocol, as in KubeEdge: the mapper that registered last has it. */
    readonly #mappers = new Map<string, MapperLink>();
    readonly #registrations = new Map<string, Registration>();
    readonly #query = queryDevices();
    /** DeviceTwin has named every device: only now is it known which ones a mapper has too many. */
    readonly #complete: Promise<void>;
    #setComplete: () => void = () => {};
    #library: DmiGrpc | undefined;
    #server: Server | undefined;

    constructor(config: DmiConfig, ports: DmiPorts) {
        super();
        this.#config = config;
        this.#ports = ports;
        this.#store = below(ports.store, "dmi/");
        this.#complete = new Promise((resolve) => {
            this.#setComplete = resolve;
        });
    }

    /** @throws REDGE_DMI_LIBRARY, REDGE_DMI_LISTEN */
    async start(): Promise<void> {
        this.#library = await loadGrpc();
        await this.#listen(this.#library);
        for (const { value } of await this.#store.scan<StoredMapper>("")) {
            this.#link(value, value.told);
            for (const id of value.lost ?? []) this.#lost.add(id);
        }
        this.#showState();
        this.send("devicetwin", this.#query);
        void this.#complete.then(() => {
            for (const link of this.#mappers.values()) link.start();
        });
    }

    async stop(): Promise<void> {
        for (const link of this.#mappers.values()) link.stop();
        this.#mappers.clear();
        const server = this.#server;
        this.#server = undefined;
        if (server === undefined) return;
        server.forceShutdown();
        await rm(this.#config.socketPath, { force: true });
    }

    async receive({ header, route, content }: Envelope): Promise<void> {
        if (header.parent_msg_id === this.#query.header.msg_id) this.#setComplete();
        const id = deviceIdOf(route.resource);
        if (id === undefined) return;
        const before = this.#devices.get(id)?.instance.protocol.protocolName;
        if (route.operation === WRITE) {
            this.#write(id, content as DesiredWrite);
        } else if (route.operation === Operation.delete) {
            this.#devices.delete(id);
            this.#called.forget(id);
            this.#lost.delete(id);
        } else if (isRecord(content) && isRecord(content["instance"])) {
            const { instance, device, model } = content as unknown as DeviceConfiguration;
            const modelId = instance.model === undefined ? undefined : `${instance.namespace}/${instance.model}`;
            const given = instance;
            this.#devices.set(id, { given, instance: this.#called.over(given), device, modelId, model });
        }
        const now = this.#devices.get(id)?.instance.protocol.protocolName;
        for (const protocol of new Set([before, now])) if (protocol !== undefined) this.#mappers.get(protocol)?.sync();
    }

    #write(id: string, write: DesiredWrite): void {
        const served = this.#devices.get(id);
        if (served === undefined) return;
        this.#writes.set(`${id}/${write.property}`, write);
        if (write.call === undefined) return;
        this.#called.put(served.given, write);
        this.#devices.set(id, { ...served, instance: this.#called.over(served.given) });
    }

    async #listen(library: DmiGrpc): Promise<void> {
        const { grpc, managerService } = library;
        const { socketPath } = this.#config;
        const server = new grpc.Server();
        server.addService(managerService, {
            MapperRegister: this.#handler(library, "MapperRegister", (request) => this.#register(request)),
            ReportDeviceStatus: this.#handler(library, "ReportDeviceStatus", async (request) => {
                const { id, report, refused } = reportOfStatus(
                    request,
                    (device) => this.#devices.get(device)?.instance,
                    this.#writes,
                );
                const answer = this.#tell(id, report);
                if (refused !== undefined) throw refused;
                return answer;
            }),
            ReportDeviceStates: this.#handler(library, "ReportDeviceStates", async (request) => {
                const { id, report } = reportOfStates(request);
                return this.#tell(id, report);
            }),
        });
        try {
            await mkdir(dirname(socketPath), { recursive: true });
            await removeStale(socketPath);
            await new Promise<void>((resolve, reject) =>
                server.bindAsync(`unix:${socketPath}`, grpc.ServerCredentials.createInsecure(), (error) =>
                    error === null ? resolve() : reject(error),
                ),
            );
            await chmod(socketPath, SOCKET_MODE);
        } catch (thrown) {
            server.forceShutdown();
            throw new RedgeError("REDGE_DMI_LISTEN", { path: socketPath, reason: errorText(thrown) }, thrown);
        }
        this.#server = server;
    }

    async #register(request: DmiMessage): Promise<DmiMessage> {
        const registration = parseRegistration(request);
        await Promise.race([this.#complete, sleep(this.#ports.clock, COMPLETE_MS)]);
        const link = this.#link(registration, {});
        const { answer, devices } =
            request["withData"] === true
                ? answerWith(this.#devicesOf(registration.protocol))
                : { answer: { modelList: [], deviceList: [] }, devices: [] };
        link.toldWith(devices);
        await this.#keep(registration, link);
        link.start();
        this.#showState();
        return answer;
    }

    #link(registration: Registration, told: Readonly<Record<string, string>>): MapperLink {
        const { name, protocol, address } = registration;
        if (this.#library === undefined) throw new RedgeError("REDGE_DMI_LIBRARY", {});
        const { grpc, mapperClient } = this.#library;
        this.#mappers.get(protocol)?.stop();
        const { clock, log } = this.#ports;
        const link: MapperLink = new MapperLink(
            {
                ...this.#config,
                name,
                protocol,
                clock,
                log,
                client: new mapperClient(`unix:${address}`, grpc.credentials.createInsecure()),
                devices: () => this.#devicesOf(protocol),
                told: () => void this.#keep(registration, link),
                away: (reason) => this.#away(protocol, reason),
            },
            told,
        );
        this.#mappers.set(protocol, link);
        this.#registrations.set(protocol, registration);
        return link;
    }

    async #keep(registration: Registration, link: MapperLink): Promise<void> {
        const lost = this.#devicesOf(registration.protocol).flatMap(({ instance: { id } }) =>
            this.#lost.has(id) ? [id] : [],
        );
        const value: StoredMapper = { ...registration, told: Object.fromEntries(link.told), lost };
        try {
            await this.#store.write([{ op: "put", key: registration.protocol, value }]);
        } catch (thrown) {
            this.#ports.log.error("A mapper's registration is not stored", {
                mapper: link.name,
                reason: errorText(thrown),
            });
        }
    }

    #tell(id: string, report: MapperReport): DmiMessage {
        if (!this.#devices.has(id)) throw new RedgeError("REDGE_DEVICE_UNKNOWN", { device: id });
        for (const property of Object.keys(report.written ?? {})) this.#writes.delete(`${id}/${property}`);
        // A mapper that reports no states is back with its first good value.
        const isGood = Object.values(report.reported ?? {}).some(({ quality }) => quality !== "bad");
        const isBack = (isGood || report.state !== undefined) && this.#lost.delete(id);
        this.send("devicetwin", mapperReport(id, isBack ? { state: "online", ...report } : report));
        return {};
    }

    #away(protocol: string, reason: string): void {
        this.#ports.log.warn(reason, { protocol });
        for (const { instance } of this.#devicesOf(protocol)) {
            const bad = { value: null, quality: "bad" as const, reason };
            const reported = Object.fromEntries(instance.properties.map(({ name }) => [name, bad]));
            this.#lost.add(instance.id);
            this.send("devicetwin", mapperReport(instance.id, { reported, state: "unknown" }));
        }
        const link = this.#mappers.get(protocol);
        const registration = this.#registrations.get(protocol);
        if (link !== undefined && registration !== undefined) void this.#keep(registration, link);
    }

    #devicesOf(protocol: string): readonly ServedDevice[] {
        return [...this.#devices.values()].filter(({ instance }) => instance.protocol.protocolName === protocol);
    }

    #handler(
        { grpc: { status }, decode }: DmiGrpc,
        call: ManagerCall,
        serve: (request: DmiMessage) => Promise<DmiMessage>,
    ) {
        return ({ request }: ServerUnaryCall<Buffer, DmiMessage>, done: sendUnaryData<DmiMessage>): void => {
            const answer = async (): Promise<DmiMessage> => serve(decode(call, request));
            answer().then(
                (response) => done(null, response),
                (thrown: unknown) => {
                    const code = isRedgeError(thrown, "REDGE_DEVICE_UNKNOWN")
                        ? status.NOT_FOUND
                        : isRedgeError(thrown)
                          ? status.INVALID_ARGUMENT
                          : status.INTERNAL;
                    done({ code, message: errorText(thrown).slice(0, MAX_MESSAGE) });
                },
            );
        };
    }

    #showState(): void {
        this.report({ level: "ready", text: "mappers", params: { count: this.#mappers.size } });
    }
}
