// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import { badRequest } from "./status.ts";

const containersOf = (pod: KubeObject): string[] =>
    ["containers", "initContainers", "ephemeralContainers"].flatMap((list) =>
        asRecords(asRecord(pod["spec"])[list]).map((container) => String(container["name"])),
    );

/** The container a request is about; the only one when it names none. @throws 400 */
export function containerFor(pod: KubeObject, wanted: string | null): string {
    const all = containersOf(pod);
    const { name } = pod.metadata;
    if (wanted !== null && wanted !== "") {
        if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
        return wanted;
    }
    const main = asRecords(asRecord(pod["spec"])["containers"]).map((container) => String(container["name"]));
    const [only] = main;
    if (only !== undefined && main.length === 1) return only;
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(" ")}]`);
}
