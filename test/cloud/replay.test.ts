// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { asRecord, asText, isRecord } from "../../src/core/json.ts";
import type { Envelope } from "../../src/envelope/envelope.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../src/kube/types.ts";
import { describeWith } from "../support/requires.ts";
import { MemoryCluster } from "./support/memory-cluster.ts";
import { type Recorded, recording, recordings } from "./support/recording.ts";
import { deviceRig, edgeRig } from "./support/rig.ts";

/**
 * The recorded sessions of a stock EdgeCore, 02 to 13, played against EdgeController and DeviceController: what the
 * recorded CloudCore pushed is what happened in the API, what the recorded EdgeCore sent is sent, and replies and
 * pushes are compared with the recorded ones, field by field. Differences that are meant:
 *
 * - objects carry apiVersion and kind in every answer, and no managedFields (no edge reads them)
 * - a failed query is operation `error` with text, since EdgeCore would store stock's `{"ErrStatus"}` as the object
 * - Object is null beside an Err; stock sends the object it was given back
 * - a status that the edge wrote itself is not pushed back to it (stock means to, and fails to, by managedFields)
 * - what changed while the node was away is offered at once with its devices, not found by a loop within 5 s
 * - everything about devices has source devicecontroller; stock's loop sends model changes as edgecontroller
 * - ConfigMaps and Secrets are pushed before the first pod that uses them, not only answered when asked for
 * - membership/detail is answered
 * - Status carries kind and apiVersion, and no details
 * - a token request comes back with the audiences it asked for, by which the edge finds it again
 */
const SCENES = [
    "02-connect-register-ready",
    "03-pod-create-running",
    "04-configmap-secret-update",
    "05-pod-label-and-status",
    "06-pod-delete",
    "07-device-create",
    "08-device-twin-edge-to-cloud",
    "09-device-desired-cloud-to-edge",
    "10-device-delete",
    "11-disconnect-offline-reconnect",
    "12-edgecore-restart-with-state",
    "13-pod-force-delete-and-node-delete",
];
const TYPES: Readonly<Record<string, ResourceType>> = {
    node: Kinds.node,
    pod: Kinds.pod,
    configmap: Kinds.configMap,
    secret: Kinds.secret,
    device: Kinds.device,
    devicemodel: Kinds.deviceModel,
};

class Replay {
    readonly #cluster = new MemoryCluster();
    readonly #edge = edgeRig(
        { authorization: "node", cloudAddress: "192.0.2.2", unusedGraceMs: 3_600_000 },
        this.#cluster,
    );
    readonly #devices = deviceRig({}, this.#cluster);
    /** "<recording> #<line> <what>: <path>: <recorded>, ours <ours>". */
    readonly differences: string[] = [];
    readonly #told = new Map<string, unknown>();
    readonly #matched = new Set<Envelope>();
    #awaited: [string, Envelope][] = [];
    replies = 0;
    pushes = 0;

    get cluster(): MemoryCluster {
        return this.#cluster;
    }

    async start(): Promise<void> {
        await this.#edge.start();
        await this.#devices.start();
    }

    async play(all: readonly Recorded[]): Promise<void> {
        for (const item of all) {
            if (item.kind === "open") await this.#connection("connect");
            else if (item.kind === "close") await this.#connection("disconnect");
            else if (item.kind === "down") await this.#down(item.sequence, item.envelope);
            else await this.#up(item.sequence, item.envelope, replyIn(all, item.envelope));
        }
    }

    async #connection(operation: string): Promise<void> {
        for (const rig of [this.#edge, this.#devices]) {
            await rig.controller.receive(rig.message(operation, "node/edge-1", null));
            await this.#settle();
        }
    }

    async #settle(): Promise<void> {
        await this.#edge.settle();
        await this.#devices.settle(2000);
    }

    async #up(at: string, message: Envelope, recorded: Envelope | undefined): Promise<void> {
        const { operation, resource } = message.route;
        if (["response", "keepalive", ""].includes(operation)) return;
        this.#learn(recorded);
        const rig = message.route.source === "twin" ? this.#devices : this.#edge;
        await rig.controller.receive({ ...message, content: this.#rebased(message), node: "edge-1" });
        await this.#settle();
        const ours = rig.sent.find((sent) => sent.header.parent_msg_id === message.header.msg_id);
        if (resource === "membership/detail") return;
        if (recorded === undefined || ours === undefined) {
            this.#compare(at, "a reply or none", recorded?.route, ours?.route);
            return;
        }
        this.replies += 1;
        const failed = isRecord(recorded.content) && isRecord(asRecord(recorded.content)["ErrStatus"]);
        const { route } = recorded;
        this.#compare(at, "route", failed ? { ...route, operation: "error" } : route, ours.route);
        this.#compare(at, "version", "resourceversion" in recorded.header, "resourceversion" in ours.header);
        if (!failed) this.#compare(at, "content", comparable(recorded.content), comparable(ours.content));
        const object = asRecord(recorded.content)["Object"];
        if (isRecord(object)) this.#told.set(pushResource(resource), comparable(object));
    }

    /** Lease updates name the version they are based on: the recorded server's becomes that of this one. */
    #rebased({ route, content }: Envelope): unknown {
        const [namespace, type, name = ""] = route.resource.split("/");
        if (type !== "lease" || route.operation !== "update") return content;
        const metadata = asRecord(asRecord(content)["metadata"]);
        const { resourceVersion } = this.#cluster.peek(Kinds.lease, name, namespace)?.metadata ?? {};
        return { ...asRecord(content), metadata: { ...metadata, resourceVersion } };
    }

    /** A push: brings the API to what it says, and expects ours to say the same. */
    async #down(at: string, recorded: Envelope): Promise<void> {
        if (recorded.header.parent_msg_id !== undefined) return;
        const type = TYPES[recorded.route.resource.split("/")[1] ?? ""];
        if (type !== undefined) await this.#happen(type, recorded);
        await this.#settle();
        this.pushes += 1;
        // A model, and the membership before it, go with the first device that uses it: the recording's next push.
        this.#awaited.push([at, recorded]);
        if (type !== Kinds.deviceModel && type !== undefined) this.expectAwaited();
    }

    expectAwaited(): void {
        for (const [at, push] of this.#awaited.splice(0)) this.#expectPush(at, push);
    }

    #expectPush(at: string, recorded: Envelope): void {
        const { route } = recorded;
        const wanted = comparable(recorded.content, route.operation);
        const sameKind = this.#sentAbout(recorded);
        const match = sameKind.find((sent) =>
            isDeepStrictEqual(comparable(sent.content, sent.route.operation), wanted),
        );
        if (match === undefined) {
            if (isDeepStrictEqual(this.#told.get(route.resource), wanted)) return;
            this.#compare(at, `push ${route.resource}`, wanted, comparable(sameKind.at(-1)?.content, route.operation));
            return;
        }
        this.#matched.add(match);
        const source = /\/device(model)?\//.test(route.resource) ? "devicecontroller" : route.source;
        this.#compare(at, "push route", { ...route, source, operation: "" }, { ...match.route, operation: "" });
    }

    #sentAbout(recorded: Envelope): readonly Envelope[] {
        return [...this.#edge.sent, ...this.#devices.sent].filter(
            (sent) =>
                sent.route.resource === recorded.route.resource &&
                (sent.route.operation === "delete") === (recorded.route.operation === "delete") &&
                sent.header.parent_msg_id === undefined &&
                !this.#matched.has(sent),
        );
    }

    async #happen(type: ResourceType, { route, content }: Envelope): Promise<void> {
        const object = {
            ...asRecord(content),
            apiVersion: asText(asRecord(content)["apiVersion"]) ?? "",
            kind: type.kind,
        } as KubeObject;
        const { name, namespace } = object.metadata;
        const current = this.#cluster.peek(type, name, namespace);
        if (route.operation === "delete") {
            if (current !== undefined) await this.#cluster.delete({ type, name, namespace }, { gracePeriodSeconds: 0 });
        } else if (!isDeepStrictEqual(comparable(current), comparable(object))) {
            this.#cluster.inject(type, object);
        }
        await this.#settle();
    }

    /** What only the recorded API server can know: what it added to a new object, and objects that were there. */
    #learn(recorded: Envelope | undefined): void {
        const content = asRecord(recorded?.content);
        const object = asRecord(content["Object"]);
        this.#cluster.complete = (created) => {
            if (!isRecord(object["metadata"])) return created;
            const metadata: unknown = {
                ...asRecord(object["metadata"]),
                ...pick(created.metadata, "name", "namespace"),
            };
            return {
                ...created,
                metadata: metadata as KubeObject["metadata"],
                spec: object["spec"] ?? created["spec"],
            };
        };
        const [namespace = "", typeName = "", name = ""] = recorded?.route.resource.split("/") ?? [];
        if (
            typeName === "serviceaccounttoken" &&
            this.#cluster.peek(Kinds.serviceAccount, name, namespace) === undefined
        ) {
            const metadata = { name, namespace };
            this.#cluster.inject(Kinds.serviceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata });
        }
        const type = TYPES[typeName];
        if (type === undefined || !isRecord(content["metadata"])) return;
        const found = content as KubeObject;
        if (this.#cluster.peek(type, found.metadata.name) === undefined) this.#cluster.inject(type, found);
    }

    #compare(at: string, what: string, recorded: unknown, ours: unknown): void {
        this.differences.push(...differing(recorded, ours).map((difference) => `${at} ${what}: ${difference}`));
    }
}

function differing(recorded: unknown, ours: unknown, path = ""): readonly string[] {
    if (isDeepStrictEqual(recorded, ours)) return [];
    const nested = (isRecord(recorded) && isRecord(ours)) || (Array.isArray(recorded) && Array.isArray(ours));
    if (!nested) return [`${path}: ${JSON.stringify(recorded)}, ours ${JSON.stringify(ours)}`];
    const [left, right] = [recorded as Record<string, unknown>, ours as Record<string, unknown>];
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...keys].flatMap((key) => differing(left[key], right[key], `${path}/${key}`));
}

function replyIn(all: readonly Recorded[], request: Envelope): Envelope | undefined {
    for (const item of all) {
        if (item.kind === "down" && item.envelope.header.parent_msg_id === request.header.msg_id) return item.envelope;
    }
    return undefined;
}

/** `null/nodepatch/edge-1` is about `null/node/edge-1`. */
function pushResource(resource: string): string {
    return resource.replace(/^([^/]+\/[a-z]+?)patch\//, "$1/");
}

function pick(from: object, ...keys: string[]): Record<string, unknown> {
    return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

/** What must be equal: everything but versions, field managers, ids and times of the sender, and what is meant. */
function comparable(content: unknown, operation = ""): unknown {
    if (Array.isArray(content)) return content.map((item) => comparable(item));
    if (!isRecord(content)) return content;
    if (isRecord(content["Err"])) return { Object: null, Err: comparable(content["Err"]) };
    if (isRecord(content["ErrStatus"])) return { ErrStatus: pick(content["ErrStatus"], "status", "reason", "code") };
    // The last state of a deleted object is the API server's.
    if (operation === "delete") return pick(asRecord(content["metadata"]), "name", "namespace", "uid");
    const skipped = ["managedFields", "resourceVersion", "event_id", "timestamp"];
    const entries = Object.entries(content)
        .filter(([key, value]) => !skipped.includes(key) && !(key === "lastProbeTime" && value === null))
        .map(([key, value]): [string, unknown] => [key, comparable(value)]);
    const result = Object.fromEntries(entries);
    if (!isRecord(content["metadata"])) return result;
    delete result["kind"];
    delete result["apiVersion"];
    if (content["kind"] !== "TokenRequest") return result;
    const spec = { ...asRecord(content["spec"]), audiences: undefined };
    return {
        metadata: pick(content["metadata"], "name", "namespace"),
        spec,
        status: Object.keys(asRecord(content["status"])),
    };
}

describeWith([recordings], "recorded sessions of a stock EdgeCore, played to the controllers", () => {
    const replay = new Replay();
    const byScene = new Map<string, readonly string[]>();

    beforeAll(async () => {
        await replay.start();
        for (const scene of SCENES) {
            const before = replay.differences.length;
            await replay.play(recording(scene));
            replay.expectAwaited();
            byScene.set(scene, replay.differences.slice(before));
        }
    });

    test.each(SCENES)("%s", (scene) => {
        expect(byScene.get(scene)).toEqual([]);
    });

    test("enough was compared to mean something", () => {
        expect(replay.replies).toBeGreaterThan(50);
        expect(replay.pushes).toBeGreaterThan(40);
    });

    test("what the node told of its pods and of itself is in the API", () => {
        const events = replay.cluster.all(Kinds.event).map(({ metadata }) => metadata.name);
        expect(events.filter((name) => name.startsWith("edge-1.")).length).toBeGreaterThan(5);
        expect(events.filter((name) => name.startsWith("hello.")).length).toBeGreaterThan(5);
    });
});
