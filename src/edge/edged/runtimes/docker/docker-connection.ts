// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import type { Timer } from "../../../../core/clock.ts";
import type { Ports } from "../../../../core/component.ts";
import { errorText, RedgeError } from "../../../../core/errors/redge-error.ts";
import { LABEL } from "../labels.ts";

const RETRY_MS = 2_000;

export interface DockerConnectionEvents {
    /** The engine answers (again), or does not any more. */
    readonly changed: () => void;
    /** Something happened to a container of that pod. */
    readonly pod: (podUid: string) => void;
}

/** The way to the engine: connects, follows its events, and connects again when it goes away. */
export class DockerConnection {
    readonly #socket: string;
    readonly #owner: string;
    readonly #ports: Pick<Ports, "clock" | "log">;
    readonly #events: DockerConnectionEvents;
    #docker: Docker | undefined;
    #version: { Version: string; Arch: string; ApiVersion: string } | undefined;
    #problem = "not asked yet";
    #runtimes: readonly string[] = [];
    #rootDir: string | undefined;
    #stream: NodeJS.ReadableStream | undefined;
    #timer: Timer | undefined;
    #stopped = false;

    constructor(socket: string, owner: string, ports: Pick<Ports, "clock" | "log">, events: DockerConnectionEvents) {
        this.#socket = socket;
        this.#owner = owner;
        this.#ports = ports;
        this.#events = events;
    }

    async start(): Promise<void> {
        this.#stopped = false;
        await this.#connect();
    }

    stop(): void {
        this.#stopped = true;
        this.#timer?.cancel();
        (this.#stream as { destroy?: () => void } | undefined)?.destroy?.();
    }

    get problem(): string | undefined {
        return this.#version === undefined ? this.#problem : undefined;
    }

    get version(): string {
        return this.#version?.Version ?? "";
    }

    get architecture(): string {
        return this.#version?.Arch ?? "";
    }

    get runtimes(): readonly string[] {
        return this.#runtimes;
    }

    /** Where the engine keeps images and containers, as the engine sees it. */
    get rootDir(): string | undefined {
        return this.#rootDir;
    }

    /** @throws REDGE_RUNTIME_UNAVAILABLE */
    get docker(): Docker {
        if (this.#docker === undefined || this.#version === undefined) {
            throw new RedgeError("REDGE_RUNTIME_UNAVAILABLE", { reason: this.#problem });
        }
        return this.#docker;
    }

    async #connect(): Promise<void> {
        try {
            const { default: Engine } = await import("dockerode");
            this.#docker ??= new Engine({ socketPath: this.#socket });
            const version = await this.#docker.version();
            const info = (await this.#docker.info()) as {
                Runtimes?: Record<string, unknown>;
                DockerRootDir?: string;
            };
            this.#rootDir = info.DockerRootDir;
            this.#runtimes = Object.keys(info.Runtimes ?? {}).filter((name) => !name.startsWith("io.containerd."));
            await this.#follow(this.#docker);
            this.#version = version;
            this.#events.changed();
        } catch (thrown) {
            this.#lost(errorText(thrown));
        }
    }

    async #follow(docker: Docker): Promise<void> {
        const filters = {
            type: ["container"],
            event: ["die", "oom", "destroy", "start"],
            label: [`${LABEL.owner}=${this.#owner}`],
        };
        const stream = await docker.getEvents({
            filters: JSON.stringify(filters) as unknown as Record<string, string[]>,
        });
        this.#stream = stream;
        let rest = "";
        stream.on("data", (chunk: Buffer) => {
            const lines = (rest + chunk.toString("utf8")).split("\n");
            rest = lines.pop() ?? "";
            for (const line of lines) this.#event(line);
        });
        const ended = (): void => {
            if (this.#stream === stream) this.#lost("the engine closed the connection");
        };
        stream.on("end", ended);
        stream.on("close", ended);
        stream.on("error", ended);
    }

    #event(line: string): void {
        if (line.trim() === "") return;
        const event = JSON.parse(line) as { Actor?: { Attributes?: Record<string, string> } };
        const uid = event.Actor?.Attributes?.[LABEL.uid];
        if (uid !== undefined) this.#events.pod(uid);
    }

    #lost(reason: string): void {
        if (this.#stopped) return;
        const was = this.#version !== undefined;
        this.#version = undefined;
        this.#stream = undefined;
        this.#problem = reason;
        if (was) {
            this.#ports.log.warn("container engine lost, trying again", { reason });
            this.#events.changed();
        }
        this.#timer?.cancel();
        this.#timer = this.#ports.clock.after(RETRY_MS, () => void this.#connect());
    }
}
