// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/core/config.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";

const schema = {
    type: "object",
    properties: {
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "integer", minimum: 0, maximum: 65535, default: 10000 },
        tls: { type: "boolean", default: true },
        nodeName: { type: "string", minLength: 1 },
    },
    required: ["nodeName"],
} as const;

describe("parseConfig", () => {
    test("coerces what the editor stores, applies defaults, drops what it does not know", () => {
        const config = parseConfig(schema, { id: "n1", nodeName: "edge", port: "1884", tls: "false", host: "" });
        expect(config).toEqual({ nodeName: "edge", port: 1884, tls: false, host: "127.0.0.1" });
        expect(Object.isFrozen(config)).toBe(true);
    });

    test("an environment reference that nothing defined counts as not given", () => {
        expect(parseConfig(schema, { nodeName: "edge", port: "${REDGE_PORT}" })).toMatchObject({ port: 10000 });
    });

    test("names the field that is wrong", () => {
        const attempt = (raw: unknown): RedgeError | undefined => {
            try {
                parseConfig(schema, raw);
            } catch (thrown) {
                if (thrown instanceof RedgeError) return thrown;
            }
            return undefined;
        };
        expect(attempt({ nodeName: "edge", port: "70000" })).toMatchObject({
            code: "REDGE_CONFIG_INVALID",
            details: { field: "port" },
        });
        expect(attempt({})).toMatchObject({ details: { field: "nodeName", reason: "is missing" } });
        expect(attempt({ nodeName: "${REDGE_NODE_NAME}" })).toMatchObject({ details: { field: "nodeName" } });
    });

    test("does not change what it was given", () => {
        const raw = Object.freeze({ nodeName: "edge", port: "1" });
        parseConfig(schema, raw);
        expect(raw.port).toBe("1");
    });
});
