// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, newEnvelope, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import { field, isRecord, text } from "../mappers/fields.ts";
import type { TwinContext } from "./context.ts";
import { membershipUpdated } from "./documents.ts";
import type { MapperSide } from "./mapper-side.ts";
import { type DeviceRecord, newRecord } from "./records.ts";
import { nodeTopic } from "./topics.ts";

/** Takes Devices, DeviceModels and membership from the cloud (device plane reference 2.2, 3.4, 5.6). */
export class CloudSide {
    readonly #context: TwinContext;
    readonly #mappers: MapperSide;

    constructor(context: TwinContext, mappers: MapperSide) {
        this.#context = context;
        this.#mappers = mappers;
    }

    /** Asks for the whole membership, as KubeEdge does after each connect; a cloud that knows better answers. */
    askMembership(): void {
        const content = {
            event_type: "group_membership_event",
            event_id: randomUUID(),
            group_id: this.#context.config.nodeName,
            operation: "detail",
            timestamp: this.#context.clock.nowMs(),
        };
        const route = {
            source: Source.twin,
            group: Group.resource,
            operation: Operation.get,
            resource: "membership/detail",
        };
        this.#context.toCloud(newEnvelope({ route, content: JSON.stringify(content) }));
    }

    /** True when the envelope was for DeviceTwin. */
    async receive(envelope: Envelope): Promise<boolean> {
        const { resource } = envelope.route;
        if (resource === "membership" || resource === "membership/detail") {
            await this.#membership(envelope, resource === "membership/detail");
            return true;
        }
        const [namespace, type, name, ...rest] = resource.split("/");
        if (!namespace || !name || rest.length > 0) return false;
        const id = `${namespace}/${name}`;
        if (type === "device") await this.#device(id, envelope);
        else if (type === "devicemodel") await this.#model(id, envelope);
        else return false;
        this.#acknowledge(envelope);
        return true;
    }

    async #device(id: string, envelope: Envelope): Promise<void> {
        if (envelope.route.operation === Operation.delete) {
            await this.#removeDevice(id);
            return;
        }
        this.#checkObject(envelope);
        this.#context.registry.putDevice(id, envelope.content);
        const labels = field(field(envelope.content, "metadata"), "labels");
        this.#add(id, text(field(labels, "description")));
        await this.#mappers.configure(id);
    }

    async #model(id: string, envelope: Envelope): Promise<void> {
        const { registry } = this.#context;
        if (envelope.route.operation === Operation.delete) {
            registry.deleteModel(id);
            await registry.commit();
            return;
        }
        this.#checkObject(envelope);
        registry.putModel(id, envelope.content);
        await registry.commit();
        for (const user of registry.usersOf(id)) await this.#mappers.configure(user);
    }

    async #membership({ content }: Envelope, whole: boolean): Promise<void> {
        const { registry } = this.#context;
        const added = deviceInfos(field(content, whole ? "devices" : "added_devices"));
        for (const { id, description } of added) this.#add(id, description);
        const listed = new Set(added.map(({ id }) => id));
        const gone = whole
            ? [...registry.records.keys()].filter((id) => !listed.has(id))
            : deviceInfos(field(content, "removed_devices")).map(({ id }) => id);
        for (const id of gone) await this.#removeDevice(id);
        await registry.commit();
    }

    #add(id: string, description: string | undefined): void {
        const { registry } = this.#context;
        const known = registry.records.get(id);
        if (known === undefined) {
            const record = newRecord(id, description);
            registry.putRecord(record);
            this.#publishMembership(record, undefined);
        } else if (description !== undefined && description !== known.description) {
            known.description = description;
            registry.putRecord(known);
        }
    }

    async #removeDevice(id: string): Promise<void> {
        const { registry } = this.#context;
        const record = registry.records.get(id);
        registry.deleteDevice(id);
        registry.deleteRecord(id);
        this.#context.reporter.forget(id);
        await this.#context.history.forget(id);
        await registry.commit();
        if (record === undefined) return;
        this.#mappers.remove(id);
        this.#publishMembership(undefined, record);
    }

    #publishMembership(added: DeviceRecord | undefined, removed: DeviceRecord | undefined): void {
        const topic = nodeTopic(this.#context.config.nodeName, "membership/updated");
        this.#context.publish(topic, membershipUpdated(this.#context.stamp(), added, removed));
    }

    /** KubeEdge acknowledges inserts and deletes as `meta`/`twin` and echoes the route of updates (recordings 07, 09). */
    #acknowledge(envelope: Envelope): void {
        const fresh = envelope.route.operation !== Operation.update;
        this.#context.toCloud(responseTo(envelope, "OK", fresh ? { source: Group.meta, group: Group.twin } : {}));
    }

    #checkObject({ route, content }: Envelope): void {
        if (isRecord(content) && isRecord(field(content, "metadata"))) return;
        throw new RedgeError("REDGE_DEVICE_MESSAGE", {
            component: "DeviceTwin",
            field: route.resource,
            reason: "is not a Kubernetes object",
        });
    }
}

/** Ids and descriptions; entries without a usable id are passed over, as KubeEdge does. */
function deviceInfos(given: unknown): { id: string; description: string | undefined }[] {
    if (!Array.isArray(given)) return [];
    return given.flatMap((one) => {
        const id = text(field(one, "id"));
        return id?.includes("/") ? [{ id, description: text(field(one, "description")) }] : [];
    });
}
