// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, isRecord, type JsonRecord } from "../../core/json.ts";
import { ProtoWriter } from "./protobuf.ts";

/**
 * OpenAPI v2 in the protocol buffer form of gnostic (OpenAPIv2.proto), which kubectl up to 1.26 asks for and does not
 * take as JSON. Field numbers are those of that file; only what the documents made here contain is written.
 */
export function encodeOpenApiV2(document: JsonRecord): Buffer {
    const writer = new ProtoWriter().text(1, document["swagger"]);
    const info = asRecord(document["info"]);
    writer.message(2, (inner) => inner.text(1, info["title"]).text(2, info["version"]));
    writer.message(8, (paths) => {
        for (const [path, item] of Object.entries(asRecord(document["paths"]))) {
            paths.message(2, (named) =>
                named.text(1, path).message(2, (inner) => writePathItem(inner, asRecord(item))),
            );
        }
    });
    writer.message(9, (definitions) => writeNamedSchemas(definitions, document["definitions"]));
    return writer.finish();
}

const METHODS: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 };

function writePathItem(writer: ProtoWriter, item: JsonRecord): void {
    for (const [method, field] of Object.entries(METHODS)) {
        const operation = item[method];
        if (isRecord(operation)) writer.message(field, (inner) => writeOperation(inner, operation));
    }
}

function writeOperation(writer: ProtoWriter, operation: JsonRecord): void {
    for (const parameter of asRecords(operation["parameters"])) {
        writer.message(8, (item) => item.message(1, (one) => writeParameter(one, parameter)));
    }
    writer.message(9, (responses) => {
        for (const [code, response] of Object.entries(asRecord(operation["responses"]))) {
            responses.message(1, (named) =>
                named
                    .text(1, code)
                    .message(2, (value) => value.message(1, (inner) => writeResponse(inner, asRecord(response)))),
            );
        }
    });
    writeExtensions(writer, 13, operation);
}

/** Parameter: body (1) or non-body (2); of the latter, query (3). */
function writeParameter(writer: ProtoWriter, parameter: JsonRecord): void {
    if (parameter["in"] === "body") {
        const schema = asRecord(parameter["schema"]);
        writer.message(1, (body) =>
            body
                .text(2, parameter["name"])
                .text(3, "body")
                .flag(4, parameter["required"])
                .message(5, (inner) => writeSchema(inner, schema)),
        );
        return;
    }
    writer.message(2, (nonBody) =>
        nonBody.message(3, (query) => query.text(2, "query").text(4, parameter["name"]).text(6, parameter["type"])),
    );
}

function writeResponse(writer: ProtoWriter, response: JsonRecord): void {
    const schema = response["schema"];
    writer.text(1, response["description"]);
    if (isRecord(schema)) writer.message(2, (item) => item.message(1, (inner) => writeSchema(inner, schema)));
}

function writeNamedSchemas(writer: ProtoWriter, schemas: unknown): void {
    for (const [name, schema] of Object.entries(asRecord(schemas))) {
        writer.message(1, (named) => named.text(1, name).message(2, (inner) => writeSchema(inner, asRecord(schema))));
    }
}

function writeSchema(writer: ProtoWriter, schema: JsonRecord): void {
    writer.text(1, schema["$ref"]).text(2, schema["format"]).text(3, schema["title"]).text(4, schema["description"]);
    writer.double(7, schema["maximum"]).double(9, schema["minimum"]);
    writer.integer(11, schema["maxLength"]).integer(12, schema["minLength"]).text(13, schema["pattern"]);
    writer.texts(19, schema["required"]);
    const { additionalProperties, items, properties, type } = schema;
    if (isRecord(additionalProperties))
        writer.message(21, (item) => item.message(1, (inner) => writeSchema(inner, additionalProperties)));
    else if (additionalProperties === true) writer.message(21, (item) => item.flag(2, true));
    if (typeof type === "string") writer.message(22, (item) => item.texts(1, [type]));
    if (isRecord(items)) writer.message(23, (item) => item.message(1, (inner) => writeSchema(inner, items)));
    if (isRecord(properties)) writer.message(25, (inner) => writeNamedSchemas(inner, properties));
    writeExtensions(writer, 31, schema);
}

/** Extensions carry YAML text; JSON is YAML. */
function writeExtensions(writer: ProtoWriter, field: number, holder: JsonRecord): void {
    for (const [name, value] of Object.entries(holder)) {
        if (!name.startsWith("x-")) continue;
        writer.message(field, (named) =>
            named.text(1, name).message(2, (any) => any.text(2, `${JSON.stringify(value)}\n`)),
        );
    }
}
