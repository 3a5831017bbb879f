// SPDX-License-Identifier: Apache-2.0
import type * as Opcua from "node-opcua-client";
import type { DeviceValue } from "../values.ts";
import type { OpcuaLink, OpcuaReading } from "./link.ts";
import { fromVariant, toArrayVariant, toVariant } from "./values.ts";

type Library = typeof Opcua;

/** So long a server keeps a silent subscription at least. */
const KEEP_ALIVE_MS = 10_000;

interface Variable {
    readonly dataType: number;
    readonly isList: boolean;
}

/** One open session; all devices' variables of one cycle are in one subscription. */
export class SessionLink implements OpcuaLink {
    readonly #library: Library;
    readonly #client: Opcua.OPCUAClient;
    readonly #session: Opcua.ClientSession;
    readonly #subscriptions = new Map<number, Promise<Opcua.ClientSubscription>>();
    readonly #variables = new Map<string, Variable>();
    /** Set when the end of the session is our own wish. */
    closing = false;

    constructor(library: Library, client: Opcua.OPCUAClient, session: Opcua.ClientSession) {
        this.#library = library;
        this.#client = client;
        this.#session = session;
    }

    async read(nodeIds: readonly string[]): Promise<readonly OpcuaReading[]> {
        const attributeId = this.#library.AttributeIds.Value;
        const found = await this.#session.read(nodeIds.map((nodeId) => ({ nodeId, attributeId })));
        return found.map(readingOf);
    }

    async write(nodeId: string, property: string, value: DeviceValue): Promise<string | undefined> {
        const { AttributeIds, VariantArrayType } = this.#library;
        const variable = await this.#variable(nodeId);
        const convert = variable.isList ? toArrayVariant : toVariant;
        const { dataType, value: raw } = convert(variable.dataType, value, property);
        const arrayType = variable.isList ? VariantArrayType.Array : VariantArrayType.Scalar;
        const status = await this.#session.write({
            nodeId,
            attributeId: AttributeIds.Value,
            value: { value: { dataType: dataType as Opcua.DataType, arrayType, value: raw } },
        });
        return status.isGood() ? undefined : `the server answers ${status.name}`;
    }

    async follow(
        nodeIds: readonly string[],
        cycleMs: number,
        changed: (place: number, reading: OpcuaReading) => void,
    ): Promise<() => Promise<void>> {
        const subscription = await this.#subscription(cycleMs);
        const { AttributeIds, TimestampsToReturn, ClientMonitoredItemGroup } = this.#library;
        const group = ClientMonitoredItemGroup.create(
            subscription,
            nodeIds.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
            { samplingInterval: cycleMs, queueSize: 1, discardOldest: true },
            TimestampsToReturn.Both,
        );
        // Before the items are made: their first values may come with the answer.
        group.on("changed", (_item, dataValue, place) => changed(place, readingOf(dataValue)));
        await new Promise<void>((resolve, reject) => {
            group.once("initialized", resolve);
            group.once("err", (reason: string) => reject(new Error(reason)));
        });
        for (const [place, { statusCode }] of group.monitoredItems.entries()) {
            if (statusCode.isBad()) changed(place, { error: `the server answers ${statusCode.name}` });
        }
        return () => group.terminate();
    }

    async close(): Promise<void> {
        this.closing = true;
        try {
            await this.#session.close(true);
        } finally {
            await this.#client.disconnect();
        }
    }

    async #subscription(cycleMs: number): Promise<Opcua.ClientSubscription> {
        let subscription = this.#subscriptions.get(cycleMs);
        if (subscription === undefined) {
            const keepAlives = Math.max(3, Math.ceil(KEEP_ALIVE_MS / cycleMs));
            subscription = this.#session.createSubscription2({
                requestedPublishingInterval: cycleMs,
                requestedMaxKeepAliveCount: keepAlives,
                requestedLifetimeCount: keepAlives * 6,
                maxNotificationsPerPublish: 0,
                publishingEnabled: true,
                priority: 0,
            });
            this.#subscriptions.set(cycleMs, subscription);
        }
        try {
            return await subscription;
        } catch (thrown) {
            this.#subscriptions.delete(cycleMs);
            throw thrown;
        }
    }

    /** The built-in type of a variable and whether it holds a list, asked once. */
    async #variable(nodeId: string): Promise<Variable> {
        const known = this.#variables.get(nodeId);
        if (known !== undefined) return known;
        const dataType: number = await this.#session.getBuiltInDataType(this.#library.coerceNodeId(nodeId));
        const attributeId = this.#library.AttributeIds.ValueRank;
        const rank = await this.#session.read({ nodeId, attributeId });
        // 0 is a list of any dimensions; below are scalars, and variables that may be either.
        const variable = { dataType, isList: Number(rank.value.value ?? -1) >= 0 };
        this.#variables.set(nodeId, variable);
        return variable;
    }
}

function readingOf({ statusCode, value: variant, sourceTimestamp, serverTimestamp }: Opcua.DataValue): OpcuaReading {
    if (statusCode.isBad()) return { error: `the server answers ${statusCode.name}` };
    const value = fromVariant({ dataType: variant.dataType, value: variant.value });
    if (value === undefined) return { error: "the variable has no value" };
    return { value, timestampMs: (sourceTimestamp ?? serverTimestamp)?.getTime() };
}
