// SPDX-License-Identifier: Apache-2.0
import { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";
import { type DeviceInstance, resolveDevice } from "../mappers/device-instance.ts";
import { field, text } from "../mappers/fields.ts";
import { type DeviceRecord, fromStored, type StoredRecord, toStored } from "./records.ts";

const DEVICE = "device/";
const MODEL = "model/";
const TWIN = "twin/";

/** A Device is needed whole when a mapper asks for it, so it is kept as text: a third of the memory of its objects. */
interface KeptDevice {
    readonly text: string;
    readonly model: string | undefined;
}

/** Everything DeviceTwin knows, in memory and on disk: Device and DeviceModel objects, and the twins. */
export class Registry {
    readonly #store: DocumentStore;
    readonly #commits: GroupCommit;
    readonly #devices = new Map<string, KeptDevice>();
    readonly #models = new Map<string, unknown>();
    readonly #records = new Map<string, DeviceRecord>();
    readonly #instances = new Map<string, DeviceInstance>();

    constructor(store: DocumentStore) {
        this.#store = store;
        this.#commits = new GroupCommit(store);
    }

    async load(): Promise<void> {
        for (const { key, value } of await this.#store.scan(MODEL)) this.#models.set(key.slice(MODEL.length), value);
        for (const { key, value } of await this.#store.scan(DEVICE))
            this.#devices.set(key.slice(DEVICE.length), kept(value));
        for (const { value } of await this.#store.scan<StoredRecord>(TWIN)) {
            this.#records.set(value.id, fromStored(value));
        }
    }

    get records(): ReadonlyMap<string, DeviceRecord> {
        return this.#records;
    }

    get deviceIds(): IterableIterator<string> {
        return this.#devices.keys();
    }

    device(id: string): unknown {
        const known = this.#devices.get(id);
        return known === undefined ? undefined : JSON.parse(known.text);
    }

    /** The model that the device refers to, if it is here. */
    modelOf(device: unknown): unknown {
        const name = modelNameOf(device);
        return name === undefined ? undefined : this.#models.get(name);
    }

    /** False when the device names a model that has not arrived. */
    hasModelOf(device: unknown): boolean {
        const name = modelNameOf(device);
        return name === undefined || this.#models.has(name);
    }

    /** Ids of the devices that use a model. */
    usersOf(model: string): string[] {
        return [...this.#devices].filter(([, device]) => device.model === model).map(([id]) => id);
    }

    instance(id: string): DeviceInstance | undefined {
        return this.#instances.get(id);
    }

    /** Merges the device with its model and remembers the result. @throws REDGE_DEVICE_INVALID */
    resolve(id: string): DeviceInstance | undefined {
        this.#instances.delete(id);
        const device = this.device(id);
        if (device === undefined || !this.hasModelOf(device)) return undefined;
        const instance = resolveDevice(device, this.modelOf(device));
        this.#instances.set(id, instance);
        return instance;
    }

    putDevice(id: string, device: unknown): void {
        this.#devices.set(id, kept(device));
        this.#commits.put(DEVICE + id, () => device);
    }

    deleteDevice(id: string): void {
        this.#devices.delete(id);
        this.#instances.delete(id);
        this.#commits.delete(DEVICE + id);
    }

    putModel(id: string, model: unknown): void {
        this.#models.set(id, model);
        this.#commits.put(MODEL + id, () => model);
    }

    deleteModel(id: string): void {
        this.#models.delete(id);
        this.#commits.delete(MODEL + id);
    }

    putRecord(record: DeviceRecord): void {
        this.#records.set(record.id, record);
        this.#commits.put(TWIN + record.id, () => toStored(record));
    }

    deleteRecord(id: string): void {
        this.#records.delete(id);
        this.#commits.delete(TWIN + id);
    }

    /** For what else is written along with the records. */
    get commits(): GroupCommit {
        return this.#commits;
    }

    /** Takes a record back to what is on disk, after a write that failed. */
    async reload(id: string): Promise<void> {
        const stored = await this.#store.get<StoredRecord>(TWIN + id);
        if (stored === undefined) this.#records.delete(id);
        else this.#records.set(id, fromStored(stored));
    }

    commit(): Promise<void> {
        return this.#commits.commit();
    }
}

function kept(device: unknown): KeptDevice {
    return { text: JSON.stringify(device), model: modelNameOf(device) };
}

function modelNameOf(device: unknown): string | undefined {
    const name = text(field(field(field(device, "spec"), "deviceModelRef"), "name"));
    if (!name) return undefined;
    return `${text(field(field(device, "metadata"), "namespace")) || "default"}/${name}`;
}
