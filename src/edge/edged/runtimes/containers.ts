// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { Timer } from "../../../core/clock.ts";
import type { Ports } from "../../../core/component.ts";
import type { DocumentStore } from "../../../store/store.ts";
import type { PodRuntime } from "./runtime.ts";

export interface ContainerRuntimeOptions {
    /** auto: Docker's socket when it is there, else a CRI engine's. */
    readonly engine: "auto" | "docker" | "cri" | "none";
    /** Blank: the usual places. */
    readonly socket?: string | undefined;
    readonly store: DocumentStore;
    /** Folder for container logs of a CRI engine; absent: below /var/log. */
    readonly logDir?: string | undefined;
}

/** Where engines listen, the first that is there is taken. */
export interface EngineSockets {
    readonly docker: readonly string[];
    readonly cri: readonly string[];
}

const SOCKETS: EngineSockets = {
    docker: ["/var/run/docker.sock"],
    cri: ["/run/containerd/containerd.sock", "/run/crio/crio.sock"],
};
const OWNER_KEY = "edged/engine-owner";
const LOOK_MS = 5_000;

/** The container engines of this machine, as a gateway sees them. */
export interface ContainerRuntimes {
    /** Those there were at the start. One that does not answer yet is tried again and again. */
    readonly runtimes: readonly PodRuntime[];
    /** Told of an engine that was not there at the start: many a gateway starts before its engine. */
    onFound(listener: (runtime: PodRuntime) => void): () => void;
    close(): Promise<void>;
}

/** Never rejects for an engine that is not there; with `auto` and none, it is looked for every five seconds. */
export async function openContainerRuntimes(
    options: ContainerRuntimeOptions,
    ports: Ports,
    sockets: EngineSockets = SOCKETS,
): Promise<ContainerRuntimes> {
    const first = options.engine === "none" ? undefined : await open(options, ports, sockets);
    const runtimes = first === undefined ? [] : [first];
    const listeners = new Set<(runtime: PodRuntime) => void>();
    let timer: Timer | undefined;
    let closed = false;
    const look = async (): Promise<void> => {
        const found = await open(options, ports, sockets);
        if (closed) return;
        if (found === undefined) {
            timer = ports.clock.after(LOOK_MS, lookAgain);
            return;
        }
        runtimes.push(found);
        ports.log.info("a container engine has come", { engine: found.name });
        for (const listener of listeners) listener(found);
    };
    const lookAgain = (): void => {
        look().catch((thrown: unknown) => {
            ports.log.warn("a container engine could not be taken", { error: thrown });
            if (!closed) timer = ports.clock.after(LOOK_MS, lookAgain);
        });
    };
    if (options.engine === "auto" && first === undefined) timer = ports.clock.after(LOOK_MS, lookAgain);
    return {
        runtimes,
        onFound: (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        close: async () => {
            closed = true;
            timer?.cancel();
            for (const runtime of runtimes) await runtime.stop();
        },
    };
}

async function open(
    options: ContainerRuntimeOptions,
    ports: Ports,
    sockets: EngineSockets,
): Promise<PodRuntime | undefined> {
    // DOCKER_HOST and the like say unix:///path.
    const given = options.socket?.replace(/^unix:\/\//, "");
    const docker = sockets.docker.find((path) => existsSync(path));
    const cri = sockets.cri.find((path) => existsSync(path));
    const engine = options.engine === "auto" ? engineAt(given, docker, cri) : options.engine;
    if (engine === "none") return undefined;
    const owner = await ownerOf(options.store);
    if (engine === "cri") {
        const { CriRuntime } = await import("./cri/cri-runtime.ts");
        const socket = given || cri || sockets.cri[0] || "";
        return new CriRuntime({ ...ports, socket, owner, logDir: options.logDir ?? `/var/log/redge/${owner}` });
    }
    const { DockerRuntime } = await import("./docker/docker-runtime.ts");
    return new DockerRuntime({ ...ports, socket: given || docker || sockets.docker[0] || "", owner });
}

/** What "auto" means: the engine of a given socket by its name, else the first one whose socket is there. */
function engineAt(
    given: string | undefined,
    docker: string | undefined,
    cri: string | undefined,
): "docker" | "cri" | "none" {
    if (given) return /containerd|crio/.test(given) ? "cri" : "docker";
    if (docker !== undefined) return "docker";
    return cri === undefined ? "none" : "cri";
}

/** Made once, kept with the rest of the gateway's state. */
async function ownerOf(store: DocumentStore): Promise<string> {
    const known = await store.get<string>(OWNER_KEY);
    if (known !== undefined) return known;
    const owner = randomUUID();
    await store.write([{ op: "put", key: OWNER_KEY, value: owner }]);
    return owner;
}
