// SPDX-License-Identifier: Apache-2.0
import { connect, createServer, type Server, type Socket } from "node:net";
import { freePorts } from "../free-ports.ts";

/** A TCP relay in front of a CloudHub: the network, which can be cut, stalled, slowed and brought back on the same port. */
export class Relay {
    target: number;
    readonly #pairs = new Set<readonly [Socket, Socket]>();
    #server: Server | undefined;
    /** Who connects in the dark hears nothing: neither an answer nor a refusal. */
    readonly #lost = new Set<Socket>();
    #dark = false;
    port = 0;

    constructor(target: number) {
        this.target = target;
    }

    async start(): Promise<void> {
        const server = createServer((edge) => this.#join(edge));
        this.#server = server;
        // Its own also while it is away.
        if (this.port === 0) [this.port = 0] = await freePorts(1);
        await new Promise<void>((resolve, reject) => {
            server.once("error", reject);
            server.listen(this.port, "127.0.0.1", resolve);
        });
    }

    /** Refuses new connections and cuts those there are. */
    async stop(): Promise<void> {
        const server = this.#server;
        this.#server = undefined;
        if (server === undefined) return;
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        this.cut();
        for (const edge of this.#lost) edge.destroy();
        await closed;
    }

    /** A network that swallows everything, old connections and new ones, and tells nobody. */
    blackhole(): void {
        this.#dark = true;
        this.stall();
    }

    /** The end of a blackhole. Connections that were made before or in it are dead. */
    light(): void {
        this.#dark = false;
        this.cut();
        for (const edge of this.#lost) edge.destroy();
    }

    /** Cuts every connection, wherever in a frame it is. */
    cut(): void {
        for (const [edge, cloud] of this.#pairs) {
            edge.destroy();
            cloud.destroy();
        }
    }

    /** Nothing passes any more, and nobody is told. */
    stall(): void {
        for (const [edge, cloud] of this.#pairs) {
            edge.unpipe(cloud);
            cloud.unpipe(edge);
            edge.pause();
            cloud.pause();
        }
    }

    /** Lets `bytes` more pass from the cloud to the edge, then cuts: in the middle of a frame, most likely. */
    cutAfter(bytes: number): void {
        for (const [edge, cloud] of this.#pairs) {
            let left = bytes;
            cloud.on("data", (part: Buffer) => {
                left -= part.length;
                if (left > 0) return;
                edge.destroy();
                cloud.destroy();
            });
        }
    }

    #join(edge: Socket): void {
        if (this.#dark) {
            this.#lost.add(edge);
            edge.on("error", () => {});
            edge.once("close", () => this.#lost.delete(edge));
            return;
        }
        const cloud = connect({ port: this.target, host: "127.0.0.1" });
        const pair = [edge, cloud] as const;
        this.#pairs.add(pair);
        for (const [from, to] of [
            [edge, cloud],
            [cloud, edge],
        ] as const) {
            from.on("error", () => {});
            from.once("close", () => {
                this.#pairs.delete(pair);
                to.destroy();
            });
            from.pipe(to);
        }
    }
}
