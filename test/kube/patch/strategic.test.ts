// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { builtinSchema } from "../../../src/kube/openapi/builtin.ts";
import { PatchError } from "../../../src/kube/patch/json-patch.ts";
import { applyStrategicPatch } from "../../../src/kube/patch/strategic.ts";

const pods = builtinSchema({ group: "", version: "v1", kind: "Pod" });
const services = builtinSchema({ group: "", version: "v1", kind: "Service" });
const deployments = builtinSchema({ group: "apps", version: "v1", kind: "Deployment" });

const containers = (...list: unknown[]): Record<string, unknown> => ({ spec: { containers: list } });
const names = (pod: Record<string, unknown>): unknown =>
    ((pod["spec"] as Record<string, unknown>)["containers"] as { name: string }[]).map(({ name }) => name);

describe("strategic merge patch", () => {
    it("merges list elements by their key and leaves the others", () => {
        const pod = containers({ name: "a", image: "1", env: [{ name: "X", value: "1" }] }, { name: "b", image: "1" });
        const patched = applyStrategicPatch(
            pod,
            containers({ name: "a", image: "2", env: [{ name: "Y", value: "2" }] }),
            pods,
        );
        const list = (patched["spec"] as { containers: Record<string, unknown>[] }).containers;
        expect(list.find(({ name }) => name === "a")).toMatchObject({ image: "2" });
        expect(list.find(({ name }) => name === "a")?.["env"]).toHaveLength(2);
        expect(list.find(({ name }) => name === "b")).toEqual({ name: "b", image: "1" });
    });

    it("deletes elements and fields", () => {
        const pod = containers({ name: "a", image: "1", command: ["x"] }, { name: "b" });
        const patched = applyStrategicPatch(
            pod,
            containers({ name: "b", $patch: "delete" }, { name: "a", command: null }),
            pods,
        );
        expect(patched).toEqual(containers({ name: "a", image: "1" }));
    });

    it("orders elements as $setElementOrder says", () => {
        const pod = containers({ name: "a" }, { name: "b" });
        const patch = {
            spec: {
                "$setElementOrder/containers": [{ name: "c" }, { name: "b" }, { name: "a" }],
                containers: [{ name: "c" }],
            },
        };
        expect(names(applyStrategicPatch(pod, patch, pods))).toEqual(["c", "b", "a"]);
    });

    it("replaces lists that have no merge key", () => {
        const pod = containers({ name: "a", command: ["x", "y"] });
        expect(applyStrategicPatch(pod, containers({ name: "a", command: ["z"] }), pods)).toEqual(
            containers({ name: "a", command: ["z"] }),
        );
    });

    it("merges lists of plain values as sets and removes from them", () => {
        const object = { metadata: { finalizers: ["a", "b"] } };
        expect(applyStrategicPatch(object, { metadata: { finalizers: ["c"] } }, pods)["metadata"]).toEqual({
            finalizers: expect.arrayContaining(["a", "b", "c"]) as unknown,
        });
        const removal = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } };
        expect(applyStrategicPatch(object, removal, pods)["metadata"]).toEqual({ finalizers: ["b"] });
    });

    it("replaces an object or a list on demand", () => {
        const pod = { metadata: { labels: { a: "1", b: "2" } } };
        expect(applyStrategicPatch(pod, { metadata: { labels: { $patch: "replace", c: "3" } } }, pods)).toEqual({
            metadata: { labels: { c: "3" } },
        });
        const replaced = applyStrategicPatch(
            containers({ name: "a" }, { name: "b" }),
            containers({ name: "c" }, { $patch: "replace" }),
            pods,
        );
        expect(names(replaced)).toEqual(["c"]);
    });

    it("keeps only what $retainKeys names", () => {
        const deployment = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
        const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
        expect(applyStrategicPatch(deployment, patch, deployments)).toEqual({
            spec: { strategy: { type: "Recreate" } },
        });
    });

    it("merges service ports by port", () => {
        const service = { spec: { ports: [{ port: 80, name: "http" }] } };
        const patched = applyStrategicPatch(
            service,
            {
                spec: {
                    ports: [
                        { port: 443, name: "https" },
                        { port: 80, nodePort: 30080 },
                    ],
                },
            },
            services,
        );
        const ports = (patched["spec"] as { ports: { port: number }[] }).ports;
        expect([...ports].sort((a, b) => a.port - b.port)).toEqual([
            { port: 80, name: "http", nodePort: 30080 },
            { port: 443, name: "https" },
        ]);
    });

    it("refuses an element without its key and an unknown directive", () => {
        expect(() => applyStrategicPatch(containers({ name: "a" }), containers({ image: "x" }), pods)).toThrow(
            PatchError,
        );
        expect(() => applyStrategicPatch({}, { spec: { $patch: "melt" } }, pods)).toThrow(PatchError);
    });

    it("leaves its arguments alone and no directive behind", () => {
        const pod = containers({ name: "a", env: [{ name: "X", value: "1" }] });
        const before = structuredClone(pod);
        const patched = applyStrategicPatch(
            pod,
            containers({ name: "new", $patch: "merge", env: [{ name: "Y", $patch: "replace", value: "1" }] }),
            pods,
        );
        expect(pod).toEqual(before);
        expect(JSON.stringify(patched)).not.toContain("$");
    });
});
