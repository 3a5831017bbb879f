// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { EchoGuard } from "../../../src/cloud/edgecontroller/echo-guard.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

const at = (resourceVersion: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", resourceVersion },
});

describe("EchoGuard", () => {
    test("what nobody patches is never held back", () => {
        expect(new EchoGuard().holdsBack("a", at("5"))).toBe(false);
    });

    test("the version the edge was told is its own doing, older ones too, newer ones are not", () => {
        const guard = new EchoGuard();
        guard.begin("a");
        expect(guard.end("a", "10")).toBeUndefined();
        expect(guard.holdsBack("a", at("10"))).toBe(true);
        expect(guard.holdsBack("a", at("9"))).toBe(true);
        expect(guard.holdsBack("a", at("11"))).toBe(false);
    });

    test("versions are compared as numbers of any length", () => {
        const guard = new EchoGuard();
        guard.begin("a");
        guard.end("a", "9007199254740993");
        expect(guard.holdsBack("a", at("9007199254740992"))).toBe(true);
        expect(guard.holdsBack("a", at("9007199254740994"))).toBe(false);
        expect(guard.holdsBack("a", at("10000000000000000"))).toBe(false);
    });

    test("what comes during a patch waits for its end, the newest of it", () => {
        const guard = new EchoGuard();
        guard.begin("a");
        guard.begin("a");
        expect(guard.holdsBack("a", at("11"))).toBe(true);
        expect(guard.holdsBack("a", at("12"))).toBe(true);
        expect(guard.end("a", "11")).toBeUndefined();
        expect(guard.end("a", undefined)?.metadata.resourceVersion).toBe("12");
    });

    test("nothing is kept of what was never told, or is forgotten", () => {
        const guard = new EchoGuard();
        for (let node = 0; node < 100; node += 1) {
            guard.begin(`node/${node}`);
            guard.end(`node/${node}`, undefined);
        }
        expect(guard.size).toBe(0);
        guard.begin("a");
        guard.end("a", "1");
        expect(guard.size).toBe(1);
        guard.forget("a");
        expect(guard.size).toBe(0);
    });
});
