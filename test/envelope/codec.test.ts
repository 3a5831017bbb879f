// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import { decodeEnvelope, encodeEnvelope } from "../../src/envelope/codec.ts";
import { newEnvelope, responseTo } from "../../src/envelope/envelope.ts";
import { formatResource, parseResource } from "../../src/envelope/resource.ts";

const keepalive =
    '{"header":{"msg_id":"k1","timestamp":1768000000000},"route":{"source":"websocket","group":"resource","operation":"keepalive","resource":"node"},"content":"ping"}\n';

describe("envelope codec", () => {
    test("reads what a Go peer writes, newline and all", () => {
        expect(decodeEnvelope(keepalive)).toEqual({
            header: { msg_id: "k1", timestamp: 1768000000000 },
            route: { source: "websocket", group: "resource", operation: "keepalive", resource: "node" },
            content: "ping",
        });
    });

    test("always writes the content key and never the node", () => {
        const wire = JSON.parse(
            encodeEnvelope(
                newEnvelope({ route: { operation: "query", resource: "a/pod/b" }, content: undefined, node: "edge-1" }),
            ),
        );
        expect(wire.content).toBeNull();
        expect(Object.keys(wire)).toEqual(["header", "route", "content"]);
    });

    test("whatever text comes, it is an envelope or a REDGE_ENVELOPE_ error", () => {
        fc.assert(
            fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
                try {
                    decodeEnvelope(text);
                } catch (thrown) {
                    if (!isRedgeError(thrown, "REDGE_ENVELOPE_INVALID", "REDGE_ENVELOPE_NOT_JSON")) throw thrown;
                }
            }),
        );
    });

    test("round trip of any content", () => {
        fc.assert(
            fc.property(fc.jsonValue(), (content) => {
                const sent = newEnvelope({ route: { operation: "update", resource: "a/b/c" }, content });
                expect(decodeEnvelope(encodeEnvelope(sent))).toEqual(JSON.parse(JSON.stringify(sent)));
            }),
        );
    });
});

describe("responseTo", () => {
    test("echoes resource and node, sets the parent, has an id of its own", () => {
        const request = newEnvelope({
            route: { source: "edged", group: "meta", operation: "query", resource: "d/configmap/c" },
            content: null,
            node: "e",
        });
        const response = responseTo(request, "OK", { source: "edgecontroller", group: "resource" });
        expect(response.header.parent_msg_id).toBe(request.header.msg_id);
        expect(response.header.msg_id).not.toBe(request.header.msg_id);
        expect(response.node).toBe("e");
        expect(response.route).toEqual({
            source: "edgecontroller",
            group: "resource",
            operation: "response",
            resource: "d/configmap/c",
        });
    });
});

describe("resource names", () => {
    test("cluster scope is the word null", () => {
        expect(formatResource(undefined, "node", "edge-1")).toBe("null/node/edge-1");
        expect(parseResource("null/node/edge-1")).toEqual({ namespace: "null", type: "node", name: "edge-1" });
        expect(parseResource("default/podlist")).toEqual({ namespace: "default", type: "podlist" });
        expect(parseResource("node")).toBeUndefined();
    });
});
