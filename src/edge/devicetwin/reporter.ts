// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { PropertyInstance } from "../mappers/device-instance.ts";
import { Backlog, type KeptReport } from "./backlog.ts";
import { BacklogUplink } from "./backlog-uplink.ts";
import type { DeviceTwinConfig } from "./config.ts";
import type { TwinChange } from "./documents.ts";
import { KeptReports, roomForReports } from "./kept-reports.ts";
import type { DeviceRecord, TwinProperty } from "./records.ts";
import type { Registry } from "./registry.ts";
import { Uplink } from "./uplink.ts";

export interface ReporterParts {
    readonly config: DeviceTwinConfig;
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: Metrics;
    readonly store: DocumentStore;
    readonly registry: Registry;
    readonly send: (envelope: Envelope) => void;
    /** Kept reports were given up; see `givenUp`. */
    readonly gaveUp: () => void;
}

/** Tells the cloud what changed, by the policy of each property: the newest value, or every report in its order. */
export class Reporter {
    readonly #registry: Registry;
    readonly #config: DeviceTwinConfig;
    readonly #uplink: Uplink;
    readonly #backlog: Backlog;
    readonly #kept: KeptReports;
    readonly #backlogUplink: BacklogUplink;
    /** Whether the cloud can do with a present value that is no report. */
    #showsPresent = false;

    constructor({ config, clock, log, metrics, store, registry, send, gaveUp }: ReporterParts) {
        this.#registry = registry;
        this.#config = config;
        this.#uplink = new Uplink({
            clock,
            confirmTimeoutMs: config.confirmTimeoutMs,
            send,
            // Not worth a flush of its own: a confirmation that is lost only makes a report be sent twice.
            confirmed: (record) => registry.putRecord(record),
            wayOf: (id, name) => {
                const property = this.#property(id, name);
                if (!(property?.reportToCloud ?? true)) return undefined;
                if (!this.keepsAll(property)) return "report";
                return this.#showsPresent && this.#backlogUplink.isBehind(id) ? "present" : undefined;
            },
            current: (id) => registry.records.get(id),
        });
        const limit = config.keptReports || roomForReports();
        const backlog = new Backlog(store, registry.commits, limit, () => this.#kept.gaveUp());
        this.#kept = new KeptReports({
            clock,
            log,
            metrics,
            limit,
            size: () => backlog.size,
            flush: () => backlog.flush(),
            told: gaveUp,
        });
        this.#backlog = backlog;
        this.#backlogUplink = new BacklogUplink({
            clock,
            backlog,
            confirmTimeoutMs: config.confirmTimeoutMs,
            send,
            confirmed: (device, report) => this.#confirmed(device, report),
            failed: (thrown) => log.error("kept reports cannot be read", { reason: errorText(thrown) }),
        });
    }

    async load(): Promise<void> {
        await this.#backlog.load();
        this.#kept.start();
    }

    /** Kept reports that were given up since this process started. */
    get givenUp(): number {
        return this.#kept.givenUp;
    }

    /** Whether every report of a property goes to the cloud, rather than its newest value: as the Device says, else the node. */
    keepsAll(property: PropertyInstance | undefined): boolean {
        return (property?.reportPolicy?.keep ?? this.#config.offlinePolicy) === "all";
    }

    /** Called within the change, before it is written, so that twin and report reach the disk together. */
    changed(record: DeviceRecord, changes: ReadonlyMap<string, TwinChange>): void {
        const report: Record<string, TwinProperty> = {};
        for (const [key, { last, current }] of changes) {
            if (current === undefined || current.seq === (last?.seq ?? 0)) continue;
            const property = this.#property(record.id, key);
            if ((property?.reportToCloud ?? true) && this.keepsAll(property)) report[key] = current;
        }
        if (Object.keys(report).length > 0) this.#backlog.push(record.id, report);
    }

    offer(record: DeviceRecord): void {
        this.#backlogUplink.offer(record.id);
        this.#uplink.offer(record);
    }

    confirm(parentId: string): void {
        if (!this.#uplink.confirm(parentId)) this.#backlogUplink.confirm(parentId);
    }

    linkDown(): void {
        this.#uplink.linkDown();
        this.#backlogUplink.linkDown();
    }

    /** `peer`: whose the cloud is, as EdgeHub says. */
    linkUp(peer: unknown): void {
        this.#showsPresent = peer === "redge";
        this.#backlogUplink.linkUp();
        this.#uplink.linkUp(this.#registry.records.values(), peer === "kubeedge");
    }

    forget(device: string): void {
        this.#backlog.forget(device);
        this.#backlogUplink.forget(device);
    }

    stop(): void {
        this.#kept.stop();
        this.#uplink.stop();
        this.#backlogUplink.linkDown();
    }

    #property(id: string, property: string): PropertyInstance | undefined {
        return this.#registry.instance(id)?.properties.find(({ name }) => name === property);
    }

    #confirmed(device: string, report: KeptReport): void {
        const record = this.#registry.records.get(device);
        if (record === undefined) return;
        for (const [key, { seq }] of Object.entries(report)) {
            const property = record.twin.get(key);
            if (property !== undefined && property.confirmed < seq)
                record.twin.set(key, { ...property, confirmed: seq });
        }
        this.#registry.putRecord(record);
    }
}
