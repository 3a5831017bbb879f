// SPDX-License-Identifier: Apache-2.0
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Timer } from "../../../../core/clock.ts";
import type { Ports } from "../../../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../../../core/errors/redge-error.ts";
import { readCriLog } from "../cri-log.ts";
import { LABEL, podRefOf } from "../labels.ts";
import type {
    ContainerRecord,
    ContainerSpec,
    ContainerUsage,
    ExecRequest,
    ExecSession,
    ImageRecord,
    LogChunk,
    LogQuery,
    Mount,
    PodRecord,
    PodRuntime,
    PullCredentials,
    RuntimeInfo,
    SandboxRecord,
    SandboxSpec,
} from "../runtime.ts";
import { CriClient } from "./cri-client.ts";
import { CriImages } from "./cri-images.ts";
import { configuredHandlers, isReady, RUNNING, sandboxImage, toSandbox, toUsages } from "./cri-messages.ts";
import { containerConfig, sandboxConfig } from "./cri-options.ts";
import { openPort, openSession } from "./cri-sessions.ts";
import { CriState } from "./cri-state.ts";
import { hostsFile } from "./hosts-file.ts";
import { LOG_MAX_BYTES, removeLog, rotateLog } from "./log-rotation.ts";

export type CriRuntimePorts = Pick<Ports, "clock" | "log"> & {
    readonly socket: string;
    /** Tells this gateway's pods from others on the same engine. */
    readonly owner: string;
    /** Folder for container logs and hosts files. */
    readonly logDir: string;
    /** At which a log is rotated; absent: the kubelet's. */
    readonly logMaxBytes?: number;
};

/** As the kubelet's: engines before containerd 1.7 have no events. */
const RELIST_MS = 1_000;
const RETRY_MS = 2_000;
const KEPT_DEAD = 1;
/** As often as the kubelet looks at log files. */
const LOGS_MS = 10_000;

/** Runs pods on a CRI engine (runtime.v1: containerd 1.6 and newer, CRI-O). State lives in the engine. */
export class CriRuntime implements PodRuntime {
    readonly name = "containerd";
    readonly hasImages = true;
    readonly #ports: CriRuntimePorts;
    readonly #client: CriClient;
    readonly #images: CriImages;
    readonly #state: CriState;
    readonly #listeners = new Set<(podUid: string | undefined) => void>();
    #info: RuntimeInfo = { version: "containerd://0", ready: false, reason: "not asked yet", handlers: [] };
    #sandboxImage: string | undefined;
    #seen = new Map<string, string>();
    #timer: Timer | undefined;
    #logTimer: Timer | undefined;
    #stopped = false;

    constructor(ports: CriRuntimePorts) {
        this.#ports = ports;
        this.#client = new CriClient(ports.socket);
        this.#images = new CriImages(this.#client);
        this.#state = new CriState(this.#client, ports.owner);
    }

    serves(handler: string): boolean {
        return handler === "" || this.#info.handlers.includes(handler);
    }

    async start(): Promise<void> {
        this.#stopped = false;
        await this.#look();
        this.#rotateLater();
    }

    async stop(): Promise<void> {
        this.#stopped = true;
        this.#timer?.cancel();
        this.#logTimer?.cancel();
        this.#client.close();
    }

    async info(): Promise<RuntimeInfo> {
        return this.#info;
    }

    onChange(listener: (podUid: string | undefined) => void): () => void {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    async list(): Promise<readonly PodRecord[]> {
        const sandboxes = await this.#state.sandboxes({});
        const uids = [...new Set(sandboxes.map(({ labels }) => labels[LABEL.uid] ?? ""))];
        const records = await Promise.all(uids.map((uid) => this.get(uid)));
        return records.filter((record) => record !== undefined);
    }

    async get(podUid: string): Promise<PodRecord | undefined> {
        const label = { [LABEL.uid]: podUid };
        const [sandboxes, containers] = await Promise.all([
            this.#state.sandboxes(label),
            this.#state.containers(label),
        ]);
        const newest = [...sandboxes]
            .sort((a, b) => Number(isReady(a)) - Number(isReady(b)) || a.created_at - b.created_at)
            .at(-1);
        if (newest === undefined) return undefined;
        const [status, ...records] = await Promise.all([
            this.#state.sandboxStatus(newest.id),
            ...containers.map(({ id }) => this.#state.container(id)),
        ]);
        const known = records.filter((record) => record !== undefined);
        return { pod: podRefOf(newest.labels), sandbox: toSandbox(newest, status), containers: known };
    }

    imageId(image: string): Promise<string | undefined> {
        return this.#images.id(image);
    }

    pull(image: string, credentials: readonly PullCredentials[]): Promise<string> {
        return this.#images.pull(image, credentials);
    }

    images(): Promise<readonly ImageRecord[]> {
        return this.#images.list(this.#sandboxImage === undefined ? [] : [this.#sandboxImage]);
    }

    removeImage(id: string): Promise<void> {
        return this.#images.remove(id);
    }

    async imageDir(): Promise<string | undefined> {
        return this.#info.ready ? this.#images.folder() : undefined;
    }

    async ensureSandbox(spec: SandboxSpec): Promise<SandboxRecord> {
        const { uid } = spec.pod.metadata;
        for (const sandbox of await this.#state.sandboxes({ [LABEL.uid]: uid })) {
            if (isReady(sandbox)) return toSandbox(sandbox, await this.#state.sandboxStatus(sandbox.id));
            await this.#removeSandbox(sandbox.id);
        }
        const logDirectory = join(this.#ports.logDir, uid);
        await mkdir(logDirectory, { recursive: true });
        const config = sandboxConfig(spec, this.#ports.owner, logDirectory);
        await this.#client.call(
            "RunPodSandbox",
            ["RunPodSandboxRequest", { config, runtime_handler: spec.handler }],
            "SandboxId",
        );
        const made = (await this.get(uid))?.sandbox;
        if (made === undefined)
            throw new RedgeError("REDGE_RUNTIME_FAILED", { what: "the sandbox", reason: "it is gone" });
        return made;
    }

    async startContainer(spec: ContainerSpec): Promise<ContainerRecord> {
        const { uid } = spec.pod.metadata;
        await this.#images.checkUser(spec);
        const record = await this.get(uid);
        const sandbox = record?.sandbox;
        if (sandbox === undefined)
            throw new RedgeError("REDGE_RUNTIME_FAILED", { what: "a start", reason: "no sandbox" });
        const same = (record?.containers ?? []).filter(({ name }) => name === spec.container.name);
        for (const old of same) {
            const stale = old.attempt < spec.attempt - KEPT_DEAD || old.attempt === spec.attempt;
            if (!stale) continue;
            await this.removeContainer(old.id);
            await removeLog(this.#logPath(old));
        }
        const hosts = await hostsFile(this.#ports.logDir, spec.pod, sandbox.ips);
        try {
            return await this.#createAndStart(spec, sandbox.id, hosts);
        } catch (thrown) {
            const refused = isRedgeError(thrown, "REDGE_RUNTIME_FAILED", "REDGE_RUNTIME_START");
            if (spec.oomScoreAdj >= 0 || !refused) throw thrown;
            // Some engines may not make a process safer from the OOM killer, and say so in many ways.
            return this.#createAndStart({ ...spec, oomScoreAdj: 0 }, sandbox.id, hosts);
        }
    }

    async stopContainer(id: string, graceSeconds: number): Promise<void> {
        const request = { container_id: id, timeout: Math.ceil(graceSeconds) };
        const timeoutMs = graceSeconds * 1000 + 120_000;
        await this.#state.unlessGone(
            this.#client.call("StopContainer", ["StopContainerRequest", request], "Empty", timeoutMs),
        );
    }

    async removeContainer(id: string): Promise<void> {
        await this.#state.unlessGone(
            this.#client.call("RemoveContainer", ["ContainerId", { container_id: id }], "Empty"),
        );
    }

    async removePod(podUid: string): Promise<void> {
        const label = { [LABEL.uid]: podUid };
        for (const { id } of await this.#state.containers(label)) {
            await this.stopContainer(id, 2);
            await this.removeContainer(id);
        }
        for (const { id } of await this.#state.sandboxes(label)) await this.#removeSandbox(id);
        await rm(join(this.#ports.logDir, podUid), { recursive: true, force: true });
    }

    /** Containers see changed files by themselves. */
    async volumesChanged(): Promise<void> {}

    async *logs(id: string, query: LogQuery): AsyncGenerator<LogChunk> {
        const record = await this.#state.container(id);
        if (record === undefined) throw new RedgeError("REDGE_RUNTIME_NO_CONTAINER", { container: id, pod: "" });
        // The engine is asked, not what the last look at it saw: that may be from before the start.
        yield* readCriLog(this.#logPath(record), query, async () => {
            const now = await this.#state.container(id);
            return now !== undefined && now.state.phase !== "exited";
        });
    }

    /** Keeps the logs of what runs from growing without end. Done by itself every ten seconds. */
    async rotateLogs(): Promise<void> {
        for (const { id, state } of await this.#state.containers({})) {
            const record = state === RUNNING ? await this.#state.container(id) : undefined;
            if (record === undefined) continue;
            const reopen = async (): Promise<void> => {
                await this.#client.call("ReopenContainerLog", ["ContainerId", { container_id: id }], "Empty");
            };
            await rotateLog(this.#logPath(record), this.#ports.logMaxBytes ?? LOG_MAX_BYTES, reopen);
        }
    }

    async exec({ containerId, command, stdin, tty }: ExecRequest): Promise<ExecSession> {
        const request = { container_id: containerId, cmd: command, stdin, tty, stdout: true, stderr: !tty };
        const { url } = await this.#client.call("Exec", ["ExecRequest", request], "StreamingUrl");
        return openSession(String(url), { stdin, tty });
    }

    async attach(id: string, options: { readonly stdin: boolean; readonly tty: boolean }): Promise<ExecSession> {
        const request = { container_id: id, ...options, stdout: true, stderr: !options.tty };
        const { url } = await this.#client.call("Attach", ["AttachRequest", request], "StreamingUrl");
        return openSession(String(url), options);
    }

    async portForward(podUid: string, port: number): Promise<NodeJS.ReadWriteStream> {
        const sandbox = (await this.get(podUid))?.sandbox;
        if (sandbox === undefined) throw new RedgeError("REDGE_RUNTIME_NO_CONTAINER", { container: "", pod: podUid });
        const request = { pod_sandbox_id: sandbox.id, port: [port] };
        const { url } = await this.#client.call("PortForward", ["PortForwardRequest", request], "StreamingUrl");
        return openPort(String(url), port);
    }

    async stats(podUid: string): Promise<readonly ContainerUsage[]> {
        const filter = { label_selector: this.#state.labels({ [LABEL.uid]: podUid }) };
        const answer = await this.#client.call(
            "ListContainerStats",
            ["ListContainerStatsRequest", { filter }],
            "ListContainerStatsResponse",
        );
        return toUsages(answer);
    }

    async #createAndStart(spec: ContainerSpec, sandboxId: string, hosts: readonly Mount[]): Promise<ContainerRecord> {
        const config = containerConfig(spec, this.#ports.owner, hosts);
        const sandbox = sandboxConfig(
            { pod: spec.pod, handler: spec.handler, hostname: "" },
            this.#ports.owner,
            join(this.#ports.logDir, spec.pod.metadata.uid),
        );
        const request = { pod_sandbox_id: sandboxId, config, sandbox_config: sandbox };
        const made = await this.#client.call("CreateContainer", ["CreateContainerRequest", request], "ContainerId");
        const id = String(made["container_id"]);
        try {
            await this.#client.call("StartContainer", ["ContainerId", { container_id: id }], "Empty");
        } catch (thrown) {
            await this.removeContainer(id);
            if (!isRedgeError(thrown, "REDGE_RUNTIME_FAILED")) throw thrown;
            const details = { container: spec.container.name, reason: thrown.details["reason"] ?? "" };
            throw new RedgeError("REDGE_RUNTIME_START", details, thrown);
        }
        const record = await this.#state.container(id);
        if (record === undefined)
            throw new RedgeError("REDGE_RUNTIME_FAILED", { what: "a start", reason: "it is gone" });
        return record;
    }

    async #removeSandbox(id: string): Promise<void> {
        const request = ["SandboxId", { pod_sandbox_id: id }] as const;
        await this.#state.unlessGone(this.#client.call("StopPodSandbox", request, "Empty"));
        await this.#state.unlessGone(this.#client.call("RemovePodSandbox", request, "Empty"));
    }

    #logPath({ pod, name, attempt }: ContainerRecord): string {
        return join(this.#ports.logDir, pod.uid, `${name}.${attempt}.log`);
    }

    #rotateLater(): void {
        if (this.#stopped) return;
        this.#logTimer = this.#ports.clock.after(LOGS_MS, () => {
            const rotated = this.#info.ready ? this.rotateLogs() : Promise.resolve();
            rotated
                .catch((thrown: unknown) => this.#ports.log.warn("logs could not be rotated", { error: thrown }))
                .finally(() => this.#rotateLater());
        });
    }

    /** Looks at all containers, tells whose state is not what it was, and looks again. */
    async #look(): Promise<void> {
        let nextMs = RELIST_MS;
        try {
            if (!this.#info.ready) await this.#connect();
            const containers = await this.#state.containers({});
            const sandboxes = await this.#state.sandboxes({});
            const now = new Map(
                [...containers, ...sandboxes].map(({ id, state, labels }) => [id, `${labels[LABEL.uid]} ${state}`]),
            );
            const changed = [...now, ...this.#seen].filter(([id]) => now.get(id) !== this.#seen.get(id));
            this.#seen = now;
            for (const uid of new Set(changed.map(([, text]) => text.split(" ")[0]))) this.#tell(uid);
        } catch (thrown) {
            nextMs = RETRY_MS;
            const was = this.#info.ready;
            this.#info = { ...this.#info, ready: false, reason: errorText(thrown) };
            if (was) this.#tell(undefined);
        }
        if (!this.#stopped) this.#timer = this.#ports.clock.after(nextMs, () => void this.#look());
    }

    async #connect(): Promise<void> {
        const version = await this.#client.call("Version", ["VersionRequest", {}], "VersionResponse", 5_000);
        const status = await this.#client.call("Status", ["StatusRequest", { verbose: true }], "StatusResponse", 5_000);
        const listed = (status["runtime_handlers"] as readonly { name: string }[]).map(({ name }) => name);
        const handlers = listed.length > 0 ? listed.filter((name) => name !== "") : configuredHandlers(status);
        this.#sandboxImage = sandboxImage(status);
        const name = String(version["runtime_name"]);
        this.#info = { version: `${name}://${String(version["runtime_version"])}`, ready: true, handlers };
        this.#tell(undefined);
    }

    #tell(podUid: string | undefined): void {
        for (const listener of this.#listeners) listener(podUid);
    }
}
