// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import { type Envelope, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import type { PropertyInstance } from "../mappers/device-instance.ts";
import type { DeviceTwinConfig } from "./config.ts";
import { errorResult, type Stamp, type TwinChange, updateDelta, updateDocument, updateResult } from "./documents.ts";
import type { History } from "./history.ts";
import type { DeviceRecord } from "./records.ts";
import type { Registry } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import { deviceTopic } from "./topics.ts";

export interface ContextParts {
    readonly config: DeviceTwinConfig;
    readonly clock: Clock;
    readonly log: Logger;
    readonly registry: Registry;
    readonly reporter: Reporter;
    readonly history: History;
    readonly toEventBus: (envelope: Envelope) => void;
    readonly toMappers: (envelope: Envelope) => void;
    readonly toCloud: (envelope: Envelope) => void;
}

export interface ApplyOptions {
    readonly eventId: string;
    /** Somebody asked for this update and waits for `…/twin/update/result`. */
    readonly answer: boolean;
    readonly oneSegment?: boolean | undefined;
}

/** What DeviceTwin's three sides (cloud, MQTT, mappers) share: the registry, the way out, and applying a change. */
export class TwinContext {
    readonly config: DeviceTwinConfig;
    readonly clock: Clock;
    readonly log: Logger;
    readonly registry: Registry;
    readonly reporter: Reporter;
    readonly history: History;
    readonly toMappers: (envelope: Envelope) => void;
    readonly toCloud: (envelope: Envelope) => void;
    readonly #toEventBus: (envelope: Envelope) => void;

    constructor(parts: ContextParts) {
        this.config = parts.config;
        this.clock = parts.clock;
        this.log = parts.log;
        this.registry = parts.registry;
        this.reporter = parts.reporter;
        this.history = parts.history;
        this.toMappers = parts.toMappers;
        this.toCloud = parts.toCloud;
        this.#toEventBus = parts.toEventBus;
    }

    /** When every value of a property counts, none is left out for being the same. */
    refreshMs(property: PropertyInstance | undefined): number {
        return this.reporter.keepsAll(property) ? 0 : this.config.refreshMs;
    }

    stamp(eventId: string = randomUUID()): Stamp {
        return { event_id: eventId, timestamp: this.clock.nowMs() };
    }

    publish(topic: string, document: object): void {
        const route = { source: Source.twin, group: "bus", operation: Operation.publish, resource: topic };
        this.#toEventBus(newEnvelope({ route, content: document, timestamp: this.clock.nowMs() }));
    }

    publishFor(id: string, suffix: string, document: object, oneSegment = false): void {
        this.publish(deviceTopic(id, suffix), document);
        if (oneSegment) this.publish(deviceTopic(id, suffix, true), document);
    }

    /**
     * Takes changes over: memory, disk, then MQTT (result, document, delta, in this order) and the cloud.
     * @throws what the store throws; the record is then as it was
     */
    async apply(record: DeviceRecord, changes: ReadonlyMap<string, TwinChange>, options: ApplyOptions): Promise<void> {
        const { eventId, answer, oneSegment } = options;
        const fresh = [...changes].filter(([, { last, current }]) => last !== current);
        for (const [key, { current }] of fresh) {
            if (current === undefined) record.twin.delete(key);
            else record.twin.set(key, current);
        }
        const delta = updateDelta(this.stamp(), record);
        if (fresh.length > 0) {
            this.registry.putRecord(record);
            this.reporter.changed(record, changes);
            this.history.changed(record.id, changes);
            await this.#stored(record, eventId, oneSegment);
        }
        const stamp = this.stamp(eventId);
        if (answer) this.publishFor(record.id, "twin/update/result", updateResult(stamp, changes), oneSegment);
        if (changes.size > 0)
            this.publishFor(record.id, "twin/update/document", updateDocument(stamp, changes), oneSegment);
        if (delta !== undefined) this.publishFor(record.id, "twin/update/delta", delta, oneSegment);
        this.reporter.offer(record);
    }

    async #stored(record: DeviceRecord, eventId: string, oneSegment: boolean | undefined): Promise<void> {
        try {
            await this.registry.commit();
        } catch (thrown) {
            await this.registry.reload(record.id);
            const error = errorResult(this.stamp(eventId), 500, errorText(thrown));
            this.publishFor(record.id, "twin/update/result", error, oneSegment);
            throw thrown;
        }
    }
}
