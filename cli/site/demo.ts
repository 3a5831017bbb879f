// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import { asRecord } from "../../src/core/json.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { packageRoot } from "../package-root.ts";

const CONFLICT = 409;

/** Where this site's boiler is, when that is not what the example says. */
export interface DemoPlace {
    readonly nodeName: string;
    readonly boilerPort: string;
}

/** Creates the boiler's DeviceModel and Device; one that is there already is left as it is. */
export async function applyDemo(client: KubeClient, place: DemoPlace): Promise<void> {
    const text = readFileSync(join(packageRoot, "examples/devices/boiler.yaml"), "utf8");
    for (const document of parseAllDocuments(text)) {
        const object = document.toJS() as KubeObject | null;
        if (object === null) continue;
        const type = Object.values(Kinds).find(({ kind }) => kind === object.kind);
        if (type === undefined) continue;
        try {
            const namespace = object.metadata.namespace ?? "default";
            await client.create(type, placed({ ...object, metadata: { ...object.metadata, namespace } }, place));
        } catch (thrown) {
            if (!isRedgeError(thrown, "REDGE_KUBE_STATUS") || thrown.details["code"] !== CONFLICT) throw thrown;
        }
    }
}

function placed(object: KubeObject, { nodeName, boilerPort }: DemoPlace): KubeObject {
    if (object.kind !== "Device") return object;
    const spec = asRecord(object["spec"]);
    const protocol = asRecord(spec["protocol"]);
    const configData = { ...asRecord(protocol["configData"]), port: boilerPort };
    return { ...object, spec: { ...spec, nodeName, protocol: { ...protocol, configData } } };
}
