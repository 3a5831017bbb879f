// SPDX-License-Identifier: Apache-2.0
import type { Envelope } from "../../envelope/envelope.ts";
import type { PropertyInstance } from "../mappers/device-instance.ts";
import { field, text } from "../mappers/fields.ts";
import { twinTypeOf } from "../mappers/values.ts";
import type { TwinContext } from "./context.ts";
import { errorResult, getResult, membershipResult, stateResult, type TwinChange } from "./documents.ts";
import type { DeviceRecord, TwinProperty } from "./records.ts";
import { holdsBack, policyOf, type ReportGate } from "./report-gate.ts";
import { BadRequest, eventIdOf, parseRequest, parseTwinUpdate } from "./requests.ts";
import { nodeTopic, parseTopic, type TwinTopic } from "./topics.ts";
import { planUpdate } from "./updates.ts";

type DeviceTopic = Extract<TwinTopic, { id: string }>;

/** States that a device may be in; the first two say that it was heard of just now. */
const STATES = new Set(["online", "ok", "offline", "unknown", "unhealthy"]);

/** What a twin says beside its reading: when that changes, the reading is told with it. */
const BESIDE = ["type", "optional", "expected", "pendingWrite", "failed"] as const;
const AT_ONCE = { deadband: 0, deadbandPercent: 0, minIntervalMs: 0, refreshMs: 0 };

/** Answers what MQTT clients ask (device plane reference 3.4 to 3.8). */
export class MqttSide {
    readonly #context: TwinContext;
    readonly #gate: ReportGate;

    constructor(context: TwinContext, gate: ReportGate) {
        this.#context = context;
        this.#gate = gate;
    }

    /** Takes a document from EventBus; its resource is the MQTT topic. Topics of no meaning here are passed over. */
    async receive({ route, content }: Envelope): Promise<void> {
        const topic = parseTopic(route.resource, this.#context.config.oneSegmentIds);
        if (topic === undefined) return;
        try {
            await this.#handle(topic, content);
        } catch (thrown) {
            if (!(thrown instanceof BadRequest)) throw thrown;
            const error = errorResult(this.#context.stamp(eventIdOf(content)), thrown.code, thrown.message);
            if (topic.kind === "membership/get") this.#toNode(error);
            else this.#context.publishFor(topic.id, `${topic.kind}/result`, error, topic.oneSegment);
        }
    }

    async #handle(topic: TwinTopic, content: unknown): Promise<void> {
        const context = this.#context;
        if (topic.kind === "membership/get") {
            const request = parseRequest(content);
            const stamp = context.stamp(eventIdOf(request));
            this.#toNode(membershipResult(stamp, context.registry.records.values()));
            return;
        }
        if (topic.kind === "twin/update") return this.#update(topic, content);
        const request = parseRequest(content);
        const record = this.#record(topic.id);
        if (topic.kind === "twin/get") {
            const result = getResult(context.stamp(eventIdOf(request)), record);
            context.publishFor(topic.id, "twin/get/result", result, topic.oneSegment);
            return;
        }
        const state = text(field(request, "state"));
        if (state === undefined) throw new BadRequest("state is missing or not text");
        await setState(context, record, state, eventIdOf(request), topic.oneSegment);
    }

    async #update(topic: DeviceTopic, content: unknown): Promise<void> {
        const { eventId, twin } = parseTwinUpdate(content);
        const record = this.#record(topic.id);
        const instance = this.#context.registry.instance(topic.id);
        const propertyOf = (key: string) => instance?.properties.find(({ name }) => name === key);
        const changes = planUpdate(record, twin, {
            typeOf: (key) => {
                const property = propertyOf(key);
                return property === undefined ? undefined : twinTypeOf(property.type);
            },
            nowMs: this.#context.clock.nowMs(),
            refreshMs: (key) => {
                const property = propertyOf(key);
                return policyOf(property, this.#context.refreshMs(property)).refreshMs;
            },
        });
        for (const [key, change] of changes) {
            if (!this.#told(topic.id, key, propertyOf(key), change))
                changes.set(key, { ...change, current: change.last });
        }
        await this.#context.apply(record, changes, { eventId, answer: true, oneSegment: topic.oneSegment });
    }

    /** Whether the report policy lets a change through; only readings of a device are held back, never what else is said with them. */
    #told(id: string, key: string, property: PropertyInstance | undefined, { last, current }: TwinChange): boolean {
        const reading = current?.actual;
        if (reading === undefined || reading === last?.actual) return true;
        const policy = policyOf(property, this.#context.refreshMs(property));
        if (!holdsBack(policy)) return true;
        const same = (what: keyof TwinProperty): boolean => current?.[what] === last?.[what];
        const readingAlone = last !== undefined && BESIDE.every(same);
        return this.#gate.admit(id, key, reading, readingAlone ? policy : { ...policy, ...AT_ONCE });
    }

    #record(id: string): DeviceRecord {
        const record = this.#context.registry.records.get(id);
        if (record === undefined) throw new BadRequest(`the device ${id} is not known at this gateway`, 404);
        return record;
    }

    #toNode(document: object): void {
        this.#context.publish(nodeTopic(this.#context.config.nodeName, "membership/get/result"), document);
    }
}

/**
 * Sets a device's state, tells MQTT and the cloud. @throws BadRequest for a word that is no state
 */
export async function setState(
    context: TwinContext,
    record: DeviceRecord,
    state: string,
    eventId: string | undefined,
    oneSegment = false,
): Promise<void> {
    const word = state.toLowerCase();
    if (!STATES.has(word)) {
        throw new BadRequest(`${JSON.stringify(state.slice(0, 40))} is none of ${[...STATES].join(", ")}`);
    }
    record.state = state;
    if (word === "online" || word === "ok") {
        record.lastOnline = `${new Date(context.clock.nowMs()).toISOString().slice(0, 19)}Z`;
    } else {
        delete record.lastOnline;
    }
    record.stateSeq += 1;
    context.registry.putRecord(record);
    await context.registry.commit();
    context.publishFor(record.id, "state/update/result", stateResult(context.stamp(eventId), record), oneSegment);
    context.reporter.offer(record);
}
