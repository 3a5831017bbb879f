// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { catalogue } from "../../src/core/errors/catalogue.ts";
import { isRedgeError, RedgeError } from "../../src/core/errors/redge-error.ts";
import { createLogger, redact } from "../../src/core/log.ts";

describe("error catalogue", () => {
    test("every code is of the form REDGE_<AREA>_<CAUSE> and says what, why and how to mend it", () => {
        for (const [code, entry] of Object.entries(catalogue)) {
            expect(code).toMatch(/^REDGE_[A-Z0-9]+(_[A-Z0-9]+)+$/);
            for (const text of [entry.message, entry.cause, entry.remedy])
                expect(text.length, code).toBeGreaterThan(10);
            expect(entry.message, code).not.toMatch(/\.$/);
        }
    });

    test("docs/errors.md documents exactly the codes there are", () => {
        const page = readFileSync(join(import.meta.dirname, "../../docs/errors.md"), "utf8");
        const documented = [...page.matchAll(/^## (REDGE_\w+)$/gm)].map(([, code]) => code);
        expect(documented).toEqual(Object.keys(catalogue).sort());
    });

    test("details fill the message and the remedy, and a code can be asked for", () => {
        const error = new RedgeError("REDGE_STORE_NEWER", { path: "/x", found: 3, known: 1 });
        expect(error.message).toContain("/x");
        expect(error.message).toContain("3");
        expect(isRedgeError(error, "REDGE_STORE_NEWER")).toBe(true);
        expect(isRedgeError(error, "REDGE_CONFIG_INVALID")).toBe(false);
    });
});

describe("log", () => {
    test("never shows a secret", () => {
        const lines: string[] = [];
        const log = createLogger((_level, text, fields) => lines.push(text + JSON.stringify(fields)));
        log.child({ token: "s3cr3t" }).warn("refused Authorization: Bearer s3cr3t.abc", {
            nested: { password: "s3cr3t" },
        });
        expect(lines.join()).not.toContain("s3cr3t");
        expect(redact("-----BEGIN EC PRIVATE KEY-----\ns3cr3t\n-----END EC PRIVATE KEY-----")).not.toContain("s3cr3t");
    });
});
