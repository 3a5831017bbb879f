// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { asRecord } from "../../../core/json.ts";
import type { KubeClient, ObjectRef } from "../../../kube/client/client.ts";
import { isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../kube/types.ts";
import { METRICS_SERVICE } from "./service.ts";

const apiService: ResourceType = {
    group: "apiregistration.k8s.io",
    version: "v1",
    kind: "APIService",
    plural: "apiservices",
    namespaced: false,
};
const SERVED = { group: "metrics.k8s.io", version: "v1beta1" };
const NAME = `${SERVED.version}.${SERVED.group}`;
/** Says whose it is: what somebody else registered is never touched. */
const OWNED = { "app.kubernetes.io/managed-by": "redge" };
const PORT = 443;

export interface RegistrationInit {
    /** Where the API server reaches CloudStream. */
    readonly host: string;
    readonly port: number;
    /** The certificate that is shown to whoever dials METRICS_HOST. */
    readonly certPem: string;
    /** Whether the API server has said by which certificate it will be known. */
    readonly isTrusted: boolean;
}

/**
 * registered: the API server asks here. another: somebody else answers already, metrics-server or an API server that has no
 * aggregation layer, as the embedded one.
 */
export type Registered = "registered" | "another";

/** The objects by which an API server knows that metrics.k8s.io is answered by CloudStream. */
export class Registration {
    readonly #cluster: KubeClient;

    constructor(cluster: KubeClient) {
        this.#cluster = cluster;
    }

    /** Writes them, or what is new in them. @throws REDGE_KUBE_*, REDGE_STREAM_FRONT_PROXY */
    async put({ host, port, certPem, isTrusted }: RegistrationInit): Promise<Registered> {
        if ((await this.#owner()) === "another") return "another";
        // Without it every request would be refused, and the cluster have an API that does not answer.
        if (!isTrusted) throw new RedgeError("REDGE_STREAM_FRONT_PROXY", {});
        const { name, namespace } = METRICS_SERVICE;
        const metadata = { name, namespace, labels: OWNED };
        const place = placeOf(host, port);
        await this.#write(Kinds.service, { apiVersion: "v1", kind: "Service", metadata, spec: place.service });
        if (place.subsets !== undefined)
            await this.#write(Kinds.endpoints, {
                apiVersion: "v1",
                kind: "Endpoints",
                metadata,
                subsets: place.subsets,
            });
        const service = { name, namespace, port: place.port };
        const caBundle = Buffer.from(certPem).toString("base64");
        const spec = { ...SERVED, service, caBundle, groupPriorityMinimum: 100, versionPriority: 100 };
        const registered = { name: NAME, labels: OWNED };
        await this.#write(apiService, {
            apiVersion: "apiregistration.k8s.io/v1",
            kind: apiService.kind,
            metadata: registered,
            spec,
        });
        return "registered";
    }

    /** Takes away what this wrote once; an APIService that nobody answers for hinders the whole cluster. @throws REDGE_KUBE_* */
    async withdraw(): Promise<void> {
        if ((await this.#owner()) !== "registered") return;
        await this.#delete({ type: apiService, name: NAME });
        await this.#delete({ type: Kinds.service, ...METRICS_SERVICE });
        await this.#delete({ type: Kinds.endpoints, ...METRICS_SERVICE });
    }

    async #owner(): Promise<Registered | "nobody"> {
        try {
            const { items } = await this.#cluster.list({ type: apiService, fieldSelector: `metadata.name=${NAME}` });
            const [found] = items;
            if (found === undefined) return "nobody";
            const [[key, value] = ["", ""]] = Object.entries(OWNED);
            return found.metadata.labels?.[key] === value ? "registered" : "another";
        } catch (thrown) {
            if (isNotFound(thrown)) return "another";
            throw thrown;
        }
    }

    async #write(type: ResourceType, wanted: KubeObject): Promise<void> {
        const { name, namespace } = wanted.metadata;
        const ref = { type, name, namespace };
        const current = await this.#cluster.get(ref).catch((thrown: unknown) => {
            if (isNotFound(thrown)) return undefined;
            throw thrown;
        });
        if (current === undefined) {
            await this.#cluster.create(type, wanted);
        } else if (asRecord(current["spec"])["type"] !== asRecord(wanted["spec"])["type"]) {
            // A Service changes between address and name only by being made anew.
            await this.#delete(ref);
            await this.#cluster.create(type, wanted);
        } else {
            await this.#cluster.patch(ref, wanted, "merge");
        }
    }

    async #delete(ref: ObjectRef): Promise<void> {
        try {
            await this.#cluster.delete(ref);
        } catch (thrown) {
            if (!isNotFound(thrown)) throw thrown;
        }
    }
}

/** A Service that leads to the address, and the port that the API server dials there. */
function placeOf(host: string, port: number) {
    const isLoopback = /^127\.|^::1$/.test(host);
    if (isIP(host) === 0 || isLoopback) {
        // Endpoints take neither names nor loopback addresses; those are of API servers on the same machine.
        const externalName = isLoopback ? "localhost" : host;
        return { port, service: { type: "ExternalName", externalName }, subsets: undefined };
    }
    const ports = [{ name: "https", port: PORT, targetPort: port, protocol: "TCP" }];
    const subsets = [{ addresses: [{ ip: host }], ports: [{ name: "https", port, protocol: "TCP" }] }];
    return { port: PORT, service: { type: "ClusterIP", ports }, subsets };
}
