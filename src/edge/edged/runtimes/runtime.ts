// SPDX-License-Identifier: Apache-2.0
import type { Container, Pod } from "../podspec/types.ts";

/** Which pod something belongs to. `uid` tells incarnations of one name apart. */
export interface PodRef {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
}

export type ContainerKind = "init" | "container" | "ephemeral";

export type RunState =
    /** There, but not running (yet): start it under the same attempt. `startedMs`: it ran before the gateway stopped. */
    | { readonly phase: "created"; readonly startedMs?: number }
    | { readonly phase: "running"; readonly startedMs: number }
    | {
          readonly phase: "exited";
          readonly startedMs: number;
          readonly finishedMs: number;
          readonly exitCode: number;
          /** Completed, Error, OOMKilled, ContainerCannotRun … */
          readonly reason: string;
          readonly message?: string;
      };

/** One start of one container; a restart is a new record with the next attempt. */
export interface ContainerRecord {
    /** The runtime's own id, without scheme. */
    readonly id: string;
    readonly pod: PodRef;
    readonly name: string;
    readonly kind: ContainerKind;
    /** 0 for the first start; becomes restartCount. */
    readonly attempt: number;
    /** Of the container's spec at that start; another one means it must be made anew. */
    readonly hash: string;
    readonly image: string;
    readonly imageId: string;
    readonly state: RunState;
    /** On the host: what the container wrote to its terminationMessagePath. */
    readonly terminationMessageFile?: string;
    /** False: it runs, but the runtime itself knows that it does not do its work yet. */
    readonly ready?: boolean;
}

export interface SandboxRecord {
    readonly id: string;
    readonly ready: boolean;
    readonly ips: readonly string[];
    readonly createdMs: number;
}

/** Everything the runtime has of one pod: newest attempt last within a container's name. */
export interface PodRecord {
    readonly pod: PodRef;
    readonly sandbox?: SandboxRecord;
    readonly containers: readonly ContainerRecord[];
}

export interface Mount {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly readOnly: boolean;
    readonly propagation?: "rprivate" | "rslave" | "rshared";
}

/** What a pod needs before its containers. */
export interface SandboxSpec {
    readonly pod: Pod;
    /** RuntimeClass handler; empty for the engine's default. */
    readonly handler: string;
    readonly hostname: string;
    readonly dns?: {
        readonly servers: readonly string[];
        readonly searches: readonly string[];
        readonly options: readonly string[];
    };
}

export interface ContainerSpec {
    readonly pod: Pod;
    readonly container: Container;
    readonly kind: ContainerKind;
    readonly handler: string;
    readonly attempt: number;
    readonly hash: string;
    readonly image: string;
    readonly imageId: string;
    readonly env: readonly (readonly [name: string, value: string])[];
    /** With $(NAME) places filled. */
    readonly command: readonly string[];
    readonly args: readonly string[];
    readonly mounts: readonly Mount[];
    /** A file on the host that appears in the container at terminationMessagePath; absent for a flow. */
    readonly terminationMessageFile?: string;
    /** Id of the container whose process namespace it joins (ephemeral containers: targetContainerName). */
    readonly targetId?: string;
    /** -997 … 1000, by QoS class. */
    readonly oomScoreAdj: number;
}

export interface PullCredentials {
    readonly username: string;
    readonly password: string;
    readonly serverAddress: string;
}

export interface ImageRecord {
    readonly id: string;
    readonly names: readonly string[];
    readonly sizeBytes: number;
    /** A container of anybody's on this engine is made of it, or the engine needs it itself. */
    readonly inUse: boolean;
}

export interface LogQuery {
    readonly follow?: boolean;
    readonly tailLines?: number;
    readonly sinceMs?: number;
    readonly limitBytes?: number;
    /** Put the time stamp (RFC 3339, nanoseconds) before each line. */
    readonly timestamps?: boolean;
    readonly signal?: AbortSignal;
}

export interface LogChunk {
    readonly stream: "stdout" | "stderr";
    readonly data: Buffer;
}

export interface ExecRequest {
    readonly containerId: string;
    readonly command: readonly string[];
    readonly stdin: boolean;
    readonly tty: boolean;
}

/** A running command or an attached container. Streams are raw; with a terminal all output is on stdout. */
export interface ExecSession {
    readonly stdin: NodeJS.WritableStream | undefined;
    readonly stdout: NodeJS.ReadableStream;
    readonly stderr: NodeJS.ReadableStream | undefined;
    resize(width: number, height: number): Promise<void>;
    /** The command's exit code, or 0 when an attached container went on. */
    readonly exit: Promise<number>;
    close(): void;
}

export interface ContainerUsage {
    readonly containerId: string;
    /** Since the container's start. */
    readonly cpuNanoseconds: number;
    readonly memoryBytes: number;
    /** What it wrote beside its volumes; where it was asked for. */
    readonly diskBytes?: number;
    /** Processes in it, where the engine tells. */
    readonly processes?: number;
}

export interface RuntimeInfo {
    /** As in nodeInfo.containerRuntimeVersion: "docker://26.1.5". */
    readonly version: string;
    readonly ready: boolean;
    readonly reason?: string;
    /** RuntimeClass handlers beside the default. */
    readonly handlers: readonly string[];
}

/**
 * What runs pods: a container engine or Node-RED. Level-triggered: the pod worker compares `list` with what should be and
 * calls the verbs; each is idempotent, so that a kill between any two calls is mended by the next comparison.
 * Failures are RedgeErrors REDGE_RUNTIME_* or REDGE_FLOW_*.
 */
export interface PodRuntime {
    /** Scheme of container ids: docker, containerd, flow. */
    readonly name: string;
    /** False where an image is a name only and nothing is pulled. */
    readonly hasImages: boolean;
    /** True when RuntimeClass handlers of this name run here; "" is the default handler. */
    serves(handler: string): boolean;
    /** May be called again after a stop. */
    start(): Promise<void>;
    stop(): Promise<void>;
    info(): Promise<RuntimeInfo>;
    /** Runs the listener when something of that pod changed without being asked to; undefined: look at all of them. */
    onChange(listener: (podUid: string | undefined) => void): () => void;
    /** Every pod that belongs to this node, also those nobody wants any more. */
    list(): Promise<readonly PodRecord[]>;
    get(podUid: string): Promise<PodRecord | undefined>;
    /** The image's id when it is here. */
    imageId(image: string): Promise<string | undefined>;
    /** Pulls and returns the id. Runtimes without images answer the name. */
    pull(image: string, credentials: readonly PullCredentials[]): Promise<string>;
    images(): Promise<readonly ImageRecord[]>;
    /** With all its names. Engines differ in what they do with one that is in use: look before. */
    removeImage(id: string): Promise<void>;
    /** Folder on the host whose file system holds the images; undefined without images or while the engine is away. */
    imageDir(): Promise<string | undefined>;
    ensureSandbox(spec: SandboxSpec): Promise<SandboxRecord>;
    /** Creates and starts; a container that exits at once is still a success. */
    startContainer(spec: ContainerSpec): Promise<ContainerRecord>;
    /** TERM (or the image's stop signal), then KILL after the grace period. Resolves when it is not running any more. */
    stopContainer(id: string, graceSeconds: number): Promise<void>;
    removeContainer(id: string): Promise<void>;
    /** Stops and removes the sandbox and what is left of the pod's containers. */
    removePod(podUid: string): Promise<void>;
    /** Files below a mount of the pod have changed. Runtimes that read files themselves take them up. */
    volumesChanged(podUid: string): Promise<void>;
    logs(id: string, query: LogQuery): AsyncIterable<LogChunk>;
    exec(request: ExecRequest): Promise<ExecSession>;
    attach(id: string, options: { readonly stdin: boolean; readonly tty: boolean }): Promise<ExecSession>;
    /** A connection to a port inside the pod. */
    portForward(podUid: string, port: number): Promise<NodeJS.ReadWriteStream>;
    /** Use by container that runs. `disk`: measure what they wrote too, which costs the engine a walk. */
    stats(podUid: string, options?: { readonly disk: boolean }): Promise<readonly ContainerUsage[]>;
}
