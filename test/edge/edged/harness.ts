// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import type { ComponentState, Ports } from "../../../src/core/component.ts";
import { parseConfig } from "../../../src/core/config.ts";
import type { JsonRecord } from "../../../src/core/json.ts";
import { createLogger, silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { Edged, type EdgedConfig, type EdgedPorts, edgedConfig } from "../../../src/edge/edged/index.ts";
import type { Machine } from "../../../src/edge/edged/node/machine.ts";
import type { Pod, PodStatus } from "../../../src/edge/edged/podspec/types.ts";
import type { PodRuntime } from "../../../src/edge/edged/runtimes/runtime.ts";
import { MetaManager, type MetaManagerConfig, metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { builtinSchema } from "../../../src/kube/openapi/builtin.ts";
import { applyStrategicPatch } from "../../../src/kube/patch/strategic.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";

export const NODE = "edge-1";
export const podMergeSchema = builtinSchema({ group: "", version: "v1", kind: "Pod" });
const nodeMergeSchema = builtinSchema({ group: "", version: "v1", kind: "Node" });

export const testPorts: Ports = {
    clock: systemClock,
    log:
        process.env["REDGE_TEST_LOG"] === undefined
            ? silentLogger
            : createLogger((level, text, fields) => console.log(level, text, JSON.stringify(fields))),
    metrics: noMetrics,
    random: Math.random,
};

/** How long a busy machine may take, not how long it should. */
const PATIENCE_MS = 60_000;

/** Resolves to the first value that is not undefined; looks again every few milliseconds, so it must be one that lasts. */
export async function until<T>(
    look: () => T | undefined | Promise<T | undefined>,
    what: string | (() => string),
    withinMs = PATIENCE_MS,
): Promise<T> {
    const endMs = Date.now() + withinMs;
    for (;;) {
        const value = await look();
        if (value !== undefined && value !== false) return value;
        if (Date.now() > endMs)
            throw new Error(`not within ${withinMs} ms: ${typeof what === "string" ? what : what()}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

/** The cloud's end of the wire, as an API server would answer through EdgeController. */
export class FakeCloud {
    readonly objects = new Map<string, KubeObject>();
    readonly events: KubeObject[] = [];
    readonly acks: Envelope[] = [];
    readonly seen: Envelope[] = [];
    online = true;
    #version = 100;
    push: (envelope: Envelope) => void = () => {};

    put(resource: string, object: KubeObject): KubeObject {
        this.#version += 1;
        const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
        this.objects.set(resource, stored);
        return stored;
    }

    /** Stores and pushes, as EdgeController does for what concerns the node. */
    apply(resource: string, object: KubeObject): void {
        const stored = this.put(resource, object);
        this.#send("update", resource, stored);
    }

    delete(resource: string): void {
        const object = this.objects.get(resource);
        this.objects.delete(resource);
        if (object !== undefined) this.#send("delete", resource, object);
    }

    /** `kubectl delete pod`. */
    deletePod(resource: string, graceSeconds = 30): void {
        const pod = this.objects.get(resource);
        if (pod === undefined) throw new Error(`no ${resource}`);
        this.apply(resource, {
            ...pod,
            metadata: {
                ...pod.metadata,
                deletionTimestamp: new Date().toISOString(),
                deletionGracePeriodSeconds: graceSeconds,
            },
        });
    }

    status(resource: string): PodStatus | undefined {
        return this.objects.get(resource)?.["status"] as PodStatus | undefined;
    }

    take(envelope: Envelope): void {
        if (!this.online) return;
        this.seen.push(envelope);
        const { operation, resource } = envelope.route;
        if (operation === "renew") return; // EdgeHub's own business.
        if (operation === "response") {
            this.acks.push(envelope);
            return;
        }
        const [namespace, type, name] = resource.split("/");
        if (type === "event") {
            this.events.push(envelope.content as KubeObject);
            return;
        }
        const from = { source: "edgecontroller", group: "resource" };
        const answer = (content: unknown): void => this.push(responseTo(envelope, content, from));
        const notFound = {
            ErrStatus: { status: "Failure", reason: "NotFound", code: 404, message: `${resource} not found` },
        };
        if (type === "podpatch" || type === "nodepatch") {
            const target = `${namespace}/${type.replace("patch", "")}/${name}`;
            const object = this.objects.get(target);
            const patch = JSON.parse(String(envelope.content)) as { metadata?: { uid?: string }; status: JsonRecord };
            if (object === undefined) {
                answer({ Object: null, Err: notFound });
                return;
            }
            const schema = type === "podpatch" ? podMergeSchema : nodeMergeSchema;
            const merged = applyStrategicPatch({ status: object["status"] ?? {} }, { status: patch.status }, schema);
            answer({ Object: this.put(target, { ...object, ...merged }), Err: null });
            return;
        }
        if (type === "serviceaccounttoken") {
            const expirationTimestamp = new Date(Date.now() + 3_600_000).toISOString();
            answer({
                ...(envelope.content as object),
                status: { token: `token-${this.seen.length}`, expirationTimestamp },
            });
            return;
        }
        if (operation === "query") {
            const object = this.objects.get(resource);
            if (type === "lease") answer({ Object: object ?? null, Err: object === undefined ? notFound : null });
            else answer(object ?? notFound);
            return;
        }
        if (operation === "delete") {
            answer("OK");
            this.delete(resource);
            return;
        }
        answer({ Object: this.put(resource, withUid(envelope.content as KubeObject)), Err: null });
    }

    #send(operation: string, resource: string, content: unknown): void {
        if (!this.online) return;
        const route = { source: "edgecontroller", group: "resource", operation, resource };
        this.push(newEnvelope({ route, content }));
    }
}

function withUid(object: KubeObject): KubeObject {
    return { ...object, metadata: { ...object.metadata, uid: object.metadata.uid ?? crypto.randomUUID() } };
}

export interface Gateway {
    readonly cloud: FakeCloud;
    readonly meta: MetaManager;
    readonly edged: Edged;
    readonly rootDir: string;
    /** What Edged has reported about itself. */
    readonly states: readonly ComponentState[];
    setLink(up: boolean): Promise<void>;
    stop(): Promise<void>;
}

/** MetaManager and Edged on a wire, with a cloud at the other end. */
export async function startGateway(options: {
    readonly runtimes: (rootDir: string, store: DocumentStore) => readonly PodRuntime[];
    readonly onRuntime?: EdgedPorts["onRuntime"];
    readonly cloud?: FakeCloud;
    readonly store?: DocumentStore;
    readonly rootDir?: string;
    readonly config?: Partial<EdgedConfig>;
    readonly link?: boolean;
    readonly clock?: Clock;
    readonly machine?: Machine;
}): Promise<Gateway> {
    const cloud = options.cloud ?? new FakeCloud();
    cloud.online = options.link ?? true;
    const store = options.store ?? new MemoryStore();
    const rootDir = options.rootDir ?? (await tempDir());
    const ports = { ...testPorts, ...(options.clock === undefined ? {} : { clock: options.clock }) };
    const meta = new MetaManager(parseConfig<MetaManagerConfig>(metaManagerConfig, {}), { ...ports, store });
    const config = parseConfig<EdgedConfig>(edgedConfig, {
        nodeName: NODE,
        rootDir,
        // How full the machine is on which the tests run is no matter of theirs.
        evictionHard: "memory.available<0%",
        ...options.config,
    });
    const edged = new Edged(config, {
        ...ports,
        store,
        runtimes: options.runtimes(rootDir, store),
        onRuntime: options.onRuntime,
        machine: options.machine,
    });
    const states: ComponentState[] = [];
    edged.on("state", (state) => states.push(state));
    // What the one sends reaches the other in a later turn, as on a Node-RED wire.
    const later = (deliver: () => Promise<void>): void => {
        setImmediate(() => {
            deliver().catch((thrown: unknown) => {
                if ((thrown as { code?: string }).code !== "REDGE_EDGED_STOPPED") throw thrown;
            });
        });
    };
    meta.on("output", (output, envelope) => {
        if (output === "edged") later(() => edged.receive(envelope));
        else setImmediate(() => cloud.take(envelope));
    });
    edged.on("output", (output, envelope) => {
        if (output === "metamanager") later(() => meta.receive(envelope));
    });
    cloud.push = (envelope) => later(() => meta.receive(envelope));
    await meta.start();
    await edged.start();
    const setLink = async (up: boolean): Promise<void> => {
        cloud.online = up;
        const route = { source: "edgehub", operation: up ? "connect" : "disconnect", resource: "link" };
        await meta.receive(newEnvelope({ route, content: null }));
    };
    await setLink(options.link ?? true);
    return {
        cloud,
        meta,
        edged,
        rootDir,
        states,
        setLink,
        stop: async () => {
            await edged.stop();
            await meta.stop();
        },
    };
}

export async function tempDir(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), "redge-edged-"));
    dirs.push(dir);
    return dir;
}

const dirs: string[] = [];

export async function removeTempDirs(): Promise<void> {
    for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true, maxRetries: 20 });
}

let serial = 0;

/** A pod bound to this node. */
export function pod(name: string, spec: Partial<Pod["spec"]>, metadata: Partial<Pod["metadata"]> = {}): Pod {
    serial += 1;
    return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
            name,
            namespace: "default",
            uid: `00000000-0000-4000-8000-${String(serial).padStart(12, "0")}`,
            ...metadata,
        },
        spec: { nodeName: NODE, containers: [], restartPolicy: "Always", terminationGracePeriodSeconds: 1, ...spec },
    };
}

export function configMap(name: string, data: Record<string, string>): KubeObject {
    return {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: "default", uid: crypto.randomUUID() },
        data,
    };
}

export function secret(name: string, data: Record<string, string>): KubeObject {
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
    return {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace: "default", uid: crypto.randomUUID() },
        data: Object.fromEntries(encoded),
    };
}

/** A flow pod fed by the ConfigMap `<name>-flow`. */
export function flowPod(name: string, more: Partial<Pod["spec"]["containers"][number]> = {}): Pod {
    return pod(name, {
        runtimeClassName: "node-red",
        containers: [
            { name: "flow", image: "node-red/flow", volumeMounts: [{ name: "flow", mountPath: "/flow" }], ...more },
        ],
        volumes: [{ name: "flow", configMap: { name: `${name}-flow` } }],
    });
}
