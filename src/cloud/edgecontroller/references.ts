// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";

/** What a pod needs at its node, by name in the pod's own namespace. */
export interface PodReferences {
    readonly configMaps: ReadonlySet<string>;
    readonly secrets: ReadonlySet<string>;
    readonly claims: ReadonlySet<string>;
    readonly serviceAccount: string;
}

/**
 * ConfigMaps, Secrets and claims that a pod names: volumes (projected ones too), env and envFrom of every container
 * (init and ephemeral ones too), and image pull secrets.
 */
export function referencesOf(pod: KubeObject): PodReferences {
    const spec = asRecord(pod["spec"]);
    const configMaps = new Set<string>();
    const secrets = new Set<string>();
    const claims = new Set<string>();
    const add = (set: Set<string>, name: unknown): void => {
        const text = asText(name);
        if (text !== undefined) set.add(text);
    };
    const addSource = (source: JsonRecord): void => {
        add(configMaps, asRecord(source["configMap"])["name"]);
        add(secrets, asRecord(source["secret"])["secretName"] ?? asRecord(source["secret"])["name"]);
    };

    for (const volume of asRecords(spec["volumes"])) {
        addSource(volume);
        add(claims, asRecord(volume["persistentVolumeClaim"])["claimName"]);
        for (const source of asRecords(asRecord(volume["projected"])["sources"])) addSource(source);
        if (volume["ephemeral"] !== undefined) add(claims, `${pod.metadata.name}-${asText(volume["name"]) ?? ""}`);
        for (const driver of [volume["csi"], volume["flexVolume"], volume["cephfs"], volume["rbd"], volume["iscsi"]]) {
            add(secrets, asRecord(asRecord(driver)["secretRef"])["name"]);
            add(secrets, asRecord(asRecord(driver)["nodePublishSecretRef"])["name"]);
        }
        add(secrets, asRecord(volume["azureFile"])["secretName"]);
    }
    for (const container of containersOf(spec)) {
        for (const variable of asRecords(container["env"])) {
            const from = asRecord(variable["valueFrom"]);
            add(configMaps, asRecord(from["configMapKeyRef"])["name"]);
            add(secrets, asRecord(from["secretKeyRef"])["name"]);
        }
        for (const from of asRecords(container["envFrom"])) {
            add(configMaps, asRecord(from["configMapRef"])["name"]);
            add(secrets, asRecord(from["secretRef"])["name"]);
        }
    }
    for (const pull of asRecords(spec["imagePullSecrets"])) add(secrets, pull["name"]);
    return { configMaps, secrets, claims, serviceAccount: asText(spec["serviceAccountName"]) ?? "default" };
}

/** The node a pod is bound to. */
export function nodeOf(pod: KubeObject): string | undefined {
    return asText(asRecord(pod["spec"])["nodeName"]);
}

function containersOf(spec: JsonRecord): readonly JsonRecord[] {
    return [
        ...asRecords(spec["initContainers"]),
        ...asRecords(spec["containers"]),
        ...asRecords(spec["ephemeralContainers"]),
    ];
}
