// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon, ready } from "./daemon.ts";
import { call } from "./docker.ts";
import { freePorts } from "./free-ports.ts";
import { type Part, program } from "./requires.ts";

export const registryParts: readonly Part[] = [program("docker-registry"), program("htpasswd")];

export interface Registry {
    /** 127.0.0.1:port */
    readonly address: string;
    stop(): Promise<void>;
}

/** An image registry on loopback; with a login when one is given. */
export async function startRegistry(login?: {
    readonly username: string;
    readonly password: string;
}): Promise<Registry> {
    const root = mkdtempSync(join(tmpdir(), "redge-registry-"));
    mkdirSync(join(root, "data"));
    const address = `127.0.0.1:${(await freePorts(1))[0]}`;
    let auth = "";
    if (login !== undefined) {
        const line = execFileSync("htpasswd", ["-Bbn", login.username, login.password]);
        writeFileSync(join(root, "htpasswd"), line);
        auth = `auth:\n  htpasswd: {realm: test, path: ${join(root, "htpasswd")}}\n`;
    }
    const config = `version: 0.1\nlog: {level: warn}\nstorage:\n  filesystem: {rootdirectory: ${join(root, "data")}}\n${auth}http: {addr: ${address}}\n`;
    writeFileSync(join(root, "config.yml"), config);
    const daemon = new Daemon("docker-registry", ["serve", join(root, "config.yml")], join(root, "registry.log"));
    daemon.start();
    await ready("docker-registry", async () => [200, 401].includes((await fetch(`http://${address}/v2/`)).status));
    return {
        address,
        stop: async () => {
            await daemon.end("SIGTERM");
            rmSync(root, { recursive: true, force: true });
        },
    };
}

/** Pushes an image that the engine has to the registry under that name; answers the pushed name. */
export async function pushImage(
    socket: string,
    image: string,
    address: string,
    name: string,
    login?: { readonly username: string; readonly password: string },
): Promise<string> {
    const repo = `${address}/${name}`;
    await call(socket, "POST", `/images/${image}/tag?repo=${encodeURIComponent(repo)}&tag=1`);
    const auth = Buffer.from(JSON.stringify({ ...login, serveraddress: address })).toString("base64");
    const answer = await call(socket, "POST", `/images/${repo}/push?tag=1`, undefined, { "x-registry-auth": auth });
    if (answer.includes('"error"')) throw new Error(answer);
    await call(socket, "DELETE", `/images/${repo}:1`);
    return `${repo}:1`;
}
