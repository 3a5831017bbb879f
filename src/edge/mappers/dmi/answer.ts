// SPDX-License-Identifier: Apache-2.0
import { type DmiMessage, toDmiDevice, toDmiModel } from "./convert.ts";
import type { ServedDevice } from "./dmi-server.ts";

/** Go's gRPC, and so KubeEdge's framework, takes messages of 4 MiB: what goes beyond this is pushed after the registration. */
const MAX_ANSWER_BYTES = 3 * 2 ** 20;

/** The answer to a registration: as many devices, and their models, as a mapper takes in one message. `devices` are the ones in it. */
export function answerWith(
    all: readonly ServedDevice[],
    bytesOf: (answer: DmiMessage) => number,
): { readonly answer: DmiMessage; readonly devices: readonly ServedDevice[] } {
    const models = new Map<string, DmiMessage>();
    const deviceList: DmiMessage[] = [];
    const devices: ServedDevice[] = [];
    let bytes = 0;
    for (const served of all) {
        const { instance, device, modelId, model } = served;
        const added =
            modelId === undefined || models.has(modelId) ? [] : [[modelId, toDmiModel(modelId, model)] as const];
        const converted = toDmiDevice(instance, device);
        bytes += bytesOf({ modelList: added.map(([, one]) => one), deviceList: [converted] });
        if (bytes > MAX_ANSWER_BYTES) break;
        for (const [id, one] of added) models.set(id, one);
        deviceList.push(converted);
        devices.push(served);
    }
    return { answer: { modelList: [...models.values()], deviceList }, devices };
}
