// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, fork } from "node:child_process";
import type { Relay } from "../relay.ts";
import type { TestPki } from "../test-pki.ts";
import type { Meddler } from "./meddler.ts";
import { serveCluster } from "./rpc.ts";
import type { World } from "./world.ts";

/** Messages that the edge keeps. */
export const OUTBOX = 300;

/** What each side said it did. */
export interface Books {
    readonly offered: Set<string>;
    readonly taken: Set<string>;
    readonly lastReport: Map<string, number>;
    /** `life`: how many clouds there had been. */
    readonly userArrivals: { readonly id: string; readonly n: number; readonly life: number }[];
    dropped: number;
}

interface Options {
    readonly pki: TestPki;
    readonly relay: Relay;
    readonly meddler: Meddler;
    readonly world: World;
    readonly path: string;
    readonly node: string;
    readonly devices: number;
}

interface Told {
    readonly ready?: number | true;
    readonly user?: { readonly n: number };
    readonly id?: string;
    readonly offered?: string;
    readonly taken?: string;
    readonly dropped?: number;
    readonly outbox?: number;
    readonly drops?: Record<string, number>;
    readonly dump?: readonly { key: string; value: { uid?: string; resourceVersion?: string } }[];
}

/** Both processes, and the books that outlive them. */
export class Ends {
    readonly books: Books = {
        offered: new Set(),
        taken: new Set(),
        lastReport: new Map(),
        userArrivals: [],
        dropped: 0,
    };
    readonly #options: Options;
    readonly #serverTls;
    readonly #edgeTls;
    #cloud: ChildProcess | undefined;
    #edge: ChildProcess | undefined;
    #next = 0;
    #life = 0;
    readonly #beganMs = Date.now();

    constructor(options: Options) {
        this.#options = options;
        this.#serverTls = options.pki.server();
        this.#edgeTls = options.pki.node(options.node);
    }

    async startCloud(): Promise<void> {
        const { meddler, world } = this.#options;
        const child = this.#fork("--cloud", { tls: this.#serverTls, port: meddler.target, beganMs: this.#beganMs });
        this.#cloud = child;
        this.#life += 1;
        const life = this.#life;
        serveCluster(child, world.cluster);
        child.on("message", ({ user, id }: Told) => {
            if (user !== undefined && id !== undefined) this.books.userArrivals.push({ id, n: user.n, life });
        });
        meddler.target = Number(await ready(child));
    }

    async startEdge(): Promise<void> {
        const { relay, path, node, devices } = this.#options;
        const child = this.#fork("--edge", {
            nodeName: node,
            tls: this.#edgeTls,
            port: relay.port,
            path,
            devices,
            next: this.#next,
            outboxMaxMessages: OUTBOX,
            everyMs: 30,
            beganMs: this.#beganMs,
        });
        this.#edge = child;
        child.on("message", ({ offered, taken, dropped }: Told) => {
            if (offered !== undefined) this.#offered(offered);
            if (taken !== undefined) this.#taken(taken);
            if (dropped !== undefined) this.books.dropped = dropped;
        });
        await ready(child);
    }

    async killCloud(): Promise<void> {
        await kill(this.#cloud);
        await this.startCloud();
    }

    async killEdge(): Promise<void> {
        await kill(this.#edge);
        await this.startEdge();
    }

    tellEdge(message: Record<string, unknown>): void {
        this.#edge?.send(message);
    }

    tellCloud(message: Record<string, unknown>): void {
        this.#cloud?.send(message);
    }

    heal(): void {
        const { world, meddler } = this.#options;
        world.cluster.down = false;
        meddler.duplicating = false;
        meddler.reordering = false;
        this.tellEdge({ diskFull: false, jumpMs: 0 });
        this.tellCloud({ jumpMs: 0 });
    }

    pauseEdge(): void {
        this.tellEdge({ pause: true });
    }

    /** What the edge holds, what it has not delivered yet, and what it dropped by policy. */
    async dump(): Promise<{ kept: Map<string, string>; outbox: number; drops: Record<string, number> }> {
        const answer = new Promise<Told>((resolve) => {
            const onMessage = (told: Told): void => {
                if (told.dump === undefined) return;
                this.#edge?.off("message", onMessage);
                resolve(told);
            };
            this.#edge?.on("message", onMessage);
        });
        this.tellEdge({ dump: true });
        const { dump = [], outbox = 0, drops = {} } = await answer;
        const kept = new Map(dump.map(({ key, value }) => [key, `${value.uid} ${value.resourceVersion}`]));
        return { kept, outbox, drops };
    }

    async stop(): Promise<void> {
        await Promise.all([kill(this.#cloud), kill(this.#edge)]);
    }

    #fork(role: string, options: unknown): ChildProcess {
        return fork(process.argv[1] ?? "", [role, JSON.stringify(options)]);
    }

    #offered(name: string): void {
        this.books.offered.add(name);
        const n = Number(/(\d+)$/.exec(name)?.[1] ?? 0);
        this.#next = Math.max(this.#next, n);
    }

    #taken(name: string): void {
        this.books.taken.add(name);
        const [device = "", n] = name.split(" ");
        if (device.startsWith("meter-")) this.books.lastReport.set(device, Number(n));
    }
}

function ready(child: ChildProcess): Promise<number | true> {
    return new Promise((resolve, reject) => {
        child.on("message", (told: Told) => {
            if (told.ready !== undefined) resolve(told.ready);
        });
        child.once("exit", (code) => reject(new Error(`a process ended before it was ready (${code})`)));
    });
}

async function kill(child: ChildProcess | undefined): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
}
