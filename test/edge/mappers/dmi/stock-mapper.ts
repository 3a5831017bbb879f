// SPDX-License-Identifier: Apache-2.0
import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

type Message = Record<string, unknown>;

const definition = loadSync(join(import.meta.dirname, "stock.proto"), {
    keepCase: true,
    longs: Number,
    defaults: true,
    oneofs: true,
});
const { v1beta1 } = grpc.loadPackageDefinition(definition) as unknown as {
    v1beta1: Record<"DeviceManagerService" | "DeviceMapperService", grpc.ServiceClientConstructor>;
};

export interface StockMapper {
    /** What the gateway has called, in order: [method, request]. */
    readonly calls: [string, Message][];
    manager(method: "MapperRegister" | "ReportDeviceStatus" | "ReportDeviceStates", request: Message): Promise<Message>;
    /** `socket`: where it says that it listens, when that is another one. */
    register(withData?: boolean, socket?: string): Promise<{ modelList: Message[]; deviceList: Message[] }>;
    report(property: string, value: string, observedDesired?: string): Promise<Message>;
    stop(): Promise<void>;
}

export interface Behaviour {
    /** Bytes that it answers instead of a message, one after the other. */
    readonly answers?: Buffer[];
    /** With what it refuses a call, as Go's plain errors come: UNKNOWN. Undefined: it takes it. */
    readonly refuses?: (method: string, request: Message) => string | undefined;
}

/** A mapper as KubeEdge's framework makes them, by its own description of the interface. */
export async function startStockMapper(
    dmiSocket: string,
    socket: string,
    { answers = [], refuses = () => undefined }: Behaviour = {},
): Promise<StockMapper> {
    const calls: [string, Message][] = [];
    const server = new grpc.Server();
    const { service } = v1beta1.DeviceMapperService;
    const methods = Object.keys(service);
    server.addService(
        Object.fromEntries(
            Object.entries(service).map(([name, method]) => [
                name,
                {
                    ...method,
                    responseSerialize: (value: Message) => answers.shift() ?? method.responseSerialize(value),
                },
            ]),
        ),
        Object.fromEntries(
            methods.map((name) => [
                name,
                ({ request }: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>) => {
                    calls.push([name, request]);
                    const details = refuses(name, request);
                    if (details === undefined) done(null, {});
                    else done({ code: grpc.status.UNKNOWN, details });
                },
            ]),
        ),
    );
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) =>
        server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) =>
            error ? reject(error) : resolve(),
        ),
    );
    const client = new v1beta1.DeviceManagerService(
        `unix:${dmiSocket}`,
        grpc.credentials.createInsecure(),
    ) as unknown as grpc.Client &
        Record<string, (request: Message, options: grpc.CallOptions, done: grpc.requestCallback<Message>) => void>;
    const manager: StockMapper["manager"] = (method, request) =>
        new Promise((resolve, reject) =>
            client[method]?.(request, { deadline: Date.now() + 90_000 }, (error, response) =>
                error === null && response !== undefined ? resolve(response) : reject(error),
            ),
        );
    return {
        calls,
        manager,
        register: (withData = true, at = socket) => {
            const mapper = {
                name: "thermo-mapper",
                version: "v1.23.0",
                api_version: "v1.0.0",
                protocol: "thermo",
                address: Buffer.from(at),
                state: "ok",
            };
            return manager("MapperRegister", { withData, mapper }) as Promise<{
                modelList: Message[];
                deviceList: Message[];
            }>;
        },
        report: (propertyName, value, observedDesired = "") =>
            manager("ReportDeviceStatus", {
                deviceName: "thermo-1",
                deviceNamespace: "default",
                reportedDevice: {
                    twins: [
                        {
                            propertyName,
                            reported: { value, metadata: { timestamp: "1700000000000", type: "string" } },
                            observedDesired: { value: observedDesired },
                        },
                    ],
                },
            }),
        stop: async () => {
            client.close();
            server.forceShutdown();
        },
    };
}
