// SPDX-License-Identifier: Apache-2.0
import { asNumber, asRecord, asRecords, asText, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";

const KUBELET_PORT = 10350;
/** Tells metrics-server where the usage of this node is, when one address answers for many. */
const METRICS_PATH_ANNOTATION = "metrics.k8s.io/resource-metrics-path";

/**
 * What a Node says about where its kubelet is. In the API: where CloudStream is, since the node itself cannot be
 * reached; its own address stays visible as ExternalIP. Towards the edge: what the edge itself said, since its kubelet
 * compares. Without a stream address both are the same and nothing is touched.
 */
export class NodeAddress {
    readonly #stream: { readonly host: string; readonly port: number } | undefined;
    readonly #ports = new Map<string, number>();

    constructor(streamAddress: string | undefined) {
        if (streamAddress === undefined) return;
        const at = streamAddress.lastIndexOf(":");
        const host = streamAddress.slice(0, at).replace(/^\[|\]$/g, "");
        this.#stream = { host, port: Number(streamAddress.slice(at + 1)) };
    }

    /** What a Node's annotations say of it in the API. */
    annotations(node: string): Record<string, string> {
        if (this.#stream === undefined) return {};
        return { [METRICS_PATH_ANNOTATION]: `/metrics/nodes/${node}/metrics/resource` };
    }

    /** The status of a new Node, as it goes to the API. */
    toApi(node: string, status: JsonRecord): JsonRecord {
        if (this.#stream === undefined) return status;
        this.#remember(node, status);
        return {
            ...status,
            addresses: this.#presented(asRecords(status["addresses"])),
            daemonEndpoints: this.#endpoints(),
        };
    }

    /**
     * A status patch, as it goes to the API. The address list is always written whole: it is short, and a strategic
     * merge of one type with several addresses has no unambiguous result.
     */
    patchToApi(node: string, patch: JsonRecord, current: KubeObject | undefined): JsonRecord {
        if (this.#stream === undefined) return patch;
        const status = asRecord(patch["status"]);
        this.#remember(node, status);
        const given = asRecords(status["addresses"]).filter((address) => address["$patch"] === undefined);
        const known = asRecords(asRecord(current?.["status"])["addresses"]);
        if (given.length === 0 && (current === undefined || this.#isPresented(known, current))) return patch;
        const base = given.length > 0 ? given : this.#own(node, known);
        const { "$setElementOrder/addresses": _, ...rest } = status;
        const addresses = [...this.#presented(base), { $patch: "replace" }];
        return { ...patch, status: { ...rest, addresses, daemonEndpoints: this.#endpoints() } };
    }

    /** The status patch that a Node needs which says another stream address, as after a move of the cloud side. */
    renewal(node: KubeObject): JsonRecord | undefined {
        const status = asRecord(node["status"]);
        if (this.#stream === undefined || this.#isPresented(asRecords(status["addresses"]), node)) return undefined;
        const own = asRecords(status["addresses"]).filter(({ type }) => type === "ExternalIP");
        const base = own.length > 0 ? own : asRecords(status["addresses"]);
        return { status: { addresses: this.#presented(base), daemonEndpoints: this.#endpoints() } };
    }

    /** A Node as the edge should see it. */
    toEdge(object: KubeObject): KubeObject {
        const status = asRecord(object["status"]);
        const addresses = asRecords(status["addresses"]);
        if (this.#stream === undefined || !this.#isPresented(addresses, object)) return object;
        const node = object.metadata.name;
        const port = this.#ports.get(node) ?? KUBELET_PORT;
        return {
            ...object,
            status: {
                ...status,
                addresses: this.#own(node, addresses),
                daemonEndpoints: { kubeletEndpoint: { Port: port } },
            },
        };
    }

    forget(node: string): void {
        this.#ports.delete(node);
    }

    #presented(own: readonly JsonRecord[]): JsonRecord[] {
        const external = own
            .filter(({ type }) => type === "InternalIP" || type === "ExternalIP")
            .map((address) => ({ ...address, type: "ExternalIP" }));
        // No Hostname: an API server prefers it to the address, and it leads to the node itself.
        return [{ type: "InternalIP", address: this.#stream?.host }, ...external];
    }

    #own(node: string, presented: readonly JsonRecord[]): JsonRecord[] {
        const internal = presented
            .filter(
                ({ type, address }) =>
                    type === "ExternalIP" || (type === "InternalIP" && address !== this.#stream?.host),
            )
            .map((address) => ({ ...address, type: "InternalIP" }));
        return [...internal, { type: "Hostname", address: node }];
    }

    #endpoints(): JsonRecord {
        return { kubeletEndpoint: { Port: this.#stream?.port } };
    }

    #isPresented(addresses: readonly JsonRecord[], object: KubeObject | undefined): boolean {
        const port = asRecord(asRecord(asRecord(object?.["status"])["daemonEndpoints"])["kubeletEndpoint"])["Port"];
        return (
            addresses.some((a) => a["type"] === "InternalIP" && a["address"] === this.#stream?.host) &&
            port === this.#stream?.port
        );
    }

    #remember(node: string, status: JsonRecord): void {
        const endpoint = asRecord(asRecord(status["daemonEndpoints"])["kubeletEndpoint"]);
        const port = asNumber(endpoint["Port"]) ?? Number(asText(endpoint["Port"]));
        if (Number.isInteger(port) && port > 0) this.#ports.set(node, port);
    }
}
