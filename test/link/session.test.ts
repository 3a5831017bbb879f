// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { formatSession, parseSession } from "../../src/link/session.ts";

describe("the redge-session header", () => {
    test("survives the way there", () => {
        const session = { version: 1, store: "3f2a-b", window: 64 };
        expect(parseSession(formatSession(session))).toEqual(session);
        expect(parseSession(formatSession({ version: 1, window: 256 }))).toEqual({ version: 1, window: 256 });
    });

    test.each([
        [undefined],
        [""],
        ["v=2; window=256"],
        ["v=1; window=0"],
        ["v=1; window=1e9"],
        ["v=1; store=a b; window=2"],
        [`v=1; store=${"x".repeat(600)}`],
        [["v=1", "v=1"]],
    ])("is not taken from %j", (header) => {
        expect(parseSession(header)).toBeUndefined();
    });
});
