// SPDX-License-Identifier: Apache-2.0
import { mkdir } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Operation } from "../../envelope/envelope.ts";
import { parseResource } from "../../envelope/resource.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { DocumentStore } from "../../store/store.ts";
import { admitPod } from "./admission.ts";
import type { EdgedConfig } from "./config.ts";
import { EvictionManager } from "./eviction/eviction-manager.ts";
import { ImageCollector } from "./gc/image-collector.ts";
import { KubeletApi } from "./kubelet/server.ts";
import { MetaClient } from "./meta-client.ts";
import { nodeAllocatable } from "./node/allocatable.ts";
import { hostAddresses, type Machine, thisMachine } from "./node/machine.ts";
import { NodeAgent } from "./node/node-agent.ts";
import { asKubeObject } from "./objects.ts";
import { EventRecorder } from "./pods/events.ts";
import { ImageKeeper } from "./pods/images.ts";
import { PodManager } from "./pods/manager.ts";
import { isMirror, removeMirror } from "./pods/mirror.ts";
import { chooseRuntime } from "./pods/runtime-choice.ts";
import { StaticPods } from "./pods/static-pods.ts";
import type { PodRuntime } from "./runtimes/runtime.ts";
import { podTokens } from "./volumes/tokens.ts";
import { VolumeManager } from "./volumes/volume-manager.ts";

export interface EdgedPorts extends Ports {
    readonly store: DocumentStore;
    readonly runtimes: readonly PodRuntime[];
    /** Tells of engines that come later; answers how to stop listening. */
    readonly onRuntime?: ((found: (runtime: PodRuntime) => void) => () => void) | undefined;
    /** Absent: the machine it runs on. */
    readonly machine?: Machine | undefined;
}

export type EdgedOutput = "metamanager" | "events";

const LIST_RETRY_MS = 1_000;

/**
 * The kubelet of the gateway: registers the node, keeps its lease, runs the pods that MetaManager hands it and reports
 * how they are. Everything it wants from the cloud it asks of MetaManager, so it works the same without a link.
 */
export class Edged extends WireComponent<EdgedOutput> {
    readonly outputs = ["metamanager", "events"] as const;
    readonly #config: EdgedConfig;
    readonly #ports: EdgedPorts;
    readonly #runtimes: PodRuntime[];
    readonly #client: MetaClient;
    readonly #node: NodeAgent;
    readonly #pods: PodManager;
    readonly #volumes: VolumeManager;
    readonly #kubelet: KubeletApi;
    readonly #static: StaticPods;
    readonly #events: EventRecorder;
    readonly #images: ImageCollector;
    readonly #eviction: EvictionManager;
    #registered = false;
    #started = false;
    #stopped = false;
    #early: Envelope[] = [];
    readonly #earlyRuntimes: PodRuntime[] = [];
    #stopListening: (() => void) | undefined;

    constructor(config: EdgedConfig, given: EdgedPorts) {
        super();
        this.#config = config;
        this.#runtimes = [...given.runtimes];
        const ports = { ...given, runtimes: this.#runtimes };
        this.#ports = ports;
        this.#client = new MetaClient(ports.clock, (envelope) => this.send("metamanager", envelope));
        this.#volumes = new VolumeManager(config.rootDir);
        const machine = ports.machine ?? thisMachine;
        const events = new EventRecorder(ports.clock, config.nodeName, (operation, resource, event) => {
            const envelope = this.#client.tell(operation, resource, event);
            this.send("events", envelope);
            return envelope;
        });
        this.#events = events;
        this.#images = new ImageCollector(config, { ...ports, machine, events });
        this.#eviction = new EvictionManager(config, {
            ...ports,
            machine,
            events,
            volumes: this.#volumes,
            workers: () => this.#pods.workers,
            reclaimDisk: () => this.#images.reclaim(),
            changed: () => this.#node.changed(),
        });
        this.#node = new NodeAgent(config, {
            ...ports,
            client: this.#client,
            events,
            machine,
            thresholds: this.#eviction.thresholds,
            pressures: () => this.#eviction.pressures,
            onRegistered: (registered) => {
                this.#registered = registered;
                this.#reportState();
            },
        });
        const lookup = (type: string, namespace: string | undefined, name: string): Promise<KubeObject> =>
            this.#client.lookup(type, namespace, name);
        this.#pods = new PodManager({
            log: ports.log,
            nodeName: config.nodeName,
            runtimes: ports.runtimes,
            deps: (finished) => ({
                clock: ports.clock,
                random: ports.random,
                log: ports.log,
                client: this.#client,
                events,
                images: new ImageKeeper(ports.clock, (imageId) => this.#images.used(imageId)),
                volumes: this.#volumes,
                nodeMemoryBytes: totalmem(),
                hostIps: hostAddresses,
                runtimeFor: (pod) => chooseRuntime(pod, ports.runtimes, lookup),
                volumeContext: (podIps) => ({
                    nodeName: config.nodeName,
                    hostIps: hostAddresses(),
                    podIps,
                    allocatable: nodeAllocatable(this.#node.status),
                    lookup,
                    token: podTokens(this.#client),
                }),
                admit: (pod) =>
                    this.#eviction.admit(pod) ??
                    admitPod(pod, this.#node.labels, this.#node.status, this.#pods.workers),
                finished,
            }),
        });
        this.#static = new StaticPods(config.staticPodPath, config.nodeName, {
            ...ports,
            apply: (pod) => this.#applyListed(pod),
            remove: (pod) => this.#pods.remove(pod),
        });
        const address = config.kubelet || `unix:${join(config.rootDir, "kubelet.sock")}`;
        const { nodeName, rootDir } = config;
        this.#stopListening = ports.onRuntime?.((runtime) => this.#found(runtime));
        this.#kubelet = new KubeletApi({ address, nodeName, rootDir }, { ...ports, pods: this.#pods, machine });
    }

    /** The pods of this node. */
    get pods(): PodManager {
        return this.#pods;
    }

    get images(): ImageCollector {
        return this.#images;
    }

    get eviction(): EvictionManager {
        return this.#eviction;
    }

    get node(): NodeAgent {
        return this.#node;
    }

    async start(): Promise<void> {
        await mkdir(this.#config.rootDir, { recursive: true });
        await this.#kubelet.start();
        for (const runtime of this.#runtimes) await runtime.start();
        await this.#images.start();
        await this.#eviction.start();
        this.#pods.start();
        this.#started = true;
        this.#reportState();
        const early = this.#early;
        this.#early = [];
        for (const envelope of early) this.#take(envelope);
        for (const runtime of this.#earlyRuntimes.splice(0)) await this.#addRuntime(runtime);
        await this.#node.start();
        await this.#static.start();
        this.#list();
    }

    async stop(): Promise<void> {
        if (this.#stopped) return;
        this.#stopped = true;
        this.#stopListening?.();
        this.#events.stop();
        this.#client.stop();
        const ended = Promise.all([
            this.#eviction.stop(),
            this.#images.stop(),
            this.#static.stop(),
            this.#kubelet.stop(),
            this.#node.stop(),
            this.#pods.stop(),
        ]);
        await Promise.race([ended, new Promise<void>((resolve) => this.#ports.clock.after(1_500, resolve))]);
        await Promise.all(this.#runtimes.map((runtime) => runtime.stop()));
    }

    async receive(envelope: Envelope): Promise<void> {
        if (this.#stopped) throw new RedgeError("REDGE_EDGED_STOPPED", { component: "Edged" });
        if (this.#started) this.#take(envelope);
        else this.#early.push(envelope);
    }

    #found(runtime: PodRuntime): void {
        this.#addRuntime(runtime).catch((thrown: unknown) => {
            this.#ports.log.error("a container engine that came later cannot be used", { error: thrown });
        });
    }

    /** An engine that was not there at the start. */
    async #addRuntime(runtime: PodRuntime): Promise<void> {
        if (!this.#started) {
            this.#earlyRuntimes.push(runtime);
            return;
        }
        await runtime.start();
        if (this.#stopped) return runtime.stop();
        this.#runtimes.push(runtime);
        this.#pods.follow(runtime);
        this.#node.changed();
    }

    #take(envelope: Envelope): void {
        const { operation, resource } = envelope.route;
        if (resource === "link") {
            if (operation === Operation.connect) this.#linkUp();
            return;
        }
        if (this.#client.answer(envelope) || envelope.header.parent_msg_id !== undefined) return;
        const object = asKubeObject(envelope.content);
        const name = parseResource(resource);
        if (object === undefined || name === undefined) {
            throw new RedgeError("REDGE_EDGED_OBJECT_INVALID", { resource, reason: "the content is not an object" });
        }
        const gone = operation === Operation.delete;
        if (name.type === "pod") {
            if (isMirror(object)) this.#mirrorPushed(object, gone);
            else if (gone) this.#pods.remove(object);
            else this.#pods.apply(object);
        } else if (name.type === "node") {
            if (object.metadata.name !== this.#config.nodeName) return;
            if (gone) this.#node.deleted();
            else this.#node.pushed(object);
        } else {
            this.#client.pushed(resource, gone ? undefined : object);
            this.#pods.objectChanged(name.type, name.namespace, object.metadata.name);
        }
    }

    /** Somebody deletes the image of a static pod: let it go; the next status makes a new one. */
    #mirrorPushed(mirror: KubeObject, gone: boolean): void {
        if (gone || mirror.metadata.deletionTimestamp === undefined) return;
        removeMirror(this.#client, mirror, this.#ports.log);
    }

    #linkUp(): void {
        this.#node.linkUp();
        this.#pods.linkUp();
    }

    /** Asks for every pod there is, until somebody answers; only then is it known what belongs to nobody. */
    #list(): void {
        if (this.#stopped) return;
        this.#client.request(Operation.query, "null/podlist", null).then(
            async (content) => {
                for (const item of Array.isArray(content) ? content : []) {
                    const pod = asKubeObject(item);
                    if (pod !== undefined && !isMirror(pod)) this.#applyListed(pod);
                }
                await this.#pods.listed();
            },
            (thrown: unknown) => {
                this.#ports.log.debug("pods could not be listed yet", { reason: errorText(thrown) });
                this.#ports.clock.after(LIST_RETRY_MS, () => this.#list());
            },
        );
    }

    #applyListed(pod: KubeObject): void {
        try {
            this.#pods.apply(pod);
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            this.#ports.log.error("a stored pod cannot be used", { error: thrown });
        }
    }

    #reportState(): void {
        const params = { node: this.#config.nodeName };
        if (!this.#registered) {
            this.report({ level: "connecting", text: "registering", params });
            return;
        }
        this.report({ level: "ready", text: "registered", params });
        this.#flowsOnlyIsolated().then(
            (isolated) => {
                if (isolated && this.#registered) this.report({ level: "ready", text: "registeredIsolated", params });
            },
            (thrown: unknown) => this.#ports.log.warn("where flows run is not known", { error: thrown }),
        );
    }

    /** In a Node-RED that only loads the palette, pods of the class node-red have nowhere to run. */
    async #flowsOnlyIsolated(): Promise<boolean> {
        const shared = this.#runtimes.find((runtime) => runtime.serves("node-red"));
        return shared !== undefined && !(await shared.info()).ready;
    }
}
