// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { type Migration, migrate } from "../../nodes/shell/migrate.ts";
import { toEnvelope, toMessage } from "../../nodes/shell/wire.ts";
import { newEnvelope } from "../../src/envelope/envelope.ts";

const NOW_MS = 1_700_000_000_000;
const fresh = (): string => "fresh";

describe("a message becomes an envelope", () => {
    test("and back, unchanged", () => {
        const envelope = newEnvelope({
            route: { source: "edgecontroller", group: "resource", operation: "update", resource: "default/pod/web" },
            content: { kind: "Pod" },
            node: "edge-1",
            parentId: "p",
            resourceVersion: "7",
            timestamp: 5,
            id: "m",
        });
        expect(toEnvelope(toMessage(envelope, fresh), NOW_MS)).toEqual(envelope);
    });

    test("when made by hand: header, time and resource are filled in", () => {
        const envelope = toEnvelope({ topic: "default/pod/web", payload: 1, route: { operation: "query" } }, NOW_MS);
        expect(envelope).toMatchObject({
            header: { timestamp: NOW_MS },
            route: { operation: "query", resource: "default/pod/web" },
            content: 1,
        });
        expect(envelope.header.msg_id).toMatch(/^[0-9a-f-]{36}$/);
    });

    test("when it answers, also without a resource, as a service bus does", () => {
        const route = { source: "servicebus", group: "user", operation: "upload", resource: "" };
        const answer = newEnvelope({ route, content: { status_code: 200 }, parentId: "p" });
        expect(toEnvelope(toMessage(answer, fresh), NOW_MS)).toMatchObject({ header: { parent_msg_id: "p" }, route });
    });

    test("with the resource of the route before the topic", () => {
        const route = { operation: "update", resource: "default/pod/a" };
        expect(toEnvelope({ topic: "something else", route }, NOW_MS).route.resource).toBe("default/pod/a");
    });

    test.each([
        ["no route and no topic", { payload: 1 }, "route.resource"],
        ["no operation", { topic: "a/b/c" }, "route.operation"],
        ["a route that is a text", { topic: "a/b/c", route: "update" }, "route"],
        ["a header that is a list", { topic: "a/b/c", route: { operation: "update" }, header: [] }, "header"],
        ["a node that is a number", { topic: "a/b/c", route: { operation: "update" }, node: 4 }, "node"],
        ["a buffer", { topic: "a/b/c", route: { operation: "update" }, payload: Buffer.from("x") }, "payload"],
    ])("but not with %s", (_, message, field) => {
        expect(() => toEnvelope(message, NOW_MS)).toThrow(
            expect.objectContaining({ code: "REDGE_ENVELOPE_INVALID", details: expect.objectContaining({ field }) }),
        );
    });
});

describe("an envelope becomes a message", () => {
    const envelope = newEnvelope({ route: { operation: "response", resource: "a/b/c" }, content: { list: [1] } });

    test("whose payload is a copy", () => {
        const message = toMessage(envelope, fresh);
        (message.payload as { list: number[] }).list.push(2);
        expect(envelope.content).toEqual({ list: [1] });
    });

    test("that keeps the id and the other properties of the message it belongs to, but not its node", () => {
        const about = { _msgid: "m1", req: { url: "/" }, node: "edge-2", payload: "question" };
        const message = toMessage(envelope, fresh, about);
        expect(message).toMatchObject({ _msgid: "m1", req: { url: "/" }, payload: { list: [1] } });
        expect("node" in message).toBe(false);
    });
});

describe("migrations of a saved node", () => {
    const migrations: readonly Migration[] = [
        { version: 3, up: (def) => ({ websocketPort: def["port"] }) },
        { version: 2, up: () => ({ mode: "internal" }) },
    ];
    const def = { id: "n", type: "probe", port: 1 };

    test("run in order, once each, and record the version", () => {
        expect(migrate(def, migrations)).toMatchObject({ version: 3, mode: "internal", websocketPort: 1 });
        expect(migrate({ ...def, version: 2 }, migrations)).toEqual({ ...def, version: 3, websocketPort: 1 });
    });

    test("leave a current node alone", () => {
        const current = { ...def, version: 3 };
        expect(migrate(current, migrations)).toBe(current);
    });
});
