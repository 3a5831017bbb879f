// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { asRecord, asRecords, type JsonRecord } from "../../../src/core/json.ts";
import { definitionFaults } from "./structural-rules.ts";

const FOLDER = join(import.meta.dirname, "../../../deploy/crds");
const shipped = readdirSync(FOLDER).filter((file) => file.endsWith(".yaml"));
const definition = (file: string): JsonRecord => asRecord(parse(readFileSync(join(FOLDER, file), "utf8")));

test("every kind is shipped", () => {
    expect(shipped).toEqual([
        "devices.kubeedge.io_devicemodels.yaml",
        "devices.kubeedge.io_devices.yaml",
        "devices.kubeedge.io_devicestatuses.yaml",
        "reliablesyncs.kubeedge.io_clusterobjectsyncs.yaml",
        "reliablesyncs.kubeedge.io_objectsyncs.yaml",
        "rules.kubeedge.io_ruleendpoints.yaml",
        "rules.kubeedge.io_rules.yaml",
    ]);
});

test.each(shipped)("%s keeps the rules of Kubernetes 1.20, which every later one takes", (file) => {
    const { apiVersion } = definition(file);
    expect(apiVersion).toBe("apiextensions.k8s.io/v1");
    expect(definitionFaults(definition(file))).toEqual([]);
});

/** Paths of the fields that say nothing of themselves, below those that Kubernetes explains. */
function silent(schema: JsonRecord, path: string): string[] {
    const fields = Object.entries({
        ...asRecord(schema["properties"]),
        ...asRecord(asRecord(schema["items"])["properties"]),
    });
    return fields.flatMap(([name, field]) => {
        const at = `${path}.${name}`;
        // Where a KubeEdge mapper pushes to is its own business; the fields are named as in those systems.
        if (/\.pushMethod\.\w+\./.test(at)) return [];
        const below = silent(asRecord(field), at);
        return asRecord(field)["description"] === undefined ? [at, ...below] : below;
    });
}

test.each(shipped.filter((file) => file.startsWith("devices.")))(
    "%s: kubectl explain says what each field is",
    (file) => {
        const [version] = asRecords(asRecord(definition(file)["spec"])["versions"]);
        const schema = asRecord(asRecord(version?.["schema"])["openAPIV3Schema"]);
        const explained = /^\.(apiVersion|kind|metadata|spec)$|\.conditions\.(type|status|observedGeneration)$/;
        expect(silent(schema, "").filter((path) => !explained.test(path))).toEqual([]);
    },
);

describe("the rules notice", () => {
    const schemaWith = (properties: JsonRecord) => ({
        spec: {
            versions: [{ name: "v1", schema: { openAPIV3Schema: { type: "object", properties } } }],
        },
    });

    test.each<[string, JsonRecord, string]>([
        ["a field without type", { a: { description: "x" } }, "versions[v1].a: no type"],
        ["KubeEdge's default of null", { a: { type: "string", default: null } }, "default of null"],
        ["a rule in CEL", { a: { type: "string", "x-kubernetes-validations": [] } }, "x-kubernetes-validations"],
        ["a reference", { a: { $ref: "#/b" } }, "$ref"],
        ["an array of anything", { a: { type: "array" } }, "without items"],
        ["properties beside more", { a: { type: "object", properties: {}, additionalProperties: true } }, "exclude"],
        [
            "a list key that may be absent",
            {
                a: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                    items: { type: "object", properties: { id: { type: "string" } } },
                },
            },
            "the key id",
        ],
        ["a type in a logical part", { a: { type: "object", anyOf: [{ type: "object" }] } }, "type within a logical"],
        ["a restricted name", { metadata: { type: "object", properties: {} } }, "is restricted"],
    ])("%s", (_case, properties, said) => {
        expect(definitionFaults(schemaWith(properties)).join("\n")).toContain(said);
    });

    test("fields of the definition that came later, and columns that are none", () => {
        const columns = [{ name: "A", type: "text", jsonPath: "a" }];
        const version = { name: "v1", selectableFields: [], additionalPrinterColumns: columns };
        const faults = definitionFaults({ spec: { versions: [version] } });
        expect(faults.join("\n")).toMatch(/selectableFields.*no type that a column.*no simple path.*root is no/s);
    });
});
