// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, newEnvelope, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import { type DeviceInstance, listedProperties } from "../mappers/device-instance.ts";
import { formatValue, twinTypeOf } from "../mappers/values.ts";
import {
    ALL_DEVICES,
    type DesiredWrite,
    deviceIdOf,
    deviceResource,
    type MapperReport,
    parseMapperReport,
    type ReportedValue,
    WRITE,
} from "../mappers/wire.ts";
import { answerQuery } from "./answers.ts";
import type { TwinContext } from "./context.ts";
import { pendingWrites, planDesired, planWritten, toldInstance } from "./desired.ts";
import type { TwinChange } from "./documents.ts";
import { failedReading, planUnreadable } from "./failed-reading.ts";
import { MethodCalls } from "./method-calls.ts";
import { setState } from "./mqtt-side.ts";
import { Reconciler } from "./reconciler.ts";
import type { DeviceRecord, TwinProperty } from "./records.ts";
import { planRefit } from "./refit.ts";
import { policyOf, type ReportGate } from "./report-gate.ts";
import { BadRequest } from "./requests.ts";
import { planUpdate } from "./updates.ts";

/** Speaks with mappers: hands out devices and desired values, takes what they report (docs/devices.md). */
export class MapperSide {
    readonly #context: TwinContext;
    readonly #gate: ReportGate;
    readonly #reconciler = new Reconciler();
    readonly #calls: MethodCalls;

    constructor(context: TwinContext, gate: ReportGate) {
        this.#context = context;
        this.#calls = new MethodCalls(context);
        this.#gate = gate;
    }

    stop(): void {
        this.#calls.stop();
    }

    /** Takes readings whose time to be told has come. */
    released(id: string, held: Readonly<Record<string, ReportedValue>>): void {
        this.#apply(id, { reported: held }).catch((thrown: unknown) =>
            this.#context.log.error("a held reading cannot be stored", { device: id, reason: errorText(thrown) }),
        );
    }

    /** Tells mappers of a device as it now is, and of desired values that are new. */
    async configure(id: string): Promise<void> {
        const { registry, clock } = this.#context;
        const held = registry.instance(id);
        const { instance, fault } = this.#resolve(id);
        const record = registry.records.get(id);
        if (record !== undefined && fault !== undefined) await this.#unmap(record, fault);
        if (instance === undefined || record === undefined) {
            await registry.commit();
            return;
        }
        const before = this.#pendingIds(record);
        const changes = planDesired(record, instance, clock.nowMs(), planRefit(record, held, instance));
        if (changes.size === 0) await registry.commit();
        else await this.#context.apply(record, changes, { eventId: this.#context.stamp().event_id, answer: false });
        this.#sendDevice(instance, Operation.update);
        this.#sendNewWrites(record, before);
        await this.#calls.configure(record, instance);
    }

    /** A device that cannot be as it is described: mappers let go of it, and each of its properties says why. */
    async #unmap(record: DeviceRecord, fault: string): Promise<void> {
        const { id } = record;
        this.#send(deviceResource(id), Operation.delete, {});
        const changes = planUnreadable(record, listedProperties(this.#context.registry.device(id)), fault);
        const { event_id: eventId } = this.#context.stamp();
        if (changes.size > 0) await this.#context.apply(record, changes, { eventId, answer: false });
        if (record.state !== "unhealthy") await setState(this.#context, record, "unhealthy", undefined);
    }

    remove(id: string): void {
        this.#gate.forget(id);
        this.#reconciler.forget(id);
        this.#send(deviceResource(id), Operation.delete, {});
    }

    /** Everything a mapper needs after it has started: all devices, then all desired values that still wait. */
    replay(): void {
        for (const id of this.#context.registry.deviceIds) this.#replayDevice(id);
    }

    #replayDevice(id: string): void {
        const instance = this.#context.registry.instance(id) ?? this.#resolve(id).instance;
        const record = this.#context.registry.records.get(id);
        if (instance === undefined || record === undefined) return;
        this.#sendDevice(instance, Operation.insert);
        for (const write of pendingWrites(record, instance)) this.#sendWrite(id, write);
        this.#calls.replay(record, instance);
    }

    /** @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_UNKNOWN */
    async receive(envelope: Envelope): Promise<void> {
        const { route, content } = envelope;
        if (route.operation === Operation.query) {
            await this.#answer(envelope);
            return;
        }
        const id = deviceIdOf(route.resource);
        if (id === undefined || route.operation !== Operation.upload) {
            throw refuse("route", `is neither "${Operation.query}" nor "${Operation.upload} <ns>/device/<name>"`);
        }
        const report = parseMapperReport(content);
        await this.#apply(id, { ...report, ...this.#admitted(id, report) });
    }

    async #answer(envelope: Envelope): Promise<void> {
        const { resource } = envelope.route;
        const device = deviceIdOf(resource);
        if (resource === ALL_DEVICES) {
            this.replay();
            // So that the mapper knows that it has them all, and may forget others.
            const devices = [...this.#context.registry.deviceIds].length;
            this.#context.toMappers(responseTo(envelope, { devices }, { source: Source.twin, group: Group.twin }));
        } else if (device !== undefined) {
            this.#replayDevice(device);
        } else {
            const answer = await answerQuery(this.#context, envelope);
            if (answer === undefined) throw refuse("route.resource", `asks for nothing that is known: ${resource}`);
            this.#context.toMappers(answer);
        }
    }

    /** The readings that the report policy lets through. */
    #admitted(id: string, { reported }: MapperReport): Pick<MapperReport, "reported"> {
        if (reported === undefined) return {};
        const instance = this.#context.registry.instance(id);
        const admitted = Object.entries(reported).filter(([name, reading]) => {
            const property = instance?.properties.find((one) => one.name === name);
            const policy = policyOf(property, this.#context.refreshMs(property));
            return this.#gate.admit(id, name, reading, policy);
        });
        return { reported: Object.fromEntries(admitted) };
    }

    async #apply(id: string, report: MapperReport): Promise<void> {
        const record = this.#context.registry.records.get(id);
        if (record === undefined) throw new RedgeError("REDGE_DEVICE_UNKNOWN", { device: id });
        try {
            if (report.state !== undefined) this.#reconciler.stateSaid(id, report.state);
            const before = this.#pendingIds(record);
            const { written: given = {}, called = {} } = report;
            const written = await this.#calls.answered(record, given, called);
            const changes = this.#plan(record, { ...report, written });
            const eventId = this.#context.stamp().event_id;
            if (changes.size > 0) await this.#context.apply(record, changes, { eventId, answer: true });
            this.#sendNewWrites(record, before);
            if (report.state !== undefined) await setState(this.#context, record, report.state, undefined);
        } catch (thrown) {
            if (thrown instanceof BadRequest) throw refuse(record.id, thrown.message);
            throw thrown;
        }
    }

    #plan(record: DeviceRecord, { reported, written }: MapperReport): Map<string, TwinChange> {
        const nowMs = this.#context.clock.nowMs();
        const instance = this.#context.registry.instance(record.id);
        const typeOf = (key: string): string | undefined => {
            const property = instance?.properties.find(({ name }) => name === key);
            return property === undefined ? undefined : twinTypeOf(property.type);
        };
        const given = Object.entries(reported ?? {});
        const good = given
            .filter(([, value]) => value.quality !== "bad")
            .map(([key, { value, timestamp }]) => [key, { actual: { value: formatValue(value), timestamp } }] as const);
        const changes = planUpdate(record, new Map(good), { typeOf, nowMs, refreshMs: () => 0 });
        const put = (key: string, current: TwinProperty | undefined): void => {
            if (current !== undefined) changes.set(key, { last: record.twin.get(key), current });
        };
        const now = (key: string): TwinProperty | undefined => changes.get(key)?.current ?? record.twin.get(key);
        for (const [key, { quality, reason }] of given) {
            const type = typeOf(key) ?? now(key)?.type;
            if (quality === "bad" && type !== undefined) put(key, failedReading(now(key), type, reason));
        }
        for (const [key, answer] of Object.entries(written ?? {})) put(key, planWritten(now(key), answer, nowMs));
        for (const [key] of good) {
            const property = instance?.properties.find(({ name }) => name === key);
            put(key, this.#reconciler.check(record.id, property, now(key), nowMs));
        }
        return changes;
    }

    #pendingIds(record: DeviceRecord): ReadonlySet<string | undefined> {
        return new Set([...record.twin.values()].map(({ pendingWrite }) => pendingWrite));
    }

    #sendNewWrites(record: DeviceRecord, before: ReadonlySet<string | undefined>): void {
        const instance = this.#context.registry.instance(record.id);
        if (instance === undefined) return;
        for (const write of pendingWrites(record, instance))
            if (!before.has(write.id)) this.#sendWrite(record.id, write);
    }

    /** `fault`: why the device cannot be as it is described. */
    #resolve(id: string): { readonly instance: DeviceInstance | undefined; readonly fault?: string } {
        try {
            return { instance: this.#context.registry.resolve(id) };
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            const fault = errorText(thrown);
            this.#context.log.error(fault, { device: id, remedy: thrown.remedy });
            return { instance: undefined, fault };
        }
    }

    #sendDevice(instance: DeviceInstance, operation: string): void {
        const device = this.#context.registry.device(instance.id);
        const record = this.#context.registry.records.get(instance.id);
        const told = record === undefined ? instance : toldInstance(record, instance);
        const content = { device, model: this.#context.registry.modelOf(device), instance: told };
        this.#send(deviceResource(instance.id), operation, content);
    }

    #sendWrite(id: string, write: DesiredWrite): void {
        this.#send(deviceResource(id), WRITE, write);
    }

    #send(resource: string, operation: string, content: unknown): void {
        const route = { source: Source.twin, group: Group.twin, operation, resource };
        this.#context.toMappers(newEnvelope({ route, content, timestamp: this.#context.clock.nowMs() }));
    }
}

function refuse(where: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_MESSAGE", { component: "DeviceTwin", field: where, reason });
}
