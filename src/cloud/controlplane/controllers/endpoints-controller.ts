// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isAlreadyExists, isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import type { Pod } from "../objects/pod.ts";
import type { Caches, ControlPorts } from "./lib/caches.ts";
import { Controller, keyOf, splitKey } from "./lib/controller.ts";
import { isFinished, isReady, isTerminating } from "./lib/pods.ts";

interface ServiceSpec {
    readonly selector?: Record<string, string>;
    readonly ports?: readonly ServicePort[];
    readonly type?: string;
    readonly publishNotReadyAddresses?: boolean;
}

interface ServicePort {
    readonly name?: string;
    readonly port: number;
    readonly targetPort?: number | string;
    readonly protocol?: string;
}

interface EndpointPort {
    readonly name?: string;
    readonly port: number;
    readonly protocol: string;
}

/** Lists the addresses of the pods behind every Service with a selector. */
export class EndpointsController extends Controller {
    constructor(caches: Caches, ports: ControlPorts) {
        super("endpoint-controller", caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.services, (service) => this.queue.add(keyOf(service)));
        this.follow(this.caches.endpoints, (endpoints) => this.queue.add(keyOf(endpoints)));
        this.follow(this.caches.pods, (pod, previous) => {
            const changed = previous === undefined || !isDeepStrictEqual(relevant(pod), relevant(previous));
            if (!changed) return;
            for (const service of this.caches.services.list()) {
                if (service.metadata.namespace !== pod.metadata.namespace) continue;
                if (selects(service, pod) || (previous && selects(service, previous))) this.queue.add(keyOf(service));
            }
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const service = this.caches.services.get(namespace, name);
        const reference = { type: Kinds.endpoints, namespace, name };
        const known = this.caches.endpoints.get(namespace, name);
        if (service === undefined) {
            // Endpoints without a Service that somebody made by hand stay: the label says which are ours.
            if (known?.metadata.labels?.[MANAGED] === undefined) return;
            await this.ports.cluster.delete(reference, { uid: known.metadata.uid }).catch((failure: unknown) => {
                if (!isNotFound(failure)) throw failure;
            });
            return;
        }
        const spec = (service["spec"] ?? {}) as ServiceSpec;
        if (spec.selector === undefined || service.metadata.deletionTimestamp !== undefined) return;
        const pods = this.caches.pods.byIndex("namespace", namespace ?? "").filter((pod) => selects(service, pod));
        const subsets = subsetsOf(spec, pods);
        if (known !== undefined && isDeepStrictEqual(known["subsets"] ?? [], subsets)) return;
        const metadata = {
            ...(known?.metadata ?? { name, namespace: namespace ?? "default" }),
            labels: { ...service.metadata.labels, [MANAGED]: "" },
        };
        const wanted: KubeObject = { apiVersion: "v1", kind: "Endpoints", metadata, subsets };
        if (known !== undefined) {
            await this.ports.cluster.replace(Kinds.endpoints, wanted);
            return;
        }
        try {
            await this.ports.cluster.create(Kinds.endpoints, wanted);
        } catch (failure) {
            if (!isAlreadyExists(failure)) throw failure;
        }
    }
}

const MANAGED = "endpoints.kubernetes.io/managed";

function relevant({ metadata, spec, status }: Pod): unknown {
    return [
        metadata.labels,
        metadata.deletionTimestamp,
        spec.nodeName,
        status?.podIP,
        status?.phase,
        status?.conditions,
    ];
}

function selects(service: KubeObject, pod: Pod): boolean {
    const { selector } = (service["spec"] ?? {}) as ServiceSpec;
    return (
        selector !== undefined && Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value)
    );
}

/** Pods with the same ports share a subset, as named target ports may differ from pod to pod. */
function subsetsOf(spec: ServiceSpec, pods: readonly Pod[]): unknown[] {
    const subsets = new Map<string, { ports: EndpointPort[]; addresses: unknown[]; notReadyAddresses: unknown[] }>();
    const sorted = [...pods].sort((one, other) => ((one.status?.podIP ?? "") < (other.status?.podIP ?? "") ? -1 : 1));
    for (const pod of sorted) {
        if (!pod.status?.podIP || isTerminating(pod) || isFinished(pod)) continue;
        const ports = portsOf(spec, pod);
        if (ports === undefined) continue;
        const key = JSON.stringify(ports);
        const subset = subsets.get(key) ?? { ports, addresses: [], notReadyAddresses: [] };
        subsets.set(key, subset);
        const { namespace, name, uid } = pod.metadata;
        const address = {
            ip: pod.status.podIP,
            ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
            targetRef: { kind: "Pod", namespace, name, uid },
        };
        (isReady(pod) || spec.publishNotReadyAddresses ? subset.addresses : subset.notReadyAddresses).push(address);
    }
    return [...subsets.values()].map(({ ports, addresses, notReadyAddresses }) => ({
        ...(addresses.length > 0 ? { addresses } : {}),
        ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
        ...(ports.length > 0 ? { ports } : {}),
    }));
}

/** Undefined when the pod has none of the Service's ports. */
function portsOf({ ports = [] }: ServiceSpec, pod: Pod): EndpointPort[] | undefined {
    const found = ports.flatMap(({ name, port, targetPort = port, protocol = "TCP" }): EndpointPort[] => {
        const number =
            typeof targetPort === "number"
                ? targetPort
                : pod.spec.containers.flatMap((one) => one.ports ?? []).find((one) => one.name === targetPort)
                      ?.containerPort;
        return number === undefined ? [] : [{ ...(name === undefined ? {} : { name }), port: number, protocol }];
    });
    return found.length === 0 && ports.length > 0 ? undefined : found;
}
