// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { Group, newEnvelope, Source } from "../../envelope/envelope.ts";
import { callsOf, type MethodCall } from "../../kube/devices/method-call.ts";
import type { DeviceInstance } from "../mappers/device-instance.ts";
import {
    CALL,
    type CalledMethod,
    callResource,
    type DesiredWrite,
    deviceResource,
    type MethodRequest,
    WRITE,
    type WrittenValue,
} from "../mappers/wire.ts";
import { checkParams, writesOf } from "./call-params.ts";
import type { TwinContext } from "./context.ts";
import type { DeviceRecord, StoredCall } from "./records.ts";

/** Ended calls that a device remembers, so that an id that comes again is not carried out again. */
const REMEMBERED = 20;
const MAX_RESULT_BYTES = 64 * 1024;

/**
 * Device methods: a call arrives with its Device (an annotation), is kept on disk, handed to mappers, and ends with their
 * answer or with its timeout. An id is begun once; what ended is told to the cloud until the annotation is gone.
 */
export class MethodCalls {
    readonly #context: TwinContext;
    #timer: Timer | undefined;

    constructor(context: TwinContext) {
        this.#context = context;
    }

    stop(): void {
        this.#timer?.cancel();
        this.#timer = undefined;
    }

    /** The Device has come, perhaps with calls; begins those that are new. */
    async configure(record: DeviceRecord, instance: DeviceInstance): Promise<void> {
        const asked = new Map(callsOf(this.#context.registry.device(record.id)).map((call) => [call.id, call]));
        const before = record.calls ?? {};
        if (asked.size === 0 && Object.keys(before).length === 0) return;
        const begun = [...asked.values()].filter(({ id }) => before[id] === undefined);
        const calls = Object.entries(before).map(([id, call]) => this.#kept(call, asked.has(id)));
        for (const call of begun) calls.push(begin(call, instance, this.#context.clock.nowMs()));
        const forgotten = calls.filter(({ state, asked }) => state !== "Pending" && !asked).slice(0, -REMEMBERED);
        record.calls = Object.fromEntries(
            calls.filter((call) => !forgotten.includes(call)).map((call) => [call.id, call]),
        );
        const toTell = calls.some(({ state, asked }) => state !== "Pending" && asked);
        if (toTell) record.stateSeq += 1;
        this.#context.registry.putRecord(record);
        await this.#context.registry.commit();
        for (const { id } of begun) this.#send(record, instance, record.calls[id]);
        if (toTell) this.#context.reporter.offer(record);
        this.#arm();
    }

    /** Tells mappers again of the calls that they have not answered. */
    replay(record: DeviceRecord, instance: DeviceInstance): void {
        for (const call of Object.values(record.calls ?? {})) this.#send(record, instance, call);
        this.#arm();
    }

    /** Takes what mappers answer; returns the answers that were to no call. */
    async answered(
        record: DeviceRecord,
        written: Readonly<Record<string, WrittenValue>>,
        called: Readonly<Record<string, CalledMethod>>,
    ): Promise<Readonly<Record<string, WrittenValue>>> {
        const others: Record<string, WrittenValue> = {};
        for (const [property, answer] of Object.entries(written)) {
            const id = callOfWrite(answer.id);
            if (id === undefined) others[property] = answer;
            else await this.#written(record, id, property, answer);
        }
        for (const [id, { result, error }] of Object.entries(called)) {
            await this.#end(record, id, error === undefined ? { state: "Succeeded", result } : failed(error));
        }
        return others;
    }

    async #written(record: DeviceRecord, id: string, property: string, { error }: WrittenValue): Promise<void> {
        const call = record.calls?.[id];
        if (call?.state !== "Pending" || !call.waiting.includes(property)) return;
        if (error !== undefined) return this.#end(record, id, failed(`${property}: ${error}`));
        const waiting = call.waiting.filter((name) => name !== property);
        if (waiting.length === 0) return this.#end(record, id, { state: "Succeeded", result: call.params });
        await this.#put(record, { ...call, waiting });
    }

    async #end(record: DeviceRecord, id: string, end: Ended): Promise<void> {
        const call = record.calls?.[id];
        if (call?.state !== "Pending") return;
        record.stateSeq += 1;
        await this.#put(record, { ...call, ...bounded(end), finishedMs: this.#context.clock.nowMs() });
        this.#context.reporter.offer(record);
    }

    async #put(record: DeviceRecord, call: StoredCall): Promise<void> {
        record.calls = { ...record.calls, [call.id]: call };
        this.#context.registry.putRecord(record);
        await this.#context.registry.commit();
    }

    #kept(call: StoredCall, asked: boolean): StoredCall {
        if (call.state === "Pending" && !asked) {
            const finishedMs = this.#context.clock.nowMs();
            return { ...call, asked, finishedMs, state: "Expired", reason: "the call was taken back" };
        }
        return call.asked === asked ? call : { ...call, asked };
    }

    #send(record: DeviceRecord, instance: DeviceInstance, call: StoredCall | undefined): void {
        if (call?.state !== "Pending") return;
        const { id, method, params, timeoutMs, receivedMs: timestamp } = call;
        const content: MethodRequest = { id, method, params, timeoutMs, timestamp };
        this.#toMappers(callResource(record.id), CALL, content);
        for (const write of writesOf(call, instance)) this.#toMappers(deviceResource(record.id), WRITE, write);
    }

    #toMappers(resource: string, operation: string, content: MethodRequest | DesiredWrite): void {
        const route = { source: Source.twin, group: Group.twin, operation, resource };
        this.#context.toMappers(newEnvelope({ route, content, timestamp: this.#context.clock.nowMs() }));
    }

    /** One timer for all devices, at the next deadline. */
    #arm(): void {
        this.stop();
        const { clock, registry } = this.#context;
        const deadlines = [...registry.records.values()].flatMap(({ calls }) =>
            Object.values(calls ?? {}).flatMap((call) => (call.state === "Pending" ? [deadline(call)] : [])),
        );
        if (deadlines.length === 0) return;
        this.#timer = clock.after(Math.max(0, Math.min(...deadlines) - clock.nowMs()), () => {
            this.#timer = undefined;
            this.#expire().catch((thrown: unknown) =>
                this.#context.log.error("an expired call cannot be stored", { reason: errorText(thrown) }),
            );
        });
    }

    async #expire(): Promise<void> {
        const nowMs = this.#context.clock.nowMs();
        for (const record of this.#context.registry.records.values()) {
            for (const call of Object.values(record.calls ?? {})) {
                if (call.state !== "Pending" || deadline(call) > nowMs) continue;
                const reason = `no mapper has answered within ${call.timeoutMs / 1000} s`;
                await this.#end(record, call.id, { state: "Expired", reason });
            }
        }
        this.#arm();
    }
}

type Ended = Pick<StoredCall, "state" | "result" | "reason">;

function begin(call: MethodCall, instance: DeviceInstance, nowMs: number): StoredCall {
    const { id, method, timeoutMs } = call;
    const stored = { id, method, timeoutMs, receivedMs: nowMs, asked: true };
    try {
        const { params, properties } = checkParams(call, instance);
        return { ...stored, params, waiting: properties, state: "Pending" };
    } catch (thrown) {
        return { ...stored, params: {}, waiting: [], finishedMs: nowMs, ...failed(errorText(thrown)) };
    }
}

function failed(reason: string): Ended {
    return { state: "Failed", reason };
}

/** A result that no status of an object could hold is left out, and that is said. */
function bounded(end: Ended): Ended {
    const size = Buffer.byteLength(JSON.stringify(end.result) ?? "");
    if (size <= MAX_RESULT_BYTES) return end;
    return { state: end.state, reason: `the result of ${size} bytes is too large to be told` };
}

function deadline({ receivedMs, timeoutMs }: StoredCall): number {
    return receivedMs + timeoutMs;
}

function callOfWrite(id: string | undefined): string | undefined {
    return /^call\/([^/]+)\//.exec(id ?? "")?.[1];
}
