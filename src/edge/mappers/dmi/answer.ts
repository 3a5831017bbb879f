// SPDX-License-Identifier: Apache-2.0
import { type DmiMessage, toDmiDevice, toDmiModel } from "./convert.ts";
import type { ServedDevice } from "./dmi-server.ts";
import { hashOfDevice } from "./mapper-link.ts";

/** Go's gRPC, and so KubeEdge's framework, takes messages of 4 MiB: what goes beyond this is pushed after the registration. */
const MAX_ANSWER_BYTES = 3 * 2 ** 20;
/** The framework waits a second for its answer, on a slow machine as well. */
const MAX_ANSWER_MS = 300;
/** Tag and length of a field, and of the entry around one of a map. */
const FIELD_BYTES = 8;

/**
 * The answer to a registration: as many devices, and their models, as a mapper takes in one message, and as can be told in time.
 * `devices` are the ones in it.
 */
export function answerWith(all: readonly ServedDevice[]): {
    readonly answer: DmiMessage;
    readonly devices: readonly ServedDevice[];
} {
    const models = new Map<string, DmiMessage>();
    const deviceList: DmiMessage[] = [];
    const devices: ServedDevice[] = [];
    const untilMs = performance.now() + MAX_ANSWER_MS;
    let bytes = 0;
    for (const served of all) {
        const { instance, device, modelId, model } = served;
        const converted = toDmiDevice(instance, device);
        bytes += bytesOf(converted);
        const added =
            modelId === undefined || models.has(modelId) ? [] : [[modelId, toDmiModel(modelId, model)] as const];
        for (const [, one] of added) bytes += bytesOf(one);
        if (bytes > MAX_ANSWER_BYTES) break;
        for (const [id, one] of added) models.set(id, one);
        hashOfDevice(served, { device: converted });
        deviceList.push(converted);
        devices.push(served);
        if (performance.now() > untilMs) break;
    }
    return { answer: { modelList: [...models.values()], deviceList }, devices };
}

/** At most so many bytes a message has on the wire. */
function bytesOf(value: unknown): number {
    if (typeof value === "string") return Buffer.byteLength(value) + FIELD_BYTES;
    if (Buffer.isBuffer(value)) return value.length + FIELD_BYTES;
    if (typeof value !== "object" || value === null) return 2 * FIELD_BYTES;
    let bytes = FIELD_BYTES;
    for (const [key, inner] of Object.entries(value)) bytes += Buffer.byteLength(key) + bytesOf(inner);
    return bytes;
}
