// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { SandboxSpec } from "../runtimes/runtime.ts";

export type Dns = NonNullable<SandboxSpec["dns"]>;

/** Where machines say how they resolve names; the second is behind the stub that systemd-resolved puts in the first. */
const FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
const LOOPBACK = /^(127\.|::1$)/;

/** How this machine resolves names; servers on its own loopback are left out, a pod cannot reach them. */
export function hostDns(files: readonly string[] = FILES): Dns {
    for (const file of files) {
        const found = parseResolvConf(textOf(file));
        const servers = found.servers.filter((server) => !LOOPBACK.test(server));
        if (servers.length > 0) return { ...found, servers };
    }
    return { servers: [], searches: [], options: [] };
}

/** The lines of resolv.conf(5) that count: every nameserver, the last search, every option. */
export function parseResolvConf(text: string): Dns {
    const servers: string[] = [];
    let searches: readonly string[] = [];
    const options: string[] = [];
    for (const line of text.split("\n")) {
        const [key, ...values] = line.trim().split(/\s+/);
        if (key === "nameserver" && values[0] !== undefined) servers.push(values[0]);
        if (key === "search" || key === "domain") searches = values.filter((domain) => domain !== ".");
        if (key === "options") options.push(...values);
    }
    return { servers, searches, options };
}

function textOf(file: string): string {
    try {
        return readFileSync(file, "utf8");
    } catch (thrown) {
        // A machine without one resolves nothing, and its pods neither.
        if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return "";
        throw thrown;
    }
}
