// SPDX-License-Identifier: Apache-2.0
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Ports } from "../../../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../../../core/errors/redge-error.ts";
import { KeyedQueue } from "../../../../core/keyed-queue.ts";
import { parseQuantity } from "../../../../kube/quantity.ts";
import { below, type DocumentStore } from "../../../../store/store.ts";
import { hostAddresses } from "../../node/machine.ts";
import { readCriLog } from "../cri-log.ts";
import type {
    ContainerRecord,
    ContainerSpec,
    ContainerUsage,
    ExecSession,
    ImageRecord,
    LogChunk,
    LogQuery,
    Mount,
    PodRecord,
    PodRuntime,
    RunState,
    RuntimeInfo,
    SandboxRecord,
    SandboxSpec,
} from "../runtime.ts";
import { readFlowFiles } from "./flow-files.ts";
import type { FlowHost, FlowHostListener, FlowUnit } from "./flow-host.ts";
import { FlowLogWriter } from "./flow-log.ts";
import { FlowReadiness, READY_ANNOTATION } from "./flow-readiness.ts";
import { type FlowPod, FlowRecords, toPodRecord } from "./flow-records.ts";

export type FlowRuntimePorts = Pick<Ports, "clock" | "log"> & {
    readonly store: DocumentStore;
    readonly host: FlowHost;
    /** Folder for the logs of flow pods. */
    readonly logDir: string;
};

/** The pod's annotation that lists palette modules, `name@version`, separated by white space or commas. */
export const MODULES_ANNOTATION = "edge.redge.io/modules";

interface Live {
    readonly unit: Omit<FlowUnit, "files">;
    readonly mounts: readonly Mount[];
    digest: string;
    readonly readiness: FlowReadiness;
}

/** Runs pods whose containers are Node-RED flows, on one flow host. Needs no container engine. */
export class FlowRuntime implements PodRuntime {
    readonly name = "flow";
    readonly hasImages = false;
    readonly #ports: FlowRuntimePorts;
    readonly #records: FlowRecords;
    readonly #live = new Map<string, Live>();
    readonly #logs = new Map<string, FlowLogWriter>();
    readonly #listeners = new Set<(podUid: string | undefined) => void>();
    readonly #queue = new KeyedQueue();

    constructor(ports: FlowRuntimePorts) {
        this.#ports = ports;
        this.#records = new FlowRecords(below(ports.store, `edged/flow/${ports.host.handler}/`));
    }

    serves(handler: string): boolean {
        return handler === this.#ports.host.handler;
    }

    async start(): Promise<void> {
        await this.#records.load();
        const listener: FlowHostListener = {
            log: (unitId, stream, text) => this.#logOf(unitId)?.write(stream, text),
            ended: (unitId, exitCode, reason, message) => this.#ended(unitId, exitCode, reason, message),
            status: (unitId, nodeId, status) => {
                const changed = this.#live.get(unitId)?.readiness.status(nodeId, status) === true;
                if (changed) this.#tell(this.#records.find(unitId)?.pod.pod.uid);
            },
            changed: () => this.#tell(undefined),
        };
        const ran = this.#records.all().flatMap(({ containers }) => containers);
        const expected = ran.filter(({ state }) => state.phase === "created").map(({ id }) => id);
        await this.#ports.host.start(listener, expected);
    }

    async stop(): Promise<void> {
        await this.#ports.host.stop();
        for (const log of this.#logs.values()) log.flush();
    }

    async info(): Promise<RuntimeInfo> {
        const { host } = this.#ports;
        const problem = host.problem();
        const version = `flow://${host.version()}`;
        return {
            version,
            ready: problem === undefined,
            handlers: [host.handler],
            ...(problem ? { reason: problem } : {}),
        };
    }

    onChange(listener: (podUid: string | undefined) => void): () => void {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    async list(): Promise<readonly PodRecord[]> {
        return this.#records.all().map((pod) => this.#toRecord(pod));
    }

    async get(podUid: string): Promise<PodRecord | undefined> {
        const pod = this.#records.get(podUid);
        return pod === undefined ? undefined : this.#toRecord(pod);
    }

    async imageId(image: string): Promise<string> {
        return image;
    }

    async pull(image: string): Promise<string> {
        return image;
    }

    async images(): Promise<readonly ImageRecord[]> {
        return [];
    }

    async removeImage(): Promise<void> {}

    async imageDir(): Promise<undefined> {
        return undefined;
    }

    async ensureSandbox({ pod }: SandboxSpec): Promise<SandboxRecord> {
        const { uid, namespace, name } = pod.metadata;
        const createdMs = this.#records.get(uid)?.createdMs ?? this.#ports.clock.nowMs();
        if (this.#records.get(uid) === undefined) {
            await this.#records.put({ pod: { uid, namespace, name }, createdMs, containers: [] });
        }
        return { id: uid, ready: true, ips: hostAddresses(), createdMs };
    }

    startContainer(spec: ContainerSpec): Promise<ContainerRecord> {
        return this.#queue.run(spec.pod.metadata.uid, () => this.#start(spec));
    }

    async #start(spec: ContainerSpec): Promise<ContainerRecord> {
        const { uid, namespace, name, annotations } = spec.pod.metadata;
        const id = `${uid}.${spec.container.name}.${spec.attempt}`;
        const before = this.#records.find(id)?.container.state;
        const startedMs = (before?.phase === "created" ? before.startedMs : undefined) ?? this.#ports.clock.nowMs();
        const memoryLimitBytes = parseQuantity(spec.container.resources?.limits?.["memory"]);
        const unit = {
            id,
            namespace,
            pod: name,
            container: spec.container.name,
            env: spec.env,
            modules: (annotations?.[MODULES_ANNOTATION] ?? "").split(/[\s,]+/).filter((module) => module !== ""),
            ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
        };
        const { kind, attempt, hash, image } = spec;
        const container = {
            ...{ id, name: spec.container.name, kind, attempt, hash, image },
            ...(spec.terminationMessageFile === undefined
                ? {}
                : { terminationMessageFile: spec.terminationMessageFile }),
        };
        const dropped = await this.#records.putContainer(uid, { ...container, state: { phase: "running", startedMs } });
        for (const old of dropped) await this.#removeLog(old.id);
        const readiness = new FlowReadiness(annotations?.[READY_ANNOTATION] ?? "");
        await this.#deploy({ unit, mounts: spec.mounts, digest: "", readiness });
        const state = this.#records.find(id)?.container.state ?? { phase: "created" };
        return { ...container, pod: { uid, namespace, name }, imageId: image, state };
    }

    stopContainer(id: string): Promise<void> {
        const podUid = this.#records.find(id)?.pod.pod.uid ?? id;
        return this.#queue.run(podUid, async () => {
            const state = this.#records.find(id)?.container.state;
            this.#live.delete(id);
            await this.#ports.host.remove(id);
            this.#logs.get(id)?.flush();
            if (state === undefined || state.phase === "exited") return;
            const finishedMs = this.#ports.clock.nowMs();
            const startedMs = state.startedMs ?? finishedMs;
            await this.#records.setState(id, {
                phase: "exited",
                startedMs,
                finishedMs,
                exitCode: 0,
                reason: "Completed",
            });
        });
    }

    async removeContainer(id: string): Promise<void> {
        await this.stopContainer(id);
        const found = this.#records.find(id);
        if (found === undefined) return;
        await this.#records.put({ ...found.pod, containers: found.pod.containers.filter((one) => one.id !== id) });
        await this.#removeLog(id);
    }

    async removePod(podUid: string): Promise<void> {
        for (const { id } of this.#records.get(podUid)?.containers ?? []) {
            await this.stopContainer(id);
            this.#logs.delete(id);
        }
        const known = this.#records.get(podUid) !== undefined;
        if (known) await this.#records.remove(podUid);
        await rm(join(this.#ports.logDir, podUid), { recursive: true, force: true });
    }

    /** A changed ConfigMap becomes a new deploy of the same start: nothing is restarted that has not changed. */
    async volumesChanged(podUid: string): Promise<void> {
        await this.#queue.run(podUid, async () => {
            for (const { id, state } of this.#records.get(podUid)?.containers ?? []) {
                const live = this.#live.get(id);
                if (live !== undefined && state.phase === "running") await this.#deploy(live);
            }
        });
    }

    logs(id: string, query: LogQuery): AsyncIterable<LogChunk> {
        this.#logs.get(id)?.flush();
        return readCriLog(this.#logPath(id), query, () => this.#live.has(id));
    }

    async exec(): Promise<ExecSession> {
        throw new RedgeError("REDGE_RUNTIME_NOT_OFFERED", { runtime: this.name, what: "exec" });
    }

    async attach(): Promise<ExecSession> {
        throw new RedgeError("REDGE_RUNTIME_NOT_OFFERED", { runtime: this.name, what: "attach" });
    }

    async portForward(_podUid: string, port: number): Promise<NodeJS.ReadWriteStream> {
        const { connect } = await import("node:net");
        return new Promise((resolve, reject) => {
            const socket = connect({ host: "127.0.0.1", port }, () => resolve(socket));
            socket.once("error", (error) => {
                reject(new RedgeError("REDGE_RUNTIME_FAILED", { what: `port ${port}`, reason: error.message }));
            });
        });
    }

    async stats(podUid: string): Promise<readonly ContainerUsage[]> {
        const usages: ContainerUsage[] = [];
        for (const { id, state } of this.#records.get(podUid)?.containers ?? []) {
            const usage = state.phase === "running" ? await this.#ports.host.usage(id) : undefined;
            if (usage !== undefined) usages.push({ containerId: id, ...usage });
        }
        return usages;
    }

    #toRecord(pod: FlowPod): PodRecord {
        const record = toPodRecord(pod, hostAddresses());
        const containers = record.containers.map((one) => ({
            ...one,
            ready: this.#live.get(one.id)?.readiness.ready !== false,
        }));
        return { ...record, containers };
    }

    /** Puts the files on the host unless they are there already; a flow that cannot run has ended. */
    async #deploy(live: Live): Promise<void> {
        const { unit } = live;
        try {
            const { files, digest } = await readFlowFiles(unit.container, live.mounts);
            if (digest === live.digest) return;
            this.#live.set(unit.id, live);
            live.readiness.flow(files.flatMap(({ nodes }) => nodes));
            await this.#ports.host.deploy({ ...unit, files });
            live.digest = digest;
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            if (isRedgeError(thrown, "REDGE_FLOW_HOST_UNAVAILABLE")) throw thrown;
            this.#logOf(unit.id)?.write("stderr", errorText(thrown));
            await this.#ports.host.remove(unit.id);
            await this.#setEnded(unit.id, { exitCode: 1, reason: "Error", message: errorText(thrown) });
        }
    }

    #ended(unitId: string, exitCode: number, reason: string, message: string): void {
        if (!this.#live.has(unitId)) return;
        this.#setEnded(unitId, { exitCode, reason, message }).then(
            () => this.#tell(this.#records.find(unitId)?.pod.pod.uid),
            (thrown: unknown) =>
                this.#ports.log.error("the end of a flow could not be noted", { unitId, error: thrown }),
        );
    }

    async #setEnded(id: string, how: { exitCode: number; reason: string; message: string }): Promise<void> {
        this.#live.delete(id);
        this.#logs.get(id)?.flush();
        const before: RunState | undefined = this.#records.find(id)?.container.state;
        const finishedMs = this.#ports.clock.nowMs();
        const startedMs = before?.startedMs ?? finishedMs;
        await this.#records.setState(id, { phase: "exited", startedMs, finishedMs, ...how });
    }

    #tell(podUid: string | undefined): void {
        for (const listener of this.#listeners) listener(podUid);
    }

    #logOf(unitId: string): FlowLogWriter | undefined {
        if (this.#records.find(unitId) === undefined) return undefined;
        let log = this.#logs.get(unitId);
        if (log === undefined) {
            log = new FlowLogWriter(this.#logPath(unitId), this.#ports.clock);
            this.#logs.set(unitId, log);
        }
        return log;
    }

    #logPath(id: string): string {
        const [podUid = id, ...rest] = id.split(".");
        return join(this.#ports.logDir, podUid, `${rest.join(".")}.log`);
    }

    async #removeLog(id: string): Promise<void> {
        this.#logs.delete(id);
        for (const path of [this.#logPath(id), `${this.#logPath(id)}.1`]) await rm(path, { force: true });
    }
}
