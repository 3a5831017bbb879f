// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../../core/clock.ts";
import type { Ports } from "../../../core/component.ts";
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import { Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { EdgedConfig } from "../config.ts";
import { keptBack, type PressureType, type Threshold } from "../eviction/thresholds.ts";
import type { MetaClient } from "../meta-client.ts";
import { asKubeObject } from "../objects.ts";
import type { EventRecorder } from "../pods/events.ts";
import type { Condition } from "../podspec/types.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import { NodeLease } from "./lease.ts";
import type { Machine, MachineInfo } from "./machine.ts";
import { NodeEvents } from "./node-events.ts";
import { nodeLabels, nodeTaints } from "./node-labels.ts";
import { type NodeStatus, nodeStatus } from "./node-status.ts";

/** An unchanged status is told again after this long. */
const REPORT_MS = 5 * 60_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 7_000;
const IMAGES_MS = 60_000;

export interface NodeAgentPorts extends Ports {
    readonly client: MetaClient;
    readonly events: EventRecorder;
    readonly machine: Machine;
    readonly runtimes: readonly PodRuntime[];
    readonly thresholds: readonly Threshold[];
    /** What the node is short of now. */
    readonly pressures: () => ReadonlySet<PressureType>;
    /** Node registered or not, for the status line. */
    readonly onRegistered: (registered: boolean) => void;
}

/** Registers the Node, keeps its status and its lease (wire protocol, section 5.6, steps 2 to 5). */
export class NodeAgent {
    readonly #config: EdgedConfig;
    readonly #ports: NodeAgentPorts;
    readonly #lease: NodeLease;
    readonly #events: NodeEvents;
    /** As the cloud had them when this run began. */
    #found: readonly Condition[] | undefined;
    #info: MachineInfo | undefined;
    #node: KubeObject | undefined;
    #registered = false;
    #status: NodeStatus | undefined;
    #sentText = "";
    #sentMs = Number.NEGATIVE_INFINITY;
    #images: { readonly atMs: number; readonly list: Awaited<ReturnType<PodRuntime["images"]>> } | undefined;
    #timer: Timer | undefined;
    #retryMs = FIRST_RETRY_MS;
    #running: Promise<void> | undefined;
    #stopped = false;

    constructor(config: EdgedConfig, ports: NodeAgentPorts) {
        this.#config = config;
        this.#ports = ports;
        this.#lease = new NodeLease(config, ports);
        this.#events = new NodeEvents(ports.events, config.nodeName);
    }

    /** Measures once; the rest goes on in the background. */
    async start(): Promise<void> {
        this.#info = await this.#ports.machine.info();
        this.#status = await this.#measure(this.#info);
        this.#tick();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        this.#lease.stop();
        await this.#running;
    }

    get status(): NodeStatus | undefined {
        return this.#status;
    }

    get labels(): Readonly<Record<string, string>> {
        const known = this.#node?.metadata.labels ?? {};
        return { ...nodeLabels(this.#config, this.#info), ...known };
    }

    /** The node as the cloud has it. */
    pushed(node: KubeObject): void {
        this.#node = node;
        if (this.#registered) return;
        this.#found ??= conditionsOf(node);
        this.#registered = true;
        this.#ports.onRegistered(true);
        this.#lease.start(node.metadata.uid);
        this.#tick();
    }

    deleted(): void {
        this.#node = undefined;
        this.#registered = false;
        this.#ports.onRegistered(false);
        this.#tick();
    }

    /** The link is back: say at once how the node is. */
    linkUp(): void {
        this.#sentMs = Number.NEGATIVE_INFINITY;
        this.#retryMs = FIRST_RETRY_MS;
        this.#registered = false;
        this.#lease.linkUp();
        this.#tick();
    }

    /** Something that the status says is different now. */
    changed(): void {
        if (this.#info !== undefined) this.#tick();
    }

    #tick(): void {
        if (this.#stopped || this.#running !== undefined) return;
        this.#timer?.cancel();
        this.#running = this.#round().then((nextMs) => {
            this.#running = undefined;
            if (!this.#stopped) this.#timer = this.#ports.clock.after(nextMs, () => this.#tick());
        });
    }

    async #round(): Promise<number> {
        try {
            if (this.#info === undefined) return MAX_RETRY_MS;
            this.#status = await this.#measure(this.#info);
            if (!this.#registered && this.#config.registerNode) await this.#register(this.#status);
            await this.#report(this.#status);
            this.#retryMs = FIRST_RETRY_MS;
            return this.#config.nodeStatusUpdateSeconds * 1000;
        } catch (thrown) {
            if (!isRedgeError(thrown)) this.#ports.log.error("node status failed", { error: thrown });
            else this.#ports.log.debug("node not reported yet", { reason: errorText(thrown) });
            this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
            return this.#retryMs;
        }
    }

    async #register(status: NodeStatus): Promise<void> {
        const { nodeName } = this.#config;
        const taints = nodeTaints(this.#config.taints);
        const node = {
            apiVersion: "v1",
            kind: "Node",
            metadata: {
                name: nodeName,
                labels: nodeLabels(this.#config, this.#info),
                annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
            },
            spec: taints.length === 0 ? {} : { taints },
            status,
        };
        try {
            const answer = await this.#ports.client.request(
                Operation.insert,
                formatResource(undefined, "node", nodeName),
                node,
            );
            const created = asKubeObject(answer);
            if (created !== undefined) this.#node = created;
        } catch (thrown) {
            // The node is there already: what we say about it from here on are patches.
            if (!isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER") || thrown.details["code"] !== 409) throw thrown;
        }
        this.#registered = true;
        this.#ports.onRegistered(true);
        this.#lease.start(this.#node?.metadata.uid);
    }

    async #report(status: NodeStatus): Promise<void> {
        const { clock, client } = this.#ports;
        const { conditions, ...rest } = status;
        const text = JSON.stringify([rest, conditions.map(({ lastHeartbeatTime: _, ...kept }) => kept)]);
        if (!this.#registered) return;
        if (text === this.#sentText && clock.monotonicMs() - this.#sentMs < REPORT_MS) return;
        const addresses = [...status.addresses, { $patch: "replace" }];
        const patch = JSON.stringify({ status: { ...status, addresses } });
        const resource = formatResource(undefined, "nodepatch", this.#config.nodeName);
        try {
            const node = asKubeObject(await client.request(Operation.patch, resource, patch));
            if (node !== undefined) this.#node = node;
        } catch (thrown) {
            if (isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER") && thrown.details["code"] === 404)
                this.#registered = false;
            throw thrown;
        }
        this.#events.taken(conditions, this.#found ?? []);
        this.#sentText = text;
        this.#sentMs = clock.monotonicMs();
    }

    async #measure(info: MachineInfo): Promise<NodeStatus> {
        const { machine, runtimes, clock, thresholds } = this.#ports;
        const use = await machine.use(this.#config.rootDir);
        const infos = await Promise.all(runtimes.map((runtime) => runtime.info()));
        return nodeStatus({
            nowMs: clock.nowMs(),
            nodeName: this.#config.nodeName,
            info,
            use,
            maxPods: this.#config.maxPods,
            keptBack: {
                memoryBytes: keptBack(thresholds, "memory.available", info.memoryBytes),
                diskBytes: keptBack(thresholds, "nodefs.available", use.diskTotalBytes),
            },
            pressures: this.#ports.pressures(),
            runtimes: infos,
            images: await this.#listImages(infos.map(({ ready }) => ready)),
            before: this.#status?.conditions ?? (this.#node === undefined ? [] : conditionsOf(this.#node)),
        });
    }

    async #listImages(ready: readonly boolean[]): Promise<Awaited<ReturnType<PodRuntime["images"]>>> {
        const nowMs = this.#ports.clock.monotonicMs();
        if (this.#images !== undefined && nowMs - this.#images.atMs < IMAGES_MS) return this.#images.list;
        const usable = this.#ports.runtimes.filter((_, index) => ready[index]);
        const lists = await Promise.all(usable.map((runtime) => runtime.images()));
        this.#images = { atMs: nowMs, list: lists.flat() };
        return this.#images.list;
    }
}

function conditionsOf(node: KubeObject): readonly Condition[] {
    return (node["status"] as { conditions?: Condition[] } | undefined)?.conditions ?? [];
}
