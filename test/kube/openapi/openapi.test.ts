// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { builtinResources } from "../../../src/kube/builtin/resources.ts";
import { resourcesOf } from "../../../src/kube/custom/definition.ts";
import { builtinSchema } from "../../../src/kube/openapi/builtin.ts";
import { OpenApiDocuments } from "../../../src/kube/openapi/documents.ts";
import { encodeOpenApiV2 } from "../../../src/kube/openapi/gnostic.ts";
import { type Findings, inspect, prune } from "../../../src/kube/openapi/schema.ts";
import { ResourceTable } from "../../../src/kube/rest/resources.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

const references = (document: unknown): Set<string> =>
    new Set(
        [...JSON.stringify(document).matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)].map(
            ([, name]) => name ?? "",
        ),
    );

const widget = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.com" },
    spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { kind: "Widget", plural: "widgets" },
        versions: [
            {
                name: "v1",
                served: true,
                storage: true,
                schema: {
                    openAPIV3Schema: {
                        type: "object",
                        properties: {
                            spec: {
                                type: "object",
                                properties: {
                                    port: { "x-kubernetes-int-or-string": true },
                                    size: { type: "integer", nullable: true },
                                },
                            },
                        },
                    },
                },
            },
        ],
    },
} as unknown as KubeObject;

function table(): ResourceTable {
    const made = new ResourceTable();
    for (const resource of builtinResources()) made.set(resource);
    return made;
}

describe("OpenAPI documents", () => {
    it("refer to nothing that is missing", () => {
        const documents = new OpenApiDocuments(table());
        const v2 = documents.v2();
        for (const name of references(v2)) expect(v2["definitions"]).toHaveProperty([name]);
        const apps = JSON.parse(documents.v3Text("apps", "v1") ?? "{}") as { components: { schemas: object } };
        for (const name of references(apps)) expect(apps.components.schemas).toHaveProperty([name]);
    });

    it("follow the table: a custom kind comes and goes", () => {
        const served = table();
        const documents = new OpenApiDocuments(served);
        expect(documents.v3Text("example.com", "v1")).toBeUndefined();
        const before = documents.v3Index();
        const [resource] = resourcesOf(widget);
        if (resource === undefined) throw new Error("not served");
        served.set(resource);
        expect(documents.v3Text("example.com", "v1")).toContain("fieldValidation");
        expect(documents.v3Index()).toContain("apis/example.com/v1");
        expect(documents.v3Index()).not.toBe(before);
        expect(documents.v2()["definitions"]).toHaveProperty(["com.example.v1.Widget", "properties", "spec"]);
        served.delete(resource);
        expect(documents.v3Index()).toBe(before);
    });

    it("are written as protocol buffers that a reader can walk", () => {
        const document = new OpenApiDocuments(table()).v2();
        const encoded = encodeOpenApiV2(document);
        const fields = topLevelFields(encoded);
        expect(fields.get(1)?.[0]?.toString()).toBe("2.0");
        expect(fields.get(9)).toHaveLength(1);
        const definitions = topLevelFields(fields.get(9)?.[0] ?? Buffer.alloc(0)).get(1) ?? [];
        expect(definitions.length).toBe(Object.keys(document["definitions"] as object).length);
        const names = definitions.map((one) => topLevelFields(one).get(1)?.[0]?.toString());
        expect(names).toContain("io.k8s.api.core.v1.Pod");
    });
});

/** Length-delimited fields of one message, by number. */
function topLevelFields(message: Buffer): Map<number, Buffer[]> {
    const found = new Map<number, Buffer[]>();
    let at = 0;
    const varint = (): number => {
        let value = 0;
        let scale = 1;
        for (;;) {
            const byte = message[at++] ?? 0;
            value += (byte & 127) * scale;
            if (byte < 128) return value;
            scale *= 128;
        }
    };
    while (at < message.length) {
        const key = varint();
        if ((key & 7) === 0) varint();
        else if ((key & 7) === 1) at += 8;
        else {
            const length = varint();
            const list = found.get(key >> 3) ?? [];
            list.push(message.subarray(at, at + length));
            found.set(key >> 3, list);
            at += length;
        }
    }
    return found;
}

describe("schemas of built-in kinds", () => {
    it("cover every served kind that clients write", () => {
        const missing = builtinResources().filter(
            (resource) => resource.verbs.includes("update") && builtinSchema(resource) === undefined,
        );
        expect(missing.map(({ kind }) => kind)).toEqual([]);
    });

    it("find unknown fields, wrong types and what is missing, and drop nulls", () => {
        const schema = builtinSchema({ group: "apps", version: "v1", kind: "Deployment" });
        if (schema === undefined) throw new Error("no schema");
        const object = {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: "d", labels: null },
            spec: {
                replicas: "2",
                selector: {},
                strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: "25%" } },
                template: { spec: { containers: [{ image: 5, imagee: "x" }] } },
            },
        };
        const findings: Findings = { unknown: [], wrongType: [], missing: [] };
        inspect(schema, object, "", findings);
        expect(findings.unknown).toEqual(["spec.template.spec.containers[0].imagee"]);
        expect(findings.wrongType).toEqual([
            { path: "spec.replicas", found: "string", wanted: "integer" },
            { path: "spec.template.spec.containers[0].image", found: "number", wanted: "string" },
        ]);
        expect(findings.missing).toEqual(["spec.template.spec.containers[0].name"]);
        expect(object.metadata).not.toHaveProperty("labels");
        prune(schema, object);
        expect(JSON.stringify(object)).not.toContain("imagee");
    });

    it("know the fields of newer releases", () => {
        const schema = builtinSchema({ group: "", version: "v1", kind: "Pod" })?.property("spec");
        for (const field of ["os", "schedulingGates", "hostUsers", "resourceClaims"])
            expect(schema?.property(field)).toBeDefined();
        expect(schema?.property("containers")?.items?.property("restartPolicy")).toBeDefined();
        expect(schema?.property("constructor")).toBeUndefined();
    });
});
