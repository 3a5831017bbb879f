// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect } from "mqtt";
import { asRecord } from "../../../src/core/json.ts";
import type { TestSite } from "../site.ts";

/** What a gateway needs while it is watched: disk and memory at their largest, and what it says of its link. */
export class GatewayWatch {
    readonly #site: TestSite;
    readonly #client;
    #timer: NodeJS.Timeout | undefined;
    storeBytes = 0;
    residentMiB = 0;
    /** States of the link with the time they were told, newest last. */
    readonly link: { readonly state: string; readonly atMs: number }[] = [];

    constructor(site: TestSite) {
        this.#site = site;
        this.#client = connect(`mqtt://127.0.0.1:${site.port("REDGE_MQTT_PORT")}`);
        this.#client.on("error", () => {});
        this.#client.on("connect", () => this.#client.subscribe("$hw/events/node/+/link"));
        this.#client.on("message", (_topic, payload) => {
            const state = String(asRecord(JSON.parse(payload.toString()))["state"]);
            this.link.push({ state, atMs: Date.now() });
        });
        this.#timer = setInterval(() => void this.#sample(), 1000);
    }

    async stop(): Promise<void> {
        clearInterval(this.#timer);
        await this.#client.endAsync(true);
    }

    async #sample(): Promise<void> {
        this.storeBytes = Math.max(this.storeBytes, sizeOf(join(this.#site.home, "edge/redge")));
        const { edge } = await this.#site.pids();
        if (edge === undefined) return;
        this.residentMiB = Math.max(this.residentMiB, residentMiB(edge));
    }
}

/** Bytes of the store's files in a folder; one that is just being replaced counts with the next look. */
function sizeOf(folder: string): number {
    let bytes = 0;
    for (const name of readdirSync(folder)) {
        const entry = statSync(join(folder, name), { throwIfNoEntry: false });
        if (entry?.isFile() && name.startsWith("redge.")) bytes += entry.size;
    }
    return bytes;
}

/** 0 when the process is just gone. */
function residentMiB(pid: number): number {
    try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    } catch {
        return 0;
    }
}
