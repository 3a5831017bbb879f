// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { freePorts } from "../../../support/free-ports.ts";
import type { Part } from "../../../support/requires.ts";

/** open62541 1.4, an OPC UA stack in C, with its headers and a compiler for the server below. */
export const open62541Part: Part = {
    name: "libopen62541-1.4-dev",
    probe: () => {
        const there = existsSync("/usr/include/open62541/server.h") && spawnSync("gcc", ["--version"]).status === 0;
        return there ? undefined : "libopen62541-1.4-dev or gcc is not installed";
    },
};

export interface OpcuaPeer {
    readonly port: number;
    readonly url: string;
    stop(): Promise<void>;
}

/** Compiles server.c into a folder; the path of the program. */
export function compileServer(folder: string): string {
    const program = join(folder, "opcua-server");
    const source = resolve(import.meta.dirname, "server.c");
    const done = spawnSync("gcc", ["-o", program, source, "-lopen62541"], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`gcc: ${done.stderr}`);
    return program;
}

/** Starts the server; on a fixed port to bring one back. */
export async function startServer(
    program: string,
    mode: "open" | "users" | "one" = "open",
    { fixedPort, files = [] }: { fixedPort?: number; files?: readonly string[] } = {},
): Promise<OpcuaPeer> {
    const port = fixedPort ?? (await freePorts(1))[0] ?? 0;
    const child: ChildProcess = spawn(program, [String(port), mode, ...files], { stdio: ["ignore", "pipe", "ignore"] });
    if (child.stdout === null) throw new Error("no pipe");
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((done, failed) => {
        lines.on("line", (line) => (line === "ready" ? done() : undefined));
        child.once("exit", (code) => failed(new Error(`the OPC UA server ended with code ${code}`)));
    });
    return {
        port,
        url: `opc.tcp://127.0.0.1:${port}`,
        stop: async () => {
            if (child.exitCode !== null || child.signalCode !== null) return;
            const gone = once(child, "exit");
            child.kill("SIGKILL");
            await gone;
        },
    };
}

/** A self-signed certificate for an application of that URI: PEM, and DER as open62541 wants it. */
export function makeCertificate(folder: string, name: string, uri: string) {
    const path = (suffix: string): string => join(folder, `${name}.${suffix}`);
    const openssl = (...args: string[]): void => {
        const done = spawnSync("openssl", args, { encoding: "utf8" });
        if (done.status !== 0) throw new Error(`openssl: ${done.stderr}`);
    };
    const usage = "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign";
    openssl(
        ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`],
        ...["-addext", `subjectAltName=URI:${uri},IP:127.0.0.1`, "-addext", usage],
        ...["-addext", "extendedKeyUsage=serverAuth,clientAuth", "-keyout", path("key.pem"), "-out", path("pem")],
    );
    openssl("x509", "-in", path("pem"), "-outform", "der", "-out", path("der"));
    openssl("rsa", "-in", path("key.pem"), "-outform", "der", "-out", path("key.der"), "-traditional");
    return { pem: path("pem"), keyPem: path("key.pem"), der: path("der"), keyDer: path("key.der") };
}
