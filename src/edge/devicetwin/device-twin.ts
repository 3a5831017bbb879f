// SPDX-License-Identifier: Apache-2.0
import { type Ports, WireComponent } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { isRecord } from "../../core/json.ts";
import type { Logger } from "../../core/log.ts";
import { type Envelope, Operation, Source } from "../../envelope/envelope.ts";
import type { DocumentStore } from "../../store/store.ts";
import { below } from "../../store/store.ts";
import { MAPPER_SOURCE } from "../mappers/wire.ts";
import { withReceipt } from "../receipt.ts";
import { CloudSide } from "./cloud-side.ts";
import type { DeviceTwinConfig } from "./config.ts";
import { TwinContext } from "./context.ts";
import { History } from "./history.ts";
import { MapperSide } from "./mapper-side.ts";
import { MqttSide } from "./mqtt-side.ts";
import type { DeviceRecord } from "./records.ts";
import { Registry } from "./registry.ts";
import { ReportGate } from "./report-gate.ts";
import { Reporter } from "./reporter.ts";

export type DeviceTwinOutput = "edgehub" | "eventbus" | "mappers";

export interface DeviceTwinPorts extends Ports {
    readonly store: DocumentStore;
}

/**
 * Keeps the twin of every device of this gateway: Devices and DeviceModels come from the cloud by EdgeHub, documents
 * from MQTT clients by EventBus, readings from mappers. Everything taken is on disk before it is confirmed or passed on.
 */
export class DeviceTwin extends WireComponent<DeviceTwinOutput> {
    readonly outputs = ["edgehub", "eventbus", "mappers"] as const;
    readonly #registry: Registry;
    readonly #reporter: Reporter;
    readonly #log: Logger;
    readonly #cloud: CloudSide;
    readonly #gate: ReportGate;
    readonly #mqtt: MqttSide;
    readonly #mappers: MapperSide;
    #loaded: Promise<void> | undefined;
    #stopped = false;

    constructor(config: DeviceTwinConfig, ports: DeviceTwinPorts) {
        super();
        const { clock, log, metrics } = ports;
        const store = below(ports.store, "devicetwin/");
        const registry = new Registry(store);
        const toCloud = (envelope: Envelope): void => this.#emit("edgehub", envelope);
        this.#registry = registry;
        this.#log = log;
        this.#reporter = new Reporter({
            config,
            clock,
            log,
            metrics,
            store,
            registry,
            send: toCloud,
            gaveUp: () => this.#showState(),
        });
        const context = new TwinContext({
            config,
            clock,
            log,
            registry,
            reporter: this.#reporter,
            history: new History(store, registry.commits, config.historyLength),
            toCloud,
            toEventBus: (envelope) => this.#emit("eventbus", envelope),
            toMappers: (envelope) => this.#emit("mappers", envelope),
        });
        this.#gate = new ReportGate(clock, (id, held) => this.#mappers.released(id, held));
        this.#mappers = new MapperSide(context, this.#gate);
        this.#mqtt = new MqttSide(context, this.#gate);
        this.#cloud = new CloudSide(context, this.#mappers);
    }

    async start(): Promise<void> {
        this.#loaded = this.#registry.load().then(() => this.#reporter.load());
        await this.#loaded;
        this.#mappers.replay();
        this.#showState();
    }

    async stop(): Promise<void> {
        if (this.#stopped) return;
        this.#stopped = true;
        this.#gate.stop();
        this.#mappers.stop();
        this.#reporter.stop();
        await this.#registry
            .commit()
            .catch((thrown: unknown) =>
                this.#log.error("the last changes are not stored", { reason: errorText(thrown) }),
            );
    }

    /** @throws REDGE_DEVICE_MESSAGE, REDGE_DEVICE_UNKNOWN, REDGE_STORE_* */
    async receive(envelope: Envelope): Promise<void> {
        await this.#loaded;
        const { route, header } = envelope;
        if (header.parent_msg_id !== undefined) {
            this.#reporter.confirm(header.parent_msg_id);
        } else if (route.source === Source.bus) {
            const answer = (receipt: Envelope): void => this.#emit("eventbus", receipt);
            await withReceipt(envelope, Source.twin, () => this.#mqtt.receive(envelope), answer);
        } else if (route.source === MAPPER_SOURCE) {
            await this.#mappers.receive(envelope);
        } else if (route.source === Source.edgehub && route.resource === "link") {
            this.#link(envelope);
        } else if (await this.#cloud.receive(envelope)) {
            this.#showState();
        }
    }

    /** For palette nodes that show or read twins: a live view, not to be changed. */
    get records(): ReadonlyMap<string, DeviceRecord> {
        return this.#registry.records;
    }

    /** What forms offer for choice. */
    get devices(): readonly { readonly id: string; readonly properties: readonly string[] }[] {
        return [...this.#registry.deviceIds].map((id) => ({
            id,
            properties: (this.#registry.instance(id)?.properties ?? []).map(({ name }) => name),
        }));
    }

    #link({ route: { operation }, content }: Envelope): void {
        if (operation === Operation.disconnect) this.#reporter.linkDown();
        if (operation !== Operation.connect) return;
        this.#cloud.askMembership();
        this.#reporter.linkUp(isRecord(content) ? content["peer"] : undefined);
    }

    #emit(output: DeviceTwinOutput, envelope: Envelope): void {
        if (!this.#stopped) this.send(output, envelope);
    }

    #showState(): void {
        const count = this.#registry.records.size;
        const { givenUp } = this.#reporter;
        if (givenUp === 0) this.report({ level: "ready", text: "devices", params: { count } });
        else this.report({ level: "busy", text: "givenUp", params: { count, givenUp } });
    }
}
