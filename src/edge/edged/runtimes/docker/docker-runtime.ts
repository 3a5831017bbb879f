// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:net";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import type { Ports } from "../../../../core/component.ts";
import { RedgeError } from "../../../../core/errors/redge-error.ts";
import { credentialsFor } from "../../pods/images.ts";
import { LABEL } from "../labels.ts";
import type {
    ContainerRecord,
    ContainerSpec,
    ContainerUsage,
    ExecRequest,
    ExecSession,
    ImageRecord,
    LogChunk,
    LogQuery,
    PodRecord,
    PodRuntime,
    PullCredentials,
    RuntimeInfo,
    SandboxRecord,
    SandboxSpec,
} from "../runtime.ts";
import { DockerConnection } from "./docker-connection.ts";
import { engineCall, isStatus, startRefused } from "./docker-errors.ts";
import { imageWithTag, listImages, pullImage, removeImage } from "./docker-images.ts";
import { readDockerLogs } from "./docker-logs.ts";
import { containerOptions, sandboxOptions } from "./docker-options.ts";
import { toContainer, toPodRecord, toSandbox } from "./docker-records.ts";
import { attachSession, execSession } from "./docker-sessions.ts";
import { containerUsage } from "./docker-usage.ts";
import { PAUSE_IMAGE, pauseTar } from "./pause-image.ts";

export type DockerRuntimePorts = Pick<Ports, "clock" | "log"> & {
    readonly socket: string;
    /** Tells this gateway's containers from others on the same engine. */
    readonly owner: string;
};

/** Dead starts kept of each container beside the newest. */
const KEPT_DEAD = 1;

/** Runs pods on Docker Engine (API 1.41 and newer). State lives in the engine: labels make it ours again after any restart. */
export class DockerRuntime implements PodRuntime {
    readonly name = "docker";
    readonly hasImages = true;
    readonly #ports: DockerRuntimePorts;
    readonly #connection: DockerConnection;
    readonly #listeners = new Set<(podUid: string | undefined) => void>();
    #pause: Promise<void> | undefined;

    constructor(ports: DockerRuntimePorts) {
        this.#ports = ports;
        this.#connection = new DockerConnection(ports.socket, ports.owner, ports, {
            changed: () => this.#tell(undefined),
            pod: (podUid) => this.#tell(podUid),
        });
    }

    serves(handler: string): boolean {
        return handler === "" || this.#connection.runtimes.includes(handler);
    }

    start(): Promise<void> {
        return this.#connection.start();
    }

    async stop(): Promise<void> {
        this.#connection.stop();
    }

    async info(): Promise<RuntimeInfo> {
        const { problem, version, runtimes } = this.#connection;
        if (problem !== undefined) return { version: "docker://0", ready: false, reason: problem, handlers: [] };
        return { version: `docker://${version}`, ready: true, handlers: runtimes };
    }

    onChange(listener: (podUid: string | undefined) => void): () => void {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    async list(): Promise<readonly PodRecord[]> {
        const listed = await this.#listed([]);
        const uids = [...new Set(listed.map(({ Labels }) => Labels[LABEL.uid] ?? ""))];
        const records = await Promise.all(uids.map((uid) => this.get(uid)));
        return records.filter((record) => record !== undefined);
    }

    async get(podUid: string): Promise<PodRecord | undefined> {
        const listed = await this.#listed([`${LABEL.uid}=${podUid}`]);
        const inspected = await Promise.all(listed.map(({ Id }) => this.#inspect(Id)));
        return toPodRecord(inspected.filter((info) => info !== undefined));
    }

    async imageId(image: string): Promise<string | undefined> {
        const { docker } = this.#connection;
        return engineCall(`image ${image}`, async () => {
            const info = await docker.getImage(imageWithTag(image)).inspect().catch(isStatus(404));
            return info?.Id;
        });
    }

    async pull(image: string, credentials: readonly PullCredentials[]): Promise<string> {
        return pullImage(this.#connection.docker, image, credentialsFor(image, credentials));
    }

    async images(): Promise<readonly ImageRecord[]> {
        return listImages(this.#connection.docker);
    }

    async removeImage(id: string): Promise<void> {
        await removeImage(this.#connection.docker, id);
    }

    async imageDir(): Promise<string | undefined> {
        return this.#connection.problem === undefined ? this.#connection.rootDir : undefined;
    }

    async ensureSandbox(spec: SandboxSpec): Promise<SandboxRecord> {
        const { uid } = spec.pod.metadata;
        const record = await this.get(uid);
        if (record?.sandbox?.ready === true) return record.sandbox;
        await this.#clearSandbox(record);
        await this.#ensurePause();
        const { docker } = this.#connection;
        return engineCall("the pod's sandbox", async () => {
            const made = await docker.createContainer(sandboxOptions(spec, this.#ports.owner));
            await made.start();
            return toSandbox(await made.inspect());
        });
    }

    async startContainer(spec: ContainerSpec): Promise<ContainerRecord> {
        const { uid } = spec.pod.metadata;
        const { docker } = this.#connection;
        const record = await this.get(uid);
        const sandboxId = record?.sandbox?.id;
        if (sandboxId === undefined) {
            throw new RedgeError("REDGE_RUNTIME_FAILED", {
                what: `container ${spec.container.name}`,
                reason: "no sandbox",
            });
        }
        await this.#checkUser(spec);
        const same = (record?.containers ?? []).filter(({ name }) => name === spec.container.name);
        for (const dead of same.filter(({ attempt }) => attempt < spec.attempt - KEPT_DEAD))
            await this.removeContainer(dead.id);
        const waiting = same.find(({ attempt }) => attempt === spec.attempt);
        return engineCall(`container ${spec.container.name}`, async () => {
            const options = containerOptions(spec, sandboxId, this.#ports.owner);
            const made =
                waiting === undefined ? await docker.createContainer(options) : docker.getContainer(waiting.id);
            try {
                await made.start();
            } catch (thrown) {
                await made.remove({ force: true });
                const refused = startRefused(spec.container.name, thrown);
                if (spec.oomScoreAdj >= 0) throw refused;
                // Some engines may not make a process safer from the OOM killer, and say so in many ways.
                const plain = await docker.createContainer(withoutScore(options));
                await plain.start().catch(async () => {
                    await plain.remove({ force: true });
                    throw refused;
                });
                return toContainer(await plain.inspect());
            }
            return toContainer(await made.inspect());
        });
    }

    async stopContainer(id: string, graceSeconds: number): Promise<void> {
        const container = this.#connection.docker.getContainer(id);
        await engineCall("a stop", async () => {
            const gone = isStatus(304, 404, 409);
            if (graceSeconds <= 0) await container.kill().catch(gone);
            else await container.stop({ t: Math.ceil(graceSeconds) }).catch(gone);
        });
    }

    async removeContainer(id: string): Promise<void> {
        const container = this.#connection.docker.getContainer(id);
        await engineCall("a removal", () => container.remove({ force: true, v: true }).catch(isStatus(404, 409)));
    }

    async removePod(podUid: string): Promise<void> {
        const listed = await this.#listed([`${LABEL.uid}=${podUid}`]);
        const sandboxLast = [...listed].sort((a, b) => Number(isSandbox(a)) - Number(isSandbox(b)));
        for (const info of sandboxLast) {
            if (info.State === "running" && !isSandbox(info)) await this.stopContainer(info.Id, 2);
            await this.removeContainer(info.Id);
        }
    }

    /** Containers see changed files by themselves. */
    async volumesChanged(): Promise<void> {}

    async *logs(id: string, query: LogQuery): AsyncGenerator<LogChunk> {
        const container = this.#connection.docker.getContainer(id);
        const info = await this.#inspect(id);
        if (info === undefined) throw new RedgeError("REDGE_RUNTIME_NO_CONTAINER", { container: id, pod: "" });
        yield* readDockerLogs(container, query, info.Config.Tty);
    }

    async exec(request: ExecRequest): Promise<ExecSession> {
        return execSession(this.#connection.docker, request);
    }

    async attach(id: string, options: { readonly stdin: boolean; readonly tty: boolean }): Promise<ExecSession> {
        return attachSession(this.#connection.docker, id, options);
    }

    async portForward(podUid: string, port: number): Promise<NodeJS.ReadWriteStream> {
        const host = (await this.get(podUid))?.sandbox?.ips[0] ?? "127.0.0.1";
        return new Promise((resolve, reject) => {
            const socket = connect({ host, port }, () => resolve(socket));
            socket.once("error", (error) => {
                reject(new RedgeError("REDGE_RUNTIME_FAILED", { what: `port ${port}`, reason: error.message }));
            });
        });
    }

    async stats(podUid: string, { disk } = { disk: false }): Promise<readonly ContainerUsage[]> {
        const running = (await this.get(podUid))?.containers.filter(({ state }) => state.phase === "running") ?? [];
        return Promise.all(running.map(({ id }) => containerUsage(this.#connection.docker, id, disk)));
    }

    /** A sandbox that died took the network with it: what still runs in it ends too, and is started anew. */
    async #clearSandbox(record: PodRecord | undefined): Promise<void> {
        for (const { id, state } of record?.containers ?? []) {
            if (state.phase === "running") await this.stopContainer(id, 0);
            if (state.phase === "created") await this.removeContainer(id);
        }
        if (record?.sandbox !== undefined) await this.removeContainer(record.sandbox.id);
    }

    #ensurePause(): Promise<void> {
        this.#pause ??= this.#importPause().catch((thrown: unknown) => {
            this.#pause = undefined;
            throw thrown;
        });
        return this.#pause;
    }

    async #importPause(): Promise<void> {
        if ((await this.imageId(PAUSE_IMAGE)) !== undefined) return;
        const { docker, architecture } = this.#connection;
        const [repo = "", tag = ""] = PAUSE_IMAGE.split(":");
        await engineCall(`image ${PAUSE_IMAGE}`, async () => {
            const options = { repo, tag, changes: 'ENTRYPOINT ["/pause"]' };
            const stream = await docker.importImage(Readable.from([pauseTar(architecture)]), options);
            for await (const _ of stream);
        });
    }

    async #checkUser({ pod, container, imageId }: ContainerSpec): Promise<void> {
        const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot;
        if (nonRoot !== true) return;
        const set = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
        const { docker } = this.#connection;
        const info = await engineCall(`image ${imageId}`, () => docker.getImage(imageId).inspect());
        const user = set === undefined ? (info.Config.User ?? "").split(":")[0] : String(set);
        if (!/^[1-9]\d*$/.test(user ?? ""))
            throw new RedgeError("REDGE_RUNTIME_ROOT_USER", { container: container.name });
    }

    #listed(labels: readonly string[]): Promise<Docker.ContainerInfo[]> {
        const { docker } = this.#connection;
        const label = [`${LABEL.owner}=${this.#ports.owner}`, ...labels];
        return engineCall("the list of containers", () => docker.listContainers({ all: true, filters: { label } }));
    }

    #inspect(id: string): Promise<Docker.ContainerInspectInfo | undefined> {
        const { docker } = this.#connection;
        return engineCall("a container's state", () => docker.getContainer(id).inspect().catch(isStatus(404)));
    }

    #tell(podUid: string | undefined): void {
        for (const listener of this.#listeners) listener(podUid);
    }
}

function withoutScore(options: Docker.ContainerCreateOptions): Docker.ContainerCreateOptions {
    return { ...options, HostConfig: { ...options.HostConfig, OomScoreAdj: 0 } };
}

function isSandbox(info: Docker.ContainerInfo): boolean {
    return info.Labels[LABEL.kind] === "sandbox";
}
