// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { defaultDefinition, resourcesOf, validateDefinition } from "../../../src/kube/custom/definition.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { SchemaValidator } from "../../../src/kube/validation/schema-validator.ts";
import { applyDefaults, pruneUnknown } from "../../../src/kube/validation/structural.ts";

const SCHEMA = {
    type: "object",
    properties: {
        spec: {
            type: "object",
            required: ["size"],
            properties: {
                size: { type: "integer", minimum: 1, maximum: 10 },
                ratio: { type: "number", minimum: 0, exclusiveMinimum: true },
                name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
                colour: { type: "string", enum: ["red", "green"], default: "red" },
                port: { "x-kubernetes-int-or-string": true },
                note: { type: "string", nullable: true },
                list: {
                    type: "array",
                    maxItems: 2,
                    items: {
                        type: "object",
                        required: ["id"],
                        properties: { id: { type: "string" }, on: { type: "boolean", default: true } },
                    },
                },
                map: { type: "object", additionalProperties: { type: "integer" } },
                free: {
                    type: "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                    properties: { known: { type: "object", properties: { a: { type: "string" } } } },
                },
                when: { type: "string", format: "date-time" },
            },
        },
    },
};
const thing = (spec: Record<string, unknown>): KubeObject => ({
    apiVersion: "example.com/v1",
    kind: "Thing",
    metadata: { name: "t" },
    spec,
});
const errors = (spec: Record<string, unknown>): string[] =>
    new SchemaValidator(SCHEMA).errors(thing(spec)).map(({ field, detail }) => `${field}: ${detail}`);

describe("custom resource schemas", () => {
    it.each([
        [{ size: 1 }],
        [
            {
                size: 10,
                ratio: 0.1,
                name: "abc",
                colour: "green",
                port: 80,
                note: null,
                list: [{ id: "a" }],
                map: { a: 1 },
                free: { x: [1] },
                when: "2026-01-01T00:00:00Z",
            },
        ],
        [{ size: 2, port: "http" }],
    ])("take %j", (spec) => {
        expect(errors(spec)).toEqual([]);
    });

    it.each([
        [{}, "spec.size: Required value"],
        [{ size: 0 }, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"],
        [{ size: 11 }, "spec.size in body should be less than or equal to 10"],
        [{ size: "1" }, 'spec.size in body must be of type integer: "string"'],
        [{ size: 1, ratio: 0 }, "spec.ratio"],
        [{ size: 1, name: "ABC" }, "spec.name in body should match '^[a-z]+$'"],
        [{ size: 1, name: "abcdef" }, "Too long: may not be more than 5 bytes"],
        [{ size: 1, colour: "blue" }, 'Unsupported value: "blue": supported values: "red", "green"'],
        [{ size: 1, port: true }, "spec.port"],
        [{ size: 1, list: [{}] }, "spec.list[0].id: Required value"],
        [{ size: 1, list: [{ id: "a" }, { id: "b" }, { id: "c" }] }, "Too many: 3: must have at most 2 items"],
        [{ size: 1, map: { a: "x" } }, "spec.map.a"],
        [{ size: 1, when: "yesterday" }, "spec.when"],
    ])("refuse %j", (spec, text) => {
        expect(errors(spec).join("\n")).toContain(text);
    });

    it("refuse items that come twice in sets and maps, wherever those are", () => {
        const map = {
            type: "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            items: {
                type: "object",
                properties: { port: { type: "integer" }, protocol: { type: "string", default: "TCP" } },
            },
        };
        const set = { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } };
        const atomic = { type: "array", items: { type: "string" } };
        const below = { type: "object", properties: { set, map, atomic } };
        const schema = { type: "object", properties: { spec: { type: "object", additionalProperties: below } } };
        const spec = {
            a: { set: ["x", "y", "x"], atomic: ["x", "x"] },
            b: { map: [{ port: 1 }, { port: 2 }, { port: 1, protocol: "UDP" }, { port: 1, protocol: "TCP" }] },
        };
        const said = new SchemaValidator(schema).errors({ spec }).map(({ field, detail }) => `${field}: ${detail}`);
        expect(said).toEqual([
            'spec.a.set[2]: Duplicate value: "x"',
            'spec.b.map[3]: Duplicate value: {"port":1,"protocol":"TCP"}',
        ]);
    });

    it("prune what they do not know and tell where it was", () => {
        const object = {
            ...thing({
                size: 1,
                extra: 1,
                list: [{ id: "a", more: 2 }],
                map: { any: 1 },
                free: { kept: { deep: 1 }, known: { a: "x", b: "y" } },
            }),
            stray: true,
        };
        expect(pruneUnknown(SCHEMA, object)).toEqual(["spec.extra", "spec.list[0].more", "spec.free.known.b", "stray"]);
        expect(object).toEqual(
            thing({ size: 1, list: [{ id: "a" }], map: { any: 1 }, free: { kept: { deep: 1 }, known: { a: "x" } } }),
        );
    });

    it("fill defaults, also within lists and where null is not allowed", () => {
        const object = thing({ size: 1, colour: null, note: null, list: [{ id: "a" }, { id: "b", on: false }] });
        applyDefaults(SCHEMA, object);
        expect(object["spec"]).toEqual({
            size: 1,
            colour: "red",
            note: null,
            list: [
                { id: "a", on: true },
                { id: "b", on: false },
            ],
        });
    });
});

describe("custom resource definitions", () => {
    const definition = (more: Record<string, unknown> = {}): KubeObject => {
        const object = {
            apiVersion: "apiextensions.k8s.io/v1",
            kind: "CustomResourceDefinition",
            metadata: { name: "things.example.com" },
            spec: {
                group: "example.com",
                scope: "Namespaced",
                names: { kind: "Thing", plural: "things" },
                versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: SCHEMA } }],
                ...more,
            },
        } as unknown as KubeObject;
        defaultDefinition(object);
        return object;
    };
    const wrong = (more: Record<string, unknown>): string =>
        validateDefinition(definition(more), undefined)
            .map(({ field, detail }) => `${field} ${detail}`)
            .join("\n");

    it("are checked", () => {
        expect(wrong({})).toBe("");
        expect(wrong({ group: "other.com" })).toContain("metadata.name");
        expect(wrong({ scope: "Global" })).toContain("spec.scope");
        expect(
            wrong({ versions: [{ name: "v1", served: true, storage: false, schema: { openAPIV3Schema: SCHEMA } }] }),
        ).toContain("exactly one version");
        expect(wrong({ versions: [{ name: "v1", served: true, storage: true }] })).toContain("schemas are required");
        expect(
            wrong({
                versions: [
                    {
                        name: "v1",
                        served: true,
                        storage: true,
                        schema: {
                            openAPIV3Schema: { type: "object", properties: { a: { type: "string", pattern: "(" } } },
                        },
                    },
                ],
            }),
        ).toContain("openAPIV3Schema");
    });

    it("serve each served version, converted by name only", () => {
        const versions = ["v1alpha1", "v1"].map((name) => ({
            name,
            served: true,
            storage: name === "v1",
            schema: { openAPIV3Schema: SCHEMA },
        }));
        const [old, current] = resourcesOf(definition({ versions }));
        expect(old?.present?.(thing({ size: 1 })).apiVersion).toBe("example.com/v1alpha1");
        expect(old?.absorb?.(thing({ size: 1 })).apiVersion).toBe("example.com/v1");
        expect(current?.present).toBeUndefined();
        expect(current).toMatchObject({ singular: "thing", listKind: "ThingList", plural: "things" });
    });

    const shipped = join(import.meta.dirname, "../../../deploy/crds");
    it.each(readdirSync(shipped).filter((file) => file.endsWith(".yaml")))("%s is valid", (file) => {
        const object = parse(readFileSync(join(shipped, file), "utf8")) as KubeObject;
        defaultDefinition(object);
        expect(validateDefinition(object, undefined)).toEqual([]);
    });
});
