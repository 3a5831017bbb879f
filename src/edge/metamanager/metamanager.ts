// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { asRecord } from "../../core/json.ts";
import { type Envelope, Group, newEnvelope, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";
import type { KubeObject } from "../../kube/types.ts";
import { below, type DocumentStore, type StoreOp } from "../../store/store.ts";
import { STORE_ID } from "../../store/store-id.ts";
import { Applications } from "./applications.ts";
import type { MetaManagerConfig } from "./config.ts";
import { parsePatch, unwrap, withoutNulls, withVersion } from "./contents.ts";
import { LocalWrites } from "./local-writes.ts";
import { asObject, compareVersions, type ObjectSource, ObjectTable } from "./object-table.ts";
import { PendingRequests } from "./pending.ts";
import { type TokenOwner, TokenTable } from "./token-table.ts";
import { WriteReport } from "./write-report.ts";

export type MetaManagerPorts = Ports & { readonly store: DocumentStore };
export type MetaManagerOutput = "edged" | "edgehub";

/** Read from the store first; only what is not there is asked of the cloud. */
const LOCAL_TYPES = new Set(["pod", "node"]);
/** Handed to Edged at the start in this order, so that a pod finds what it refers to. */
const HAND_OVER = ["node", "runtimeclass", "configmap", "secret", "pod"];

/**
 * The gateway's memory of Kubernetes objects, and the broker between Edged and the link (kubeedge-edge reference,
 * section 2). What the cloud pushes is stored, then acknowledged, then handed to Edged; what Edged asks is answered
 * from the store or by the cloud. Without a link the store is the truth.
 */
export class MetaManager extends WireComponent<MetaManagerOutput> {
    readonly outputs = ["edged", "edgehub"] as const;
    readonly #ports: MetaManagerPorts;
    readonly #store: DocumentStore;
    readonly #objects: ObjectTable;
    readonly #tokens: TokenTable;
    readonly #pending: PendingRequests;
    readonly #applications: Applications;
    /** What is written at this gateway: MetaServer takes it. */
    readonly writes: LocalWrites;
    #link: "unknown" | "up" | "down" = "unknown";
    #loaded: Promise<void> | undefined;
    #tail: Promise<unknown> = Promise.resolve();
    #reported = "";
    #stopped = false;

    constructor(config: MetaManagerConfig, ports: MetaManagerPorts) {
        super();
        this.#ports = ports;
        this.#store = below(ports.store, "metamanager/");
        this.#objects = new ObjectTable(this.#store);
        this.#tokens = new TokenTable(this.#store, ports.clock);
        const timeoutMs = config.remoteQueryTimeoutSeconds * 1000;
        this.#pending = new PendingRequests(ports.clock, timeoutMs);
        const toCloud = (envelope: Envelope): void => this.send("edgehub", envelope);
        this.#applications = new Applications(ports.clock, timeoutMs, toCloud);
        this.writes = new LocalWrites({
            ...ports,
            store: this.#store,
            objects: this.#objects,
            applications: this.#applications,
            report: new WriteReport(ports, toCloud),
            online: () => this.#link === "up",
            inOrder: (action) => this.#inOrder(action),
            tellEdged: (resource, current, previous) => this.#tellEdged(resource, current, previous),
        });
    }

    /** What this gateway knows, for reading: MetaServer offers it. */
    get cache(): ObjectSource {
        return this.#objects;
    }

    /** The service account of a token that the cloud issued to this gateway and that is still valid. */
    accountOf(token: string): TokenOwner | undefined {
        return this.#tokens.ownerOf(token);
    }

    async start(): Promise<void> {
        this.#loaded = this.#load();
        await this.#loaded;
        for (const type of HAND_OVER) {
            for (const { resource, object } of this.#objects.list(type)) this.#handOver(resource, object);
        }
        this.#reportState();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.writes.stop();
        this.#applications.drain();
        this.#pending.drain();
        await this.#tail.catch(() => undefined);
    }

    /** @throws REDGE_STORE_* when a pushed object could not be stored: nothing was acknowledged, the cloud sends again */
    async receive(envelope: Envelope): Promise<void> {
        if (this.#stopped) throw new RedgeError("REDGE_EDGED_STOPPED", { component: "MetaManager" });
        await this.#loaded;
        const { source, resource, operation } = envelope.route;
        if (resource === "link") this.#linkSaid(operation === Operation.connect, envelope);
        else if (this.#applications.answered(envelope)) return;
        else if (envelope.header.parent_msg_id !== undefined) await this.#inOrder(() => this.#answered(envelope));
        else if (source === Source.edged) await this.#fromEdged(envelope);
        else await this.#inOrder(() => this.#pushed(envelope));
    }

    async #load(): Promise<void> {
        const { bad, plain } = await this.#objects.load();
        const pods = new Set(this.#objects.list("pod").map(({ object }) => object.metadata.uid));
        const tokens = await this.#tokens.load((podUid) => pods.has(podUid));
        await this.#seal([...plain, ...tokens]);
        await this.writes.load();
        for (const resource of bad) this.#ports.log.warn("record was unreadable and is fetched again", { resource });
        if (bad.length > 0) await this.#askForAll();
    }

    /** Earlier versions kept Secrets and tokens in plain text: they are written again, and the old text leaves the file. */
    async #seal(plain: readonly StoreOp[]): Promise<void> {
        if (plain.length === 0) return;
        await this.#store.write(plain);
        await this.#store.purge?.();
        this.#ports.log.info("secret records are sealed now", { records: plain.length });
    }

    /** The cloud counts what this node has by the store's name: without one EdgeHub gives it another. */
    async #askForAll(): Promise<void> {
        await this.#ports.store.write([{ op: "delete", key: STORE_ID }]);
        const route = { source: Source.metamanager, group: Group.hub, operation: Operation.renew, resource: "store" };
        this.send("edgehub", newEnvelope({ route, content: null, timestamp: this.#ports.clock.nowMs() }));
    }

    /** Changes are applied one after another, in the order they came. */
    #inOrder<T>(action: () => Promise<T>): Promise<T> {
        const result = this.#tail.then(action, action);
        this.#tail = result.catch(() => undefined);
        return result;
    }

    #linkSaid(up: boolean, envelope: Envelope): void {
        // A gateway that has just started: whoever asks waits for the link for a while instead of being refused at once.
        if (!up && asRecord(envelope.content)["connectedBefore"] === false) return;
        this.#link = up ? "up" : "down";
        if (!up) {
            for (const request of this.#pending.drain()) this.#refuse(request, "connection lost");
            this.#applications.drain();
        }
        this.send("edged", envelope);
        this.#reportState();
        if (up) this.writes.flush();
    }

    async #pushed(envelope: Envelope): Promise<void> {
        const { operation, resource } = envelope.route;
        if (this.#link === "unknown") this.#link = "up";
        if (operation === Operation.insert || operation === Operation.update) {
            const object = asObject(envelope.content);
            if (object === undefined) throw new RedgeError("REDGE_METAMANAGER_NOT_AN_OBJECT", { resource });
            const pushed = withVersion(object, envelope.header.resourceversion);
            if (this.writes.isQueued(resource)) {
                await this.writes.rebase(resource, pushed);
                this.send("edgehub", responseTo(envelope, "OK"));
                return;
            }
            const stored = await this.#objects.put(resource, pushed);
            this.send("edgehub", responseTo(envelope, "OK"));
            if (stored === "stored") this.send("edged", envelope);
            this.#reportState();
            return;
        }
        if (operation === Operation.delete) {
            const uid = asObject(envelope.content)?.metadata.uid;
            if (this.writes.isQueued(resource)) await this.writes.rebase(resource, undefined);
            const removed = await this.#objects.remove(resource, uid);
            this.send("edgehub", responseTo(envelope, "OK"));
            if (removed !== undefined) this.send("edged", { ...envelope, content: removed });
            this.#reportState();
            return;
        }
        throw new RedgeError("REDGE_METAMANAGER_OPERATION", { operation, resource });
    }

    async #answered(envelope: Envelope): Promise<void> {
        const request = this.#pending.take(envelope.header.parent_msg_id ?? "");
        if (request === undefined) return;
        if (envelope.route.operation !== Operation.error) await this.#remember(request, envelope);
        this.send("edged", envelope);
    }

    /** Keeps what an answer brings: fetched objects, the current pod or node, an issued token, the end of a pod. */
    async #remember(request: Envelope, answer: Envelope): Promise<void> {
        const { operation, resource } = request.route;
        const type = parseResource(resource)?.type;
        if (type === "pod" && operation === Operation.delete) {
            const uid = (request.content as { preconditions?: { uid?: string } } | null)?.preconditions?.uid;
            if (answer.content === "OK") await this.#objects.remove(resource, uid);
            return;
        }
        if (type === "serviceaccounttoken") return this.#tokens.put(resource, request.content, answer.content);
        if (type === "lease" || type === "event") return;
        const object = asObject(unwrap(answer.content));
        if (object === undefined) return;
        const about = resource.replace(/^([^/]+\/)(pod|node)patch\//, "$1$2/");
        if (this.writes.isQueued(about)) return this.writes.rebase(about, object);
        if (type === "podpatch" || type === "nodepatch") await this.#refresh(resource.replace("patch/", "/"), object);
        else if (operation === Operation.query || operation === Operation.insert) {
            await this.#objects.put(resource, object);
        }
    }

    /** The cloud's answer to a status patch is the whole object; it must not undo a newer push or another incarnation. */
    async #refresh(resource: string, object: KubeObject): Promise<void> {
        const known = this.#objects.get(resource);
        if (known === undefined || known.metadata.uid !== object.metadata.uid) return;
        if (compareVersions(object.metadata.resourceVersion, known.metadata.resourceVersion) <= 0) return;
        await this.#objects.replace(resource, object);
        // A deletion that was asked for while the patch was under way arrives with the answer first.
        if (object.metadata.deletionTimestamp !== known.metadata.deletionTimestamp) this.#handOver(resource, object);
    }

    async #fromEdged(envelope: Envelope): Promise<void> {
        const { operation, resource } = envelope.route;
        const type = parseResource(resource)?.type ?? "";
        if (type === "event") {
            this.send("edgehub", envelope);
            return;
        }
        if (operation === Operation.query && this.#answerLocally(envelope, type)) return;
        if (operation === Operation.patch && type === "podpatch") await this.#inOrder(() => this.#overlay(envelope));
        if (this.#link === "down") {
            this.#refuse(envelope, "connection lost");
            return;
        }
        this.#pending.add(envelope.header.msg_id, envelope, () => this.#refuse(envelope, "no answer from the cloud"));
        this.send("edgehub", envelope);
    }

    /** True when the question was answered (or refused) here. */
    #answerLocally(envelope: Envelope, type: string): boolean {
        const { resource } = envelope.route;
        if (type === "podlist") {
            const pods = this.#objects.list("pod").map(({ object }) => object);
            this.send("edged", responseTo(envelope, pods, { source: Source.metamanager, group: Group.meta }));
            return true;
        }
        const local =
            type === "serviceaccounttoken"
                ? this.#tokens.get(resource, envelope.content, this.#link !== "up")
                : type === "lease"
                  ? undefined
                  : this.#objects.get(resource);
        if (local === undefined && !LOCAL_TYPES.has(type)) return false;
        if (local === undefined) this.#refuse(envelope, "not found");
        else this.send("edged", responseTo(envelope, local, { source: Source.metamanager, group: Group.meta }));
        return true;
    }

    /** Local truth: what Edged says about a pod is kept with the pod, whether or not the cloud can be told. */
    async #overlay(envelope: Envelope): Promise<void> {
        const resource = envelope.route.resource.replace("podpatch/", "pod/");
        const known = this.#objects.get(resource);
        const patch = parsePatch(envelope.content);
        if (known === undefined || patch === undefined || patch.metadata?.uid !== known.metadata.uid) return;
        const before = (known["status"] ?? {}) as Record<string, unknown>;
        await this.#objects.replace(resource, { ...known, status: { ...before, ...withoutNulls(patch.status) } });
    }

    #refuse(request: Envelope, reason: string): void {
        const from = { source: Source.metamanager, group: Group.meta, operation: Operation.error };
        this.send("edged", responseTo(request, reason, from));
    }

    #tellEdged(resource: string, current: KubeObject | undefined, previous: KubeObject | undefined): void {
        if (current !== undefined) this.#handOver(resource, current);
        if (current !== undefined || previous === undefined) return;
        const operation = Operation.delete;
        const route = { source: Source.metamanager, group: Group.resource, operation, resource };
        this.send("edged", newEnvelope({ route, content: previous, timestamp: this.#ports.clock.nowMs() }));
    }

    #handOver(resource: string, object: KubeObject): void {
        const route = { source: Source.metamanager, group: Group.resource, operation: Operation.update, resource };
        this.send("edged", newEnvelope({ route, content: object, timestamp: this.#ports.clock.nowMs() }));
    }

    #reportState(): void {
        const objects = this.#objects.size;
        const text = `${this.#link} ${objects}`;
        if (text === this.#reported) return;
        this.#reported = text;
        this.report({ level: "ready", text: this.#link === "down" ? "offline" : "ready", params: { objects } });
    }
}
