// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
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

const DOCKER_SOCKETS = ["/var/run/docker.sock"];
const CRI_SOCKETS = ["/run/containerd/containerd.sock", "/run/crio/crio.sock"];
const OWNER_KEY = "edged/engine-owner";

/** The container engines of this machine. One that does not answer yet is tried again and again: this never rejects for it. */
export async function openContainerRuntimes(
    options: ContainerRuntimeOptions,
    ports: Ports,
): Promise<{ readonly runtimes: readonly PodRuntime[]; close(): Promise<void> }> {
    const runtimes = options.engine === "none" ? [] : await open(options, ports);
    return {
        runtimes,
        close: async () => {
            for (const runtime of runtimes) await runtime.stop();
        },
    };
}

async function open(options: ContainerRuntimeOptions, ports: Ports): Promise<readonly PodRuntime[]> {
    // DOCKER_HOST and the like say unix:///path.
    const given = options.socket?.replace(/^unix:\/\//, "");
    const docker = DOCKER_SOCKETS.find((path) => existsSync(path));
    const cri = CRI_SOCKETS.find((path) => existsSync(path));
    const engine = options.engine === "auto" ? engineAt(given, docker, cri) : options.engine;
    if (engine === "none") return [];
    const owner = await ownerOf(options.store);
    if (engine === "cri") {
        const { CriRuntime } = await import("./cri/cri-runtime.ts");
        const socket = given || cri || CRI_SOCKETS[0] || "";
        return [new CriRuntime({ ...ports, socket, owner, logDir: options.logDir ?? `/var/log/redge/${owner}` })];
    }
    const { DockerRuntime } = await import("./docker/docker-runtime.ts");
    return [new DockerRuntime({ ...ports, socket: given || docker || DOCKER_SOCKETS[0] || "", owner })];
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
