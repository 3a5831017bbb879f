// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeProtobuf } from "../../../src/kube/protobuf/decode.ts";
import { kubectlBodies } from "./kubectl-bodies.ts";

const decoded = (name: keyof typeof kubectlBodies): unknown =>
    decodeProtobuf(Buffer.from(kubectlBodies[name], "base64"));

describe("decodeProtobuf", () => {
    it("keeps a zero that was set and leaves out one that was not", () => {
        expect(decoded("deployment")).toEqual({
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: "web", labels: { app: "web" } },
            spec: {
                replicas: 0,
                selector: { matchLabels: { app: "web" } },
                template: {
                    metadata: { labels: { app: "web" } },
                    spec: {
                        containers: [
                            { name: "nginx", image: "nginx:1", ports: [{ containerPort: 80 }], resources: {} },
                        ],
                    },
                },
                strategy: {},
            },
            status: { replicas: 0 },
        });
    });

    it("reads maps, bytes, quantities, numbers-or-texts and embedded fields as their JSON", () => {
        expect(decoded("secret")).toMatchObject({ metadata: { name: "s" }, data: { a: "Yg==" } });
        expect(decoded("configMap")).toMatchObject({ data: { k: "v", e: "" } });
        expect(decoded("quota")).toMatchObject({ spec: { hard: { cpu: "1", pods: "2" } } });
        expect(decoded("service")).toMatchObject({
            spec: { type: "NodePort", ports: [{ port: 80, targetPort: "http" }], selector: { app: "np" } },
        });
        expect(decoded("ingress")).toMatchObject({
            spec: { rules: [{ host: "foo.com", http: { paths: [{ path: "/bar", pathType: "Exact" }] } }] },
        });
        expect(decoded("job")).toMatchObject({
            spec: { template: { spec: { containers: [{ command: ["sleep", "1"] }] } } },
        });
        expect(decoded("token")).toMatchObject({ kind: "TokenRequest", spec: { expirationSeconds: 600 } });
        expect(decoded("serviceAccount")).toEqual({
            apiVersion: "v1",
            kind: "ServiceAccount",
            metadata: { name: "sa" },
        });
    });

    it("refuses what is no Kubernetes object, however it is damaged, without ever hanging or crashing", () => {
        const good = Buffer.from(kubectlBodies.deployment, "base64");
        expect(() => decodeProtobuf(Buffer.from("{}"))).toThrow("mark of Kubernetes");
        void fc.assert(
            fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
                const bad = Buffer.from(good);
                bad[at] = byte;
                try {
                    expect(typeof decodeProtobuf(bad)).toBe("object");
                } catch (thrown) {
                    expect(thrown).toBeInstanceOf(Error);
                }
            }),
        );
        expect(() => decodeProtobuf(good.subarray(0, good.length - 20))).toThrow("a field is cut off");
    });

    it("names a kind it does not know", () => {
        const typeMeta = Buffer.concat([field(1, "example.com/v1"), field(2, "Gadget")]);
        const body = Buffer.concat([Buffer.from("k8s\0"), field(1, typeMeta)]);
        expect(() => decodeProtobuf(body)).toThrow("example.com/v1 Gadget is not known in protobuf; send it as JSON");
    });
});

function field(number: number, value: string | Buffer): Buffer {
    return Buffer.concat([Buffer.from([number * 8 + 2, value.length]), Buffer.from(value)]);
}
