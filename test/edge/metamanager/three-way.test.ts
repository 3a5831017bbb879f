// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { desired, mergeChanges } from "../../../src/edge/metamanager/three-way.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

function made(data: unknown, version: string, more: object = {}): KubeObject {
    return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", resourceVersion: version, ...more }, data };
}

describe("joining a change made here with the cluster's", () => {
    it.each([
        ["a field each", { a: "1", b: "1" }, { a: "2", b: "1" }, { a: "1", b: "2" }, { a: "2", b: "2" }, []],
        ["the same on both sides", { a: "1" }, { a: "2" }, { a: "2" }, { a: "2" }, []],
        ["the same field, differently", { a: "1" }, { a: "2" }, { a: "3" }, { a: "3" }, ["data.a"]],
        ["removed here", { a: "1", b: "1" }, { b: "1" }, { a: "1", b: "2" }, { b: "2" }, []],
        ["removed there", { a: "1", b: "1" }, { a: "1", b: "2" }, { b: "1" }, { b: "2" }, []],
        ["removed here, changed there", { a: "1" }, {}, { a: "2" }, { a: "2" }, ["data.a"]],
        ["a list counts as one", { l: [1] }, { l: [1, 2] }, { l: [0, 1] }, { l: [0, 1] }, ["data.l"]],
        ["another type there", { a: { b: 1 } }, { a: { b: 2 } }, { a: "x" }, { a: "x" }, ["data.a"]],
    ])("%s", (_, base, local, remote, expected, conflicts) => {
        const merged = mergeChanges(made(base, "1"), made(local, "1"), made(remote, "2"));
        expect(merged.object["data"]).toEqual(expected);
        expect(merged.conflicts).toEqual(conflicts);
        expect(merged.object.metadata.resourceVersion).toBe("2");
    });

    it("keeps what the server sets, and the cluster's status", () => {
        const base = made({}, "1", { uid: "u", generation: 1 });
        const local = { ...made({}, "1", { uid: "mine", labels: { a: "1" } }), status: { phase: "here" } };
        const remote = { ...made({}, "7", { uid: "u", generation: 4 }), status: { phase: "there" } };
        const { object, differs } = mergeChanges(base, local, remote);
        expect(object).toEqual({ ...remote, metadata: { ...remote.metadata, labels: { a: "1" } } });
        expect(differs).toBe(true);
    });

    it("for any objects: no change here gives the cluster's, no change there ours, and no conflict is no loss", () => {
        const data = fc.dictionary(
            fc.constantFrom("a", "b", "c"),
            fc.oneof(fc.integer(), fc.dictionary(fc.constantFrom("x", "y"), fc.integer())),
        );
        fc.assert(
            fc.property(data, data, data, (base, local, remote) => {
                const [b, l, r] = [made(base, "1"), made(local, "1"), made(remote, "2")];
                expect(mergeChanges(b, b, r)).toMatchObject({ conflicts: [], differs: false });
                expect(desired(mergeChanges(b, l, b).object)).toEqual(desired(l));
                const { object, conflicts } = mergeChanges(b, l, r);
                // Taking in the same state once more changes nothing.
                if (conflicts.length === 0) expect(mergeChanges(r, object, r).object).toEqual(object);
            }),
        );
    });
});
