// SPDX-License-Identifier: Apache-2.0
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { RestContext } from "../rest/context.ts";
import type { ResourceTable } from "../rest/resources.ts";
import type { PathHandler } from "../rest/rest-handler.ts";
import { noSuchPath } from "../rest/status.ts";
import { OpenApiDocuments } from "./documents.ts";

const compress = promisify(gzip);
const JSON_TYPE = "application/json";
/** The name clients ask for has an "@", which their own parsers refuse in an answer. */
const PROTO_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** GET /openapi/v2, /openapi/v3 and below. */
export function openApiHandlers(table: ResourceTable): ReadonlyMap<string, PathHandler> {
    const documents = new OpenApiDocuments(table);
    let protobuf: { readonly generation: number; readonly body: Buffer } | undefined;

    const v2: PathHandler = async (context) => {
        const accept = context.request.headers.accept ?? "";
        if (!accept.includes("proto-openapi") || accept.startsWith(JSON_TYPE))
            return send(context, JSON_TYPE, documents.v2Text());
        if (protobuf?.generation !== table.generation) {
            const { encodeOpenApiV2 } = await import("./gnostic.ts");
            protobuf = { generation: table.generation, body: encodeOpenApiV2(documents.v2()) };
        }
        await send(context, PROTO_V2, protobuf.body);
    };

    const v3: PathHandler = async (context) => {
        const [, , , root, group = "", version = ""] = context.pathname.split("/");
        const text = root === "api" ? documents.v3Text("", group) : documents.v3Text(group, version);
        if (text === undefined) throw noSuchPath();
        await send(context, JSON_TYPE, text);
    };

    return new Map<string, PathHandler>([
        ["/openapi/v2", v2],
        ["/openapi/v3", (context) => send(context, JSON_TYPE, documents.v3Index())],
        ["/openapi/v3/*", v3],
    ]);
}

async function send({ request, response }: RestContext, type: string, content: string | Buffer): Promise<void> {
    const zipped = (request.headers["accept-encoding"] ?? "").includes("gzip");
    const body = zipped ? await compress(content) : Buffer.from(content);
    response.writeHead(200, {
        "Content-Type": type,
        "Content-Length": body.length,
        Vary: "Accept, Accept-Encoding",
        ...(zipped ? { "Content-Encoding": "gzip" } : {}),
    });
    response.end(body);
}
