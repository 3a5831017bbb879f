// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asRecord, asRecords, asText } from "../../src/core/json.ts";
import { type Envelope, Operation } from "../../src/envelope/envelope.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../src/kube/types.ts";
import { MemoryCluster } from "./support/memory-cluster.ts";
import { deviceRig, edgeRig } from "./support/rig.ts";

/**
 * Whatever happens to objects, nodes, the API server and the controllers, in any order: when it has calmed down, the
 * edge holds exactly what it should. The edge here is the simplest there is: it stores what is pushed, deletes what is
 * to be deleted, and at `sync` whatever CloudHub would delete there.
 */
class SimpleEdge {
    readonly objects = new Map<string, KubeObject>();

    apply({ route, content }: Envelope): void {
        const { operation, resource } = route;
        if (operation === Operation.sync) {
            const { kinds, uids } = content as { kinds: string[]; uids: string[] };
            for (const [key, object] of this.objects) {
                if (kinds.includes(object.kind) && !uids.includes(object.metadata.uid ?? "")) this.objects.delete(key);
            }
        } else if (operation === Operation.delete) {
            this.objects.delete(resource);
        } else if (operation === Operation.insert || operation === Operation.update) {
            if (/\/(pod|configmap|secret|device|devicemodel)\//.test(resource))
                this.objects.set(resource, content as KubeObject);
        }
    }

    /** Devices it holds that are gone, or another node's. */
    devicesWithout(cluster: MemoryCluster): readonly string[] {
        const held = [...this.objects.values()].filter(({ kind }) => kind === Kinds.device.kind);
        return held.flatMap(({ metadata }) => {
            const device = cluster.peek(Kinds.device, metadata.name);
            return asRecord(device?.["spec"])["nodeName"] === "edge-1" ? [] : [metadata.name];
        });
    }
}

const small = fc.integer({ min: 0, max: 2 });
/** Mostly the node that is looked at. */
const node = fc.constantFrom("edge-1", "edge-1", "edge-1", "edge-2");
const action = fc.oneof(
    fc.record({ do: fc.constant("pod" as const), name: small, node: fc.option(node), uses: small }),
    fc.record({ do: fc.constant("pod" as const), name: small, node: fc.option(node), uses: small }),
    fc.record({ do: fc.constant("pod" as const), name: small, node: fc.option(node), uses: small }),
    fc.record({ do: fc.constant("label pod" as const), name: small }),
    fc.record({ do: fc.constant("delete pod" as const), name: small }),
    fc.record({ do: fc.constant("configmap" as const), name: small, value: small }),
    fc.record({ do: fc.constant("configmap" as const), name: small, value: small }),
    fc.record({ do: fc.constant("configmap" as const), name: small, value: small }),
    fc.record({ do: fc.constant("delete configmap" as const), name: small }),
    fc.record({ do: fc.constant("model" as const), name: small, value: small }),
    fc.record({ do: fc.constant("model" as const), name: small, value: small }),
    fc.record({ do: fc.constant("model" as const), name: small, value: small }),
    fc.record({ do: fc.constant("delete model" as const), name: small }),
    fc.record({ do: fc.constant("device" as const), name: small, node: fc.option(node), model: small }),
    fc.record({ do: fc.constant("device" as const), name: small, node: fc.option(node), model: small }),
    fc.record({ do: fc.constant("device" as const), name: small, node: fc.option(node), model: small }),
    fc.record({ do: fc.constant("delete device" as const), name: small }),
    fc.record({ do: fc.constant("connect" as const) }),
    fc.record({ do: fc.constant("disconnect" as const) }),
    fc.record({ do: fc.constant("restart" as const) }),
    fc.record({ do: fc.constant("cut watches" as const) }),
    fc.record({ do: fc.constant("outage" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

class World {
    readonly cluster = new MemoryCluster();
    readonly edge = new SimpleEdge();
    #rigs = this.#newRigs();
    #connected = false;
    #made = 0;

    #newRigs() {
        const rigs = [edgeRig({ unusedGraceMs: 1000 }, this.cluster), deviceRig({}, this.cluster)] as const;
        for (const { controller } of rigs) {
            controller.on("output", (_, envelope) => {
                if (envelope.node === "edge-1" && this.#connected) this.edge.apply(envelope);
            });
        }
        return rigs;
    }

    async start(): Promise<void> {
        for (const rig of this.#rigs) await rig.start();
    }

    async stop(): Promise<void> {
        for (const { controller } of this.#rigs) await controller.stop();
    }

    async settle(ms: number): Promise<void> {
        for (const rig of this.#rigs) await rig.settle(ms);
    }

    async connection(up: boolean): Promise<void> {
        this.#connected = up;
        for (const { controller, message } of this.#rigs.map((rig) => ({
            controller: rig.controller,
            message: rig.message("", "", null),
        }))) {
            const route = { ...message.route, operation: up ? "connect" : "disconnect", resource: "node/edge-1" };
            void controller.receive({ ...message, route });
        }
        await this.settle(0);
    }

    async comeBack(): Promise<void> {
        if (!this.#connected) await this.connection(true);
    }

    async act(step: Action): Promise<void> {
        switch (step.do) {
            case "connect":
                return this.connection(true);
            case "disconnect":
                return this.connection(false);
            case "wait":
                return this.settle(step.ms);
            case "cut watches":
                this.cluster.cutWatches();
                return this.settle(10);
            case "outage":
                this.cluster.down = true;
                this.cluster.cutWatches();
                await this.settle(step.ms);
                this.cluster.down = false;
                return this.settle(0);
            case "restart":
                await this.stop();
                this.#rigs = this.#newRigs();
                await this.start();
                if (this.#connected) await this.connection(true);
                return;
            default:
                this.#change(step);
                return this.settle(step.name === 1 ? 1 : 0);
        }
    }

    #change(
        step: Exclude<Action, { do: "connect" | "disconnect" | "wait" | "cut watches" | "outage" | "restart" }>,
    ): void {
        const name = `n${step.name}`;
        switch (step.do) {
            case "pod": {
                // The node of a pod never changes once it has one.
                const bound = asText(asRecord(this.cluster.peek(Kinds.pod, name)?.["spec"])["nodeName"]);
                const uses = { envFrom: [{ configMapRef: { name: `n${step.uses}` } }] };
                const nodeName = bound ?? step.node;
                this.#put(Kinds.pod, name, {
                    spec: { ...(nodeName === null ? {} : { nodeName }), containers: [uses] },
                });
                return;
            }
            case "label pod": {
                const pod = this.cluster.peek(Kinds.pod, name);
                if (pod !== undefined)
                    this.cluster.inject(Kinds.pod, {
                        ...pod,
                        metadata: { ...pod.metadata, labels: { at: String(Math.trunc(step.name)) } },
                    });
                return;
            }
            case "configmap":
                this.#put(Kinds.configMap, name, { data: { value: String(step.value) } });
                return;
            case "model":
                this.#put(Kinds.deviceModel, name, { spec: { protocol: String(step.value) } });
                return;
            case "device":
                this.#put(Kinds.device, name, {
                    spec: { nodeName: step.node ?? "", deviceModelRef: { name: `n${step.model}` } },
                });
                return;
            case "delete pod":
                this.cluster.remove(Kinds.pod, name);
                return;
            case "delete configmap":
                this.cluster.remove(Kinds.configMap, name);
                return;
            case "delete model":
                this.cluster.remove(Kinds.deviceModel, name);
                return;
            case "delete device":
                this.cluster.remove(Kinds.device, name);
                return;
        }
    }

    #put(type: ResourceType, name: string, body: Record<string, unknown>): void {
        const known = this.cluster.peek(type, name);
        this.#made += 1;
        const metadata = known?.metadata ?? {
            name,
            namespace: "default",
            uid: `${type.plural}-${name}-${this.#made}`,
        };
        const status = known?.["status"] === undefined ? {} : { status: known["status"] };
        this.cluster.inject(type, { apiVersion: "v1", kind: type.kind, metadata, ...body, ...status });
    }

    /** What the node should have, by the API alone. */
    expected(): Record<string, unknown> {
        const result: Record<string, unknown> = {};
        const keep = (type: string, object: KubeObject | undefined): void => {
            if (object !== undefined) result[`default/${type}/${object.metadata.name}`] = essence(object);
        };
        for (const pod of this.cluster.all(Kinds.pod)) {
            const spec = asRecord(pod["spec"]);
            if (spec["nodeName"] !== "edge-1") continue;
            keep("pod", pod);
            const [container] = asRecords(spec["containers"]);
            const [from] = asRecords(container?.["envFrom"]);
            keep(
                "configmap",
                this.cluster.peek(Kinds.configMap, asText(asRecord(from?.["configMapRef"])["name"]) ?? ""),
            );
        }
        for (const device of this.cluster.all(Kinds.device)) {
            const spec = asRecord(device["spec"]);
            const model = this.cluster.peek(Kinds.deviceModel, asText(asRecord(spec["deviceModelRef"])["name"]) ?? "");
            if (spec["nodeName"] !== "edge-1" || model === undefined) continue;
            keep("device", device);
            keep("devicemodel", model);
        }
        return result;
    }

    held(): Record<string, unknown> {
        return Object.fromEntries([...this.edge.objects].map(([key, object]) => [key, essence(object)]));
    }
}

/** All that matters at the edge. */
function essence({ metadata, spec, data }: KubeObject): unknown {
    return { uid: metadata.uid, labels: metadata.labels, spec, data };
}

describe("the edge holds what it should, whatever happened", () => {
    test("after any sequence of changes, cuts, outages and restarts", async () => {
        await fc.assert(
            fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 50, size: "max" }), async (steps) => {
                const world = new World();
                await world.start();
                await world.comeBack();
                for (const step of steps) await world.act(step);
                // Changes told one by one must have sufficed; only a node that is away has to come back.
                await world.comeBack();
                await world.settle(60_000);
                const held = world.held();
                const expected = world.expected();
                await world.stop();
                for (const [key, object] of Object.entries(expected))
                    expect({ [key]: held[key] }).toEqual({ [key]: object });
                // A device whose model was deleted goes on with the copy it has, until its node connects the next time.
                const orphans = (key: string): boolean => key.includes("/device");
                expect(Object.keys(held).filter((key) => !(key in expected) && !orphans(key))).toEqual([]);
                expect(world.edge.devicesWithout(world.cluster)).toEqual([]);
            }),
            { numRuns: 100 },
        );
    });
});
