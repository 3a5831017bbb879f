// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../core/json.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { isAlreadyExists, isNotFound, statusCode } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { isNewer } from "../shared/versions.ts";
import { type DeviceKey, keyOf, modelProperty, propertyNames } from "./device.ts";
import type { PropertyReport, StateReport } from "./report.ts";
import { applyReport, reportMismatch, type Twin, type Twins, twinList, twinsOf } from "./twins.ts";

/** What is known of one device's reports, and who waits for it to be written. */
interface Entry {
    twins: Map<string, Twin>;
    state: string | undefined;
    lastOnlineTime: string | undefined;
    /** Version of the DeviceStatus that this was last read from or written to; undefined: there is none yet. */
    version: string | undefined;
    unwritten: boolean;
    readonly refused: Map<string, { value: string; reason: string }>;
    readonly rejected: Map<string, string>;
    readonly unread: Map<string, string>;
    /** Messages that are confirmed when their values are in the API. */
    waiting: Envelope[];
}

export interface DeviceStatusesOptions {
    readonly cluster: KubeClient;
    readonly device: (key: DeviceKey) => KubeObject | undefined;
    readonly model: (device: KubeObject) => KubeObject | undefined;
    readonly stored: (key: DeviceKey) => KubeObject | undefined;
    /** The values of these messages are in the API. */
    readonly written: (messages: readonly Envelope[]) => void;
    /** The API will never take them. */
    readonly refused: (messages: readonly Envelope[], reason: unknown) => void;
}

/** An edge that is never answered resends; what it resent long ago need not be answered as well. */
const MOST_WAITING = 1000;

/** The DeviceStatus of every device: newest values joined in memory, written by `write`. */
export class DeviceStatuses {
    readonly #options: DeviceStatusesOptions;
    readonly #entries = new Map<DeviceKey, Entry>();

    constructor(options: DeviceStatusesOptions) {
        this.#options = options;
    }

    entry(key: DeviceKey): Readonly<Pick<Entry, "state" | "lastOnlineTime" | "refused" | "rejected" | "unread">> & {
        readonly twins: Twins;
    } {
        return this.#entry(key);
    }

    /** Takes the values of a report. The message is confirmed once they, or newer ones, are in the API. */
    reported(device: KubeObject, reports: readonly PropertyReport[], message: Envelope): void {
        const entry = this.#entry(keyOf(device));
        const model = this.#options.model(device);
        const known = new Set(propertyNames(device));
        for (const report of reports) {
            if (!known.has(report.property)) continue;
            const property = modelProperty(model, report.property);
            const mismatch = reportMismatch(report, property);
            if (mismatch === undefined) entry.rejected.delete(report.property);
            else entry.rejected.set(report.property, `${report.actual?.value || "an empty value"} ${mismatch}`);
            if (report.unread === undefined) entry.unread.delete(report.property);
            else entry.unread.set(report.property, report.unread);
            if (report.failed === undefined) entry.refused.delete(report.property);
            else entry.refused.set(report.property, report.failed);
            const before = entry.twins.get(report.property);
            const after = applyReport(
                before,
                mismatch === undefined ? report : { ...report, actual: undefined },
                property,
            );
            if (
                after === before ||
                (before === undefined && after.reported === undefined && after.observedDesired === undefined)
            )
                continue;
            entry.twins.set(report.property, after);
            entry.unwritten = true;
            if (report.actual?.badReason === undefined) seen(entry, report.actual?.timestamp);
        }
        waitFor(entry, message);
    }

    stateReported(device: KubeObject, report: StateReport, message: Envelope): void {
        const entry = this.#entry(keyOf(device));
        if (report.state !== undefined && report.state !== entry.state) {
            entry.state = report.state;
            entry.unwritten = true;
        }
        if (report.lastOnlineTime !== undefined && isLater(report.lastOnlineTime, entry.lastOnlineTime)) {
            entry.lastOnlineTime = report.lastOnlineTime;
            entry.unwritten = true;
        }
        waitFor(entry, message);
    }

    /** What is known of properties that the device no longer has is forgotten; true when its status must be written for it. */
    deviceChanged(device: KubeObject): boolean {
        const entry = this.#entry(keyOf(device));
        const listed = new Set(propertyNames(device));
        const gone = (map: ReadonlyMap<string, unknown>): string[] => [...map.keys()].filter((key) => !listed.has(key));
        for (const map of [entry.refused, entry.rejected, entry.unread]) for (const key of gone(map)) map.delete(key);
        const twins = gone(entry.twins);
        for (const key of twins) entry.twins.delete(key);
        if (twins.length > 0) entry.unwritten = true;
        return twins.length > 0;
    }

    /** What a model refused is judged anew, with the next report. */
    modelChanged(key: DeviceKey): void {
        this.#entry(key).rejected.clear();
    }

    /** Somebody else changed or made the object. */
    changed(status: KubeObject): void {
        const entry = this.#entries.get(keyOf(status));
        if (entry === undefined || entry.unwritten || !isNewer(status.metadata.resourceVersion, entry.version)) return;
        read(entry, status);
    }

    /** The object was deleted: it is made again at the next write. */
    removed(status: KubeObject): void {
        const entry = this.#entries.get(keyOf(status));
        if (entry === undefined) return;
        entry.version = undefined;
        entry.unwritten = true;
    }

    forget(key: DeviceKey): void {
        this.#entries.delete(key);
    }

    /** Brings the API to what is known; makes the object where it is missing. */
    async write(key: DeviceKey): Promise<void> {
        const device = this.#options.device(key);
        if (device === undefined) return;
        const entry = this.#entry(key);
        const messages = entry.waiting;
        entry.waiting = [];
        const needed = entry.unwritten || entry.version === undefined;
        entry.unwritten = false;
        try {
            if (needed) entry.version = (await this.#put(device, entry)).metadata.resourceVersion;
            this.#options.written(messages);
        } catch (thrown) {
            const code = statusCode(thrown);
            if (code !== undefined && code >= 400 && code < 500 && ![401, 403, 404, 409, 429].includes(code)) {
                this.#options.refused(messages, thrown);
                throw thrown;
            }
            entry.unwritten = true;
            entry.waiting = [...messages, ...entry.waiting].slice(-MOST_WAITING);
            throw thrown;
        }
    }

    async #put(device: KubeObject, entry: Entry): Promise<KubeObject> {
        const { namespace, name } = device.metadata;
        const ref = { type: Kinds.deviceStatus, namespace, name };
        const status = {
            twins: twinList(entry.twins, propertyNames(device)),
            ...(entry.state === undefined ? {} : { state: entry.state }),
            ...(entry.lastOnlineTime === undefined ? {} : { lastOnlineTime: entry.lastOnlineTime }),
        };
        const patch = () => this.#options.cluster.patch(ref, { status }, "merge");
        if (entry.version !== undefined) {
            try {
                return await patch();
            } catch (thrown) {
                if (!isNotFound(thrown)) throw thrown;
            }
        }
        try {
            return await this.#options.cluster.create(Kinds.deviceStatus, newStatus(device, status));
        } catch (thrown) {
            if (!isAlreadyExists(thrown)) throw thrown;
            return await patch();
        }
    }

    #entry(key: DeviceKey): Entry {
        let entry = this.#entries.get(key);
        if (entry === undefined) {
            entry = {
                twins: new Map(),
                state: undefined,
                lastOnlineTime: undefined,
                version: undefined,
                unwritten: false,
                refused: new Map(),
                rejected: new Map(),
                unread: new Map(),
                waiting: [],
            };
            const stored = this.#options.stored(key);
            if (stored !== undefined) read(entry, stored);
            this.#entries.set(key, entry);
        }
        return entry;
    }
}

function read(entry: Entry, status: KubeObject): void {
    const body = asRecord(status["status"]);
    entry.twins = new Map(twinsOf(status));
    entry.state = asText(body["state"]);
    entry.lastOnlineTime = asText(body["lastOnlineTime"]);
    entry.version = status.metadata.resourceVersion;
}

function newStatus(device: KubeObject, status: Record<string, unknown>): KubeObject {
    const { apiVersion, kind } = device;
    const { name, namespace, uid = "" } = device.metadata;
    return {
        apiVersion,
        kind: Kinds.deviceStatus.kind,
        metadata: {
            name,
            ...(namespace === undefined ? {} : { namespace }),
            ownerReferences: [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }],
        },
        spec: {},
        status,
    };
}

function waitFor(entry: Entry, message: Envelope): void {
    entry.waiting.push(message);
    if (entry.waiting.length > MOST_WAITING) entry.waiting.shift();
}

function seen(entry: Entry, timestampMs: number | undefined): void {
    if (timestampMs === undefined) return;
    const time = new Date(timestampMs).toISOString().replace(/\.\d{3}Z$/, "Z");
    if (isLater(time, entry.lastOnlineTime)) entry.lastOnlineTime = time;
}

function isLater(time: string, than: string | undefined): boolean {
    const ms = Date.parse(time);
    return !Number.isNaN(ms) && (than === undefined || Number.isNaN(Date.parse(than)) || ms > Date.parse(than));
}
