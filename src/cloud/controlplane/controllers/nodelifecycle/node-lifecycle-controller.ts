// SPDX-License-Identifier: Apache-2.0
import { isNotFound } from "../../../../kube/client/status-error.ts";
import { Kinds } from "../../../../kube/types.ts";
import type { Node } from "../../objects/node.ts";
import type { Condition, Pod } from "../../objects/pod.ts";
import { tolerates } from "../../scheduler/taints.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller, keyOf } from "../lib/controller.ts";
import { named } from "../lib/owners.ts";
import { conditionOf, isReady, isTerminating } from "../lib/pods.ts";
import { metaTime, timeMs } from "../lib/time.ts";
import { isAutonomous, wantedTaints } from "./taints.ts";

/** Without a heartbeat for this long a node is out of reach (--node-monitor-grace-period). */
const GRACE_MS = 40_000;
const HEARTBEAT_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

interface Heartbeat {
    readonly text: string;
    /** On our own clock: the node's may be wrong. */
    readonly seenMs: number;
}

/** Notices nodes that went silent, taints nodes by their conditions and evicts what does not tolerate it. */
export class NodeLifecycleController extends Controller {
    readonly #heartbeats = new Map<string, Heartbeat>();

    constructor(caches: Caches, ports: ControlPorts) {
        super("node-controller", caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.nodes, (node, _, gone) => {
            if (gone) this.#heartbeats.delete(node.metadata.name);
            else this.queue.add(node.metadata.name);
        });
        this.follow(this.caches.leases, (lease, _, gone) => {
            if (!gone) this.queue.add(lease.metadata.name);
        });
        this.follow(this.caches.pods, (pod, previous, gone) => {
            const moved = previous?.spec.nodeName !== pod.spec.nodeName;
            if (!gone && pod.spec.nodeName && moved) this.queue.add(pod.spec.nodeName);
        });
    }

    protected async reconcile(name: string): Promise<void> {
        const node = this.caches.nodes.get(undefined, name);
        if (node === undefined) return;
        const silentMs = this.#silentMs(node);
        const ready = conditionOf(node.status?.conditions, "Ready");
        if (silentMs >= GRACE_MS) {
            if (ready?.status !== "Unknown") await this.#markUnknown(node, ready);
        } else this.queue.addAfter(name, GRACE_MS - silentMs);
        const taints = wantedTaints(node, this.nowMs);
        if (taints !== undefined) {
            await this.ports.cluster.replace(Kinds.node, { ...node, spec: { ...node.spec, taints } });
            return;
        }
        if (ready?.status === "Unknown" && !isAutonomous(node)) await this.#markPodsNotReady(node);
        await this.#evict(node);
    }

    /** How long nothing of the node has been heard: neither a new status nor a new lease. */
    #silentMs(node: Node): number {
        const { name } = node.metadata;
        const lease = this.caches.leases.get("kube-node-lease", name)?.spec?.renewTime ?? "";
        const beat = conditionOf(node.status?.conditions, "Ready");
        // A status that we wrote ourselves is no sign of life.
        const heard = beat?.status === "Unknown" ? "" : (beat?.lastHeartbeatTime ?? "");
        const text = `${lease}|${heard}`;
        const nowMs = this.ports.clock.monotonicMs();
        const known = this.#heartbeats.get(name);
        if (known !== undefined && known.text === text) return nowMs - known.seenMs;
        const isOurOwnWrite =
            known !== undefined && beat?.status === "Unknown" && text === `${known.text.split("|")[0]}|`;
        if (isOurOwnWrite) return nowMs - known.seenMs;
        this.#heartbeats.set(name, { text, seenMs: nowMs });
        return 0;
    }

    async #markUnknown(node: Node, ready: Condition | undefined): Promise<void> {
        const now = metaTime(this.nowMs);
        const never = ready === undefined;
        const conditions = HEARTBEAT_CONDITIONS.map((type): Condition => {
            const known = conditionOf(node.status?.conditions, type);
            return {
                type,
                status: "Unknown",
                reason: never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown",
                message: never ? "Kubelet never posted node status." : "Kubelet stopped posting node status.",
                lastHeartbeatTime: known?.lastHeartbeatTime ?? node.metadata.creationTimestamp ?? now,
                lastTransitionTime: now,
            };
        });
        const patch = { status: { conditions } };
        await this.ports.cluster.patch({ type: Kinds.node, ...named(node) }, patch, "strategic", {
            subresource: "status",
        });
        this.normal(node, "NodeNotReady", `Node ${node.metadata.name} status is now: NodeNotReady`);
    }

    async #markPodsNotReady(node: Node): Promise<void> {
        for (const pod of this.#podsOn(node).filter(isReady)) {
            const lastTransitionTime = metaTime(this.nowMs);
            const patch = { status: { conditions: [{ type: "Ready", status: "False", lastTransitionTime }] } };
            const options = { subresource: "status" };
            await this.ports.cluster.patch({ type: Kinds.pod, ...named(pod) }, patch, "strategic", options);
            this.warning(pod, "NodeNotReady", "Node is not ready");
        }
    }

    /** Deletes pods whose time on a node with NoExecute taints is over. */
    async #evict(node: Node): Promise<void> {
        const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
        if (taints.length === 0) return;
        for (const pod of this.#podsOn(node)) {
            let leftMs = Number.POSITIVE_INFINITY;
            for (const taint of taints) {
                const covering = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
                const seconds = covering.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
                const sinceMs = timeMs(taint.timeAdded) ?? this.nowMs;
                if (covering.length === 0) leftMs = 0;
                else if (seconds.length > 0) {
                    leftMs = Math.min(leftMs, sinceMs + Math.max(0, Math.min(...seconds)) * 1000 - this.nowMs);
                }
            }
            if (leftMs > 0) {
                if (Number.isFinite(leftMs)) this.queue.addAfter(node.metadata.name, leftMs);
                continue;
            }
            this.normal(pod, "TaintManagerEviction", `Marking for deletion Pod ${keyOf(pod)}`);
            try {
                await this.ports.cluster.delete({ type: Kinds.pod, ...named(pod) }, { uid: pod.metadata.uid });
            } catch (failure) {
                if (!isNotFound(failure)) throw failure;
            }
        }
    }

    #podsOn(node: Node): Pod[] {
        return this.caches.pods.byIndex("node", node.metadata.name).filter((pod) => !isTerminating(pod));
    }
}
