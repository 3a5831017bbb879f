// SPDX-License-Identifier: Apache-2.0
import type * as Grpc from "@grpc/grpc-js";
import type * as ProtoLoader from "@grpc/proto-loader";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { DmiMessage } from "./convert.ts";
import { checkEncoding } from "./decode.ts";
import { dmiDescriptor, type ManagerCall, type MapperCall } from "./proto.ts";

/** gRPC with DMI's two services; loaded when a DMI node starts, for it costs 15 MB. */
export interface DmiGrpc {
    readonly grpc: typeof Grpc;
    /** Its requests come as bytes, so that what is wrong with them can be said; `decode` reads them. */
    readonly managerService: Grpc.ServiceDefinition;
    /** @throws REDGE_DEVICE_MESSAGE when the bytes are not the request of that call */
    readonly decode: (call: ManagerCall, bytes: Buffer) => DmiMessage;
    readonly mapperClient: Grpc.ServiceClientConstructor;
}

/** @throws REDGE_DMI_LIBRARY when the optional packages are not installed */
export async function loadGrpc(): Promise<DmiGrpc> {
    const { grpc, loader } = await libraries();
    const definition = loader.fromJSON(dmiDescriptor() as Parameters<typeof loader.fromJSON>[0], {
        keepCase: true,
        longs: Number,
        defaults: true,
        arrays: true,
        objects: true,
    });
    const loaded = grpc.loadPackageDefinition(definition)["v1beta1"] as Record<string, Grpc.ServiceClientConstructor>;
    const manager = loaded["DeviceManagerService"];
    const mapperClient = loaded["DeviceMapperService"];
    if (manager === undefined || mapperClient === undefined) throw new TypeError("the DMI descriptor lacks a service");
    const requests = new Map(
        Object.entries(manager.service).map(([name, method]) => [name, method.requestDeserialize]),
    );
    const managerService = Object.fromEntries(
        Object.entries(manager.service).map(([name, method]) => [
            name,
            { ...method, requestDeserialize: (bytes: Buffer) => bytes },
        ]),
    );
    const decode: DmiGrpc["decode"] = (name, bytes) => {
        checkEncoding(`${name}Request`, bytes);
        return requests.get(name)?.(bytes) as DmiMessage;
    };
    return { grpc, managerService, decode, mapperClient };
}

type UnaryMethod = (
    request: DmiMessage,
    options: { readonly deadline: number },
    done: (error: Error | null, response: DmiMessage) => void,
) => void;

/** One unary call. Rejects with gRPC's own error, which has a `code`. */
export function call(
    client: Grpc.Client,
    method: MapperCall,
    request: DmiMessage,
    deadlineMs: number,
): Promise<DmiMessage> {
    return new Promise((resolve, reject) => {
        const methods = client as unknown as Record<string, UnaryMethod | undefined>;
        methods[method]?.call(client, request, { deadline: deadlineMs }, (error, response) =>
            error === null ? resolve(response) : reject(error),
        );
    });
}

/** gRPC's codes for "nobody took the call": CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE. Any other is an answer. */
const UNANSWERED: ReadonlySet<unknown> = new Set([1, 4, 14]);

export function hasAnswered(thrown: unknown): boolean {
    return thrown instanceof Error && "code" in thrown && !UNANSWERED.has(thrown.code);
}

/** gRPC's health service. Hardly a mapper has it, but each answers that it has not, and none does anything. */
const HEALTH = "/grpc.health.v1.Health/Check";

/**
 * Whether a peer answers. Not by HTTP/2 pings: a gRPC server in Go, as KubeEdge's mappers are, ends connections for more than one in
 * five minutes.
 * @returns what is wrong; undefined when it answers
 */
export function probe(client: Grpc.Client, connectMs: number, answerMs: number): Promise<string | undefined> {
    const bytes = (buffer: Buffer): Buffer => buffer;
    return new Promise((resolve) => {
        client.waitForReady(Date.now() + connectMs, (unconnected) => {
            if (unconnected !== undefined) {
                resolve("nobody listens at its socket");
                return;
            }
            const options = { deadline: Date.now() + answerMs };
            client.makeUnaryRequest(HEALTH, bytes, bytes, Buffer.alloc(0), options, (error) =>
                resolve(error === null || hasAnswered(error) ? undefined : "it takes calls and answers none"),
            );
        });
    });
}

async function libraries(): Promise<{ grpc: typeof Grpc; loader: typeof ProtoLoader }> {
    try {
        return { grpc: await import("@grpc/grpc-js"), loader: await import("@grpc/proto-loader") };
    } catch (thrown) {
        throw new RedgeError("REDGE_DMI_LIBRARY", {}, thrown);
    }
}
