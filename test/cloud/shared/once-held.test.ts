// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { OnceHeld } from "../../../src/cloud/shared/once-held.ts";

test("what nodes once held is remembered by node, the newest of it", () => {
    const held = new OnceHeld();
    for (let n = 0; n < 65; n += 1) held.add("a", `secret/default/${n}`);
    held.add("b", "secret/default/own");
    expect(held.has("a", "secret/default/0")).toBe(false);
    expect(held.has("a", "secret/default/1")).toBe(true);
    expect(held.has("a", "secret/default/64")).toBe(true);
    expect(held.has("a", "secret/default/own")).toBe(false);
    held.forget("a");
    expect(held.has("a", "secret/default/64")).toBe(false);
    expect(held.has("b", "secret/default/own")).toBe(true);
});

test("what is held again and lost again is new again", () => {
    const held = new OnceHeld();
    for (let n = 0; n < 64; n += 1) held.add("a", String(n));
    held.add("a", "0");
    held.add("a", "64");
    expect(held.has("a", "0")).toBe(true);
    expect(held.has("a", "1")).toBe(false);
});

test("nodes that come and go leave no trace for ever", () => {
    const held = new OnceHeld();
    for (let n = 0; n < 10_001; n += 1) held.add(`node-${n}`, "pod/default/p");
    expect(held.has("node-0", "pod/default/p")).toBe(false);
    expect(held.has("node-10000", "pod/default/p")).toBe(true);
});
