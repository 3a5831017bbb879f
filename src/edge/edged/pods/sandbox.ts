// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "../podspec/types.ts";
import type { SandboxSpec } from "../runtimes/runtime.ts";
import { type Dns, hostDns } from "./resolv-conf.ts";

const HOSTNAME_MAX = 63;

/**
 * The pod-wide part of a pod as runtimes take it.
 * @param host how the machine resolves names, read when the pod adds to it
 */
export function sandboxSpec(pod: Pod, handler: string, host: () => Dns = hostDns): SandboxSpec {
    const dns = dnsOf(pod, host);
    return { pod, handler, hostname: hostnameOf(pod), ...(dns === undefined ? {} : { dns }) };
}

/** The pod's name as far as a host name may be long. */
export function hostnameOf({ metadata, spec }: Pod): string {
    return (spec.hostname ?? metadata.name).slice(0, HOSTNAME_MAX).replace(/[-.]+$/, "");
}

/** Undefined: as the machine's. With dnsPolicy None only what the pod says; else that and the machine's, as a kubelet does. */
function dnsOf({ spec: { dnsConfig, dnsPolicy } }: Pod, host: () => Dns): Dns | undefined {
    const servers = dnsConfig?.nameservers ?? [];
    const searches = dnsConfig?.searches ?? [];
    const options = (dnsConfig?.options ?? []).map(({ name, value }) =>
        value === undefined ? name : `${name}:${value}`,
    );
    if (dnsPolicy === "None") return { servers, searches, options };
    if (servers.length + searches.length + options.length === 0) return undefined;
    const base = host();
    const named = new Set(options.map(nameOf));
    return {
        servers: [...new Set([...base.servers, ...servers])],
        searches: [...new Set([...base.searches, ...searches])],
        options: [...base.options.filter((option) => !named.has(nameOf(option))), ...options],
    };
}

function nameOf(option: string): string {
    return option.split(":")[0] ?? option;
}
