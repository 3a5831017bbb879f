// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface PublishedPackage {
    readonly name: string;
    readonly version: string;
    readonly dependencies?: Readonly<Record<string, string>>;
    /** Further fields of package.json. */
    readonly manifest?: Readonly<Record<string, unknown>>;
    /** Content by path within the package. */
    readonly files: Readonly<Record<string, string>>;
}

interface Version {
    readonly manifest: Record<string, unknown>;
    tarball: Buffer;
    readonly integrity: string;
}

/** An npm registry of this test's own packages: metadata and tarballs by HTTP, as any npm asks for them. */
export class NpmRegistry {
    readonly #folder = mkdtempSync(join(tmpdir(), "redge-npm-"));
    readonly #packages = new Map<string, Map<string, Version>>();
    readonly #server: Server;
    /** Paths asked for. */
    readonly asked: string[] = [];
    /** While true nobody gets an answer but 503. */
    down = false;

    private constructor() {
        this.#server = createServer((request, response) => {
            const path = decodeURIComponent(request.url ?? "/");
            this.asked.push(path);
            const body = this.down ? undefined : this.#answer(path);
            if (body === undefined) response.writeHead(this.down ? 503 : 404).end("{}");
            else response.writeHead(200).end(body);
        });
    }

    static async start(): Promise<NpmRegistry> {
        const registry = new NpmRegistry();
        await new Promise<void>((listening) => registry.#server.listen(0, "127.0.0.1", listening));
        return registry;
    }

    get url(): string {
        return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
    }

    /** What makes an npm ask here, and keep nothing that another test could find. */
    get env(): Record<string, string> {
        return {
            npm_config_registry: this.url,
            npm_config_cache: join(this.#folder, "cache"),
            npm_config_fetch_retries: "0",
        };
    }

    publish({ name, version, dependencies = {}, manifest = {}, files }: PublishedPackage): void {
        const folder = mkdtempSync(join(this.#folder, "package-"));
        const full = { name, version, dependencies, ...manifest };
        for (const [path, content] of Object.entries({ ...files, "package.json": JSON.stringify(full) })) {
            mkdirSync(dirname(join(folder, "package", path)), { recursive: true });
            writeFileSync(join(folder, "package", path), content);
        }
        execFileSync("tar", ["-C", folder, "-czf", join(folder, "package.tgz"), "package"]);
        const tarball = readFileSync(join(folder, "package.tgz"));
        const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
        const versions = this.#packages.get(name) ?? new Map<string, Version>();
        this.#packages.set(name, versions.set(version, { manifest: full, tarball, integrity }));
    }

    /** Serves other bytes than were published, as a broken mirror or somebody on the way would. */
    tamper(name: string, version: string): void {
        const found = this.#packages.get(name)?.get(version);
        if (found !== undefined) found.tarball = Buffer.concat([found.tarball, Buffer.from("more")]);
    }

    async stop(): Promise<void> {
        this.#server.closeAllConnections();
        await new Promise((closed) => this.#server.close(closed));
        rmSync(this.#folder, { recursive: true, force: true });
    }

    #answer(path: string): Buffer | string | undefined {
        const [, name = "", version = ""] = /^\/(.+?)\/-\/[^/]+?-(\d[^/]*)\.tgz$/.exec(path) ?? [];
        if (name !== "") return this.#packages.get(name)?.get(version)?.tarball;
        const versions = this.#packages.get(path.slice(1));
        if (versions === undefined) return undefined;
        const told = [...versions].map(([number, { manifest, integrity }]) => {
            const file = `${String(manifest["name"]).split("/").at(-1)}-${number}.tgz`;
            const dist = { tarball: `${this.url}${String(manifest["name"])}/-/${file}`, integrity };
            return [number, { ...manifest, dist }] as const;
        });
        const latest = told.at(-1)?.[0];
        return JSON.stringify({ name: path.slice(1), "dist-tags": { latest }, versions: Object.fromEntries(told) });
    }
}
