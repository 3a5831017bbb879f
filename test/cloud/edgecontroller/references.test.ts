// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { referencesOf } from "../../../src/cloud/edgecontroller/references.ts";

const pod = (spec: Record<string, unknown>) =>
    referencesOf({ apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "default" }, spec });

describe("what a pod needs at its node", () => {
    test.each<[string, Record<string, unknown>, { configMaps?: string[]; secrets?: string[]; claims?: string[] }]>([
        ["a ConfigMap volume", { volumes: [{ name: "v", configMap: { name: "a" } }] }, { configMaps: ["a"] }],
        ["a Secret volume", { volumes: [{ name: "v", secret: { secretName: "s" } }] }, { secrets: ["s"] }],
        [
            "a projected volume",
            {
                volumes: [
                    { name: "v", projected: { sources: [{ configMap: { name: "a" } }, { secret: { name: "s" } }] } },
                ],
            },
            { configMaps: ["a"], secrets: ["s"] },
        ],
        ["a claim", { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }] }, { claims: ["c"] }],
        ["an ephemeral claim", { volumes: [{ name: "v", ephemeral: {} }] }, { claims: ["web-v"] }],
        [
            "a CSI secret",
            { volumes: [{ name: "v", csi: { nodePublishSecretRef: { name: "s" } } }] },
            { secrets: ["s"] },
        ],
        [
            "a container's env and envFrom",
            {
                containers: [
                    {
                        env: [
                            { name: "A", valueFrom: { configMapKeyRef: { name: "a" } } },
                            { name: "B", valueFrom: { secretKeyRef: { name: "s" } } },
                        ],
                        envFrom: [{ configMapRef: { name: "b" } }, { secretRef: { name: "t" } }],
                    },
                ],
            },
            { configMaps: ["a", "b"], secrets: ["s", "t"] },
        ],
        ["an init container", { initContainers: [{ envFrom: [{ secretRef: { name: "s" } }] }] }, { secrets: ["s"] }],
        [
            "an ephemeral container",
            { ephemeralContainers: [{ envFrom: [{ secretRef: { name: "s" } }] }] },
            { secrets: ["s"] },
        ],
        ["pull secrets", { imagePullSecrets: [{ name: "s" }, {}] }, { secrets: ["s"] }],
        ["nothing", {}, {}],
    ])("%s", (_, spec, { configMaps = [], secrets = [], claims = [] }) => {
        const found = pod(spec);
        expect([...found.configMaps]).toEqual(configMaps);
        expect([...found.secrets]).toEqual(secrets);
        expect([...found.claims]).toEqual(claims);
    });

    test("it runs as some service account", () => {
        expect(pod({}).serviceAccount).toBe("default");
        expect(pod({ serviceAccountName: "robot" }).serviceAccount).toBe("robot");
    });
});
