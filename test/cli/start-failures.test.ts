// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { StartFailures } from "../../cli/host/start-failures.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";

const twice = new RedgeError("REDGE_NODE_TWICE", { type: "kubeedge-devicetwin", other: "mine" });

test("a node that the role can do without ends no start; it is said once, after the start", async () => {
    const lines: string[] = [];
    const failures = new StartFailures(["kubeedge-edged"], (line) => lines.push(line));
    failures.take(twice, "kubeedge-store");
    failures.take(twice, "kubeedge-devicetwin");
    expect(lines).toEqual([]);
    failures.started();
    expect(lines).toEqual([expect.stringMatching(/^Another kubeedge-devicetwin node \(mine\).*\[REDGE_NODE_TWICE\]$/)]);
    failures.take(new Error("later"), "kubeedge-edged");
    expect(lines.slice(1)).toEqual(["later"]);
    expect(await Promise.race([failures.fatal, "none"])).toBe("none");
});

test("one that the role is nothing without ends it with its reason, and that alone is said", async () => {
    const lines: string[] = [];
    const failures = new StartFailures(["kubeedge-edged"], (line) => lines.push(line));
    failures.take(twice, "kubeedge-store");
    failures.take(twice, "kubeedge-edged");
    await expect(failures.fatal).rejects.toBe(twice);
    expect(lines).toEqual([]);
});
