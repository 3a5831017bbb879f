// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { packageRoot } from "../package-root.ts";

const CONFLICT = 409;

/** Creates the boiler's DeviceModel and Device; one that is there already is left as it is. */
export async function applyDemo(client: KubeClient): Promise<void> {
    const text = readFileSync(join(packageRoot, "examples/devices/boiler.yaml"), "utf8");
    for (const document of parseAllDocuments(text)) {
        const object = document.toJS() as KubeObject | null;
        if (object === null) continue;
        const type = Object.values(Kinds).find(({ kind }) => kind === object.kind);
        if (type === undefined) continue;
        try {
            const namespace = object.metadata.namespace ?? "default";
            await client.create(type, { ...object, metadata: { ...object.metadata, namespace } });
        } catch (thrown) {
            if (!isRedgeError(thrown, "REDGE_KUBE_STATUS") || thrown.details["code"] !== CONFLICT) throw thrown;
        }
    }
}
