// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, type JsonRecord } from "../../../core/json.ts";
import { invalid, invalidValue, unavailable } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import type { KubeObject } from "../../../kube/types.ts";

const SERVICES = { group: "", plural: "services" };
/** 10.96.0.0/16, the usual service range; .0.1 is the API server's own. */
const RANGE = [10, 96] as const;
const FIRST_HOST = 10;
const HOSTS = 65_534;
const NODE_PORT_FIRST = 30_000;
const NODE_PORT_LAST = 32_767;
const KIND = { group: "", kind: "Service" };

/** Gives services their cluster address and node ports. */
export class ServiceAddresses {
    readonly #reader: ObjectReader;
    #nextHost = FIRST_HOST;
    #nextPort = NODE_PORT_FIRST;

    constructor(reader: ObjectReader) {
        this.#reader = reader;
    }

    async assign(service: KubeObject): Promise<void> {
        const spec = asRecord(service["spec"]);
        if (spec["type"] === "ExternalName") return;
        const taken = await this.#taken();
        const wanted = asText(spec["clusterIP"]);
        if (wanted !== undefined && wanted !== "None" && taken.addresses.has(wanted)) {
            throw invalid(KIND, service.metadata.name, [
                invalidValue("spec.clusterIPs", [wanted], "failed to allocate IP: provided IP is already allocated"),
            ]);
        }
        spec["clusterIP"] = wanted ?? this.#freeAddress(taken.addresses);
        spec["clusterIPs"] = [spec["clusterIP"]];
        spec["ipFamilies"] ??= ["IPv4"];
        spec["ipFamilyPolicy"] ??= "SingleStack";
        this.#assignNodePorts(spec, taken.ports);
    }

    /** An update that leaves the address out means the one it has. */
    async keep(next: KubeObject, current: KubeObject): Promise<void> {
        const before = asRecord(current["spec"]);
        const spec = asRecord(next["spec"]);
        if (spec["type"] === "ExternalName") return;
        if (asText(before["clusterIP"]) === undefined) return this.assign(next);
        for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) spec[field] ??= before[field];
        const known = asRecords(before["ports"]);
        for (const port of asRecords(spec["ports"])) {
            port["nodePort"] ??= known.find(
                (one) => one["port"] === port["port"] && one["protocol"] === port["protocol"],
            )?.["nodePort"];
            if (port["nodePort"] === undefined) delete port["nodePort"];
        }
        this.#assignNodePorts(spec, (await this.#taken()).ports);
    }

    #assignNodePorts(spec: JsonRecord, taken: Set<unknown>): void {
        const wanted = spec["type"] === "NodePort" || spec["type"] === "LoadBalancer";
        for (const port of asRecords(spec["ports"])) {
            if (!wanted) delete port["nodePort"];
            else if (port["nodePort"] === undefined || port["nodePort"] === 0) port["nodePort"] = this.#freePort(taken);
        }
    }

    async #taken(): Promise<{ readonly addresses: Set<unknown>; readonly ports: Set<unknown> }> {
        const { items } = await this.#reader.list(SERVICES, undefined);
        const specs = items.map((stored) => asRecord(stored.object["spec"]));
        return {
            addresses: new Set(specs.map((spec) => spec["clusterIP"])),
            ports: new Set(specs.flatMap((spec) => asRecords(spec["ports"]).map((port) => port["nodePort"]))),
        };
    }

    #freeAddress(taken: ReadonlySet<unknown>): string {
        for (let tries = 0; tries < HOSTS; tries += 1) {
            const host = this.#nextHost;
            this.#nextHost = host >= HOSTS ? FIRST_HOST : host + 1;
            const address = `${RANGE[0]}.${RANGE[1]}.${host >> 8}.${host & 255}`;
            if (!taken.has(address)) return address;
        }
        throw unavailable("every address of the service range is taken");
    }

    #freePort(taken: Set<unknown>): number {
        for (let tries = NODE_PORT_FIRST; tries <= NODE_PORT_LAST; tries += 1) {
            const port = this.#nextPort;
            this.#nextPort = port >= NODE_PORT_LAST ? NODE_PORT_FIRST : port + 1;
            if (taken.has(port)) continue;
            taken.add(port);
            return port;
        }
        throw unavailable("every node port is taken");
    }
}
