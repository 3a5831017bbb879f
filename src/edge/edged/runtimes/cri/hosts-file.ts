// SPDX-License-Identifier: Apache-2.0
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hostnameOf } from "../../pods/sandbox.ts";
import type { Pod } from "../../podspec/types.ts";
import type { Mount } from "../runtime.ts";

/** Names of the pod itself and of hostAliases; containers on the host's network see the host's file. */
export async function hostsFile(dir: string, pod: Pod, ips: readonly string[]): Promise<readonly Mount[]> {
    const mounted = pod.spec.containers.some(({ volumeMounts }) =>
        volumeMounts?.some(({ mountPath }) => mountPath === "/etc/hosts"),
    );
    if (pod.spec.hostNetwork === true || mounted) return [];
    const path = join(dir, pod.metadata.uid, "etc-hosts");
    const own = ips[0] === undefined ? [] : [`${ips[0]}\t${hostnameOf(pod)}`];
    const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join("\t")}`);
    const lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", ...own, ...aliases, ""];
    await writeFile(path, lines.join("\n"));
    return [{ hostPath: path, containerPath: "/etc/hosts", readOnly: false }];
}
