// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "../podspec/types.ts";
import type { SandboxSpec } from "../runtimes/runtime.ts";

const HOSTNAME_MAX = 63;

/** The pod-wide part of a pod as runtimes take it. */
export function sandboxSpec(pod: Pod, handler: string): SandboxSpec {
    const { dnsConfig, dnsPolicy } = pod.spec;
    const servers = dnsConfig?.nameservers ?? [];
    const searches = dnsConfig?.searches ?? [];
    const options = (dnsConfig?.options ?? []).map(({ name, value }) =>
        value === undefined ? name : `${name}:${value}`,
    );
    const own = dnsPolicy === "None" || servers.length + searches.length + options.length > 0;
    const hostname = (pod.spec.hostname ?? pod.metadata.name).slice(0, HOSTNAME_MAX).replace(/[-.]+$/, "");
    return { pod, handler, hostname, ...(own ? { dns: { servers, searches, options } } : {}) };
}
