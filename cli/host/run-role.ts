// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { printFailure } from "../failure.ts";
import { packageRoot } from "../package-root.ts";
import { claimVariables, type Role, redgeHome } from "./environment.ts";
import { ensureFlowFile } from "./flows.ts";
import { hostNodeRed, type NodeRedHost } from "./node-red.ts";
import { checkPorts, type WantedPort } from "./ports.ts";
import { nodesReady } from "./readiness.ts";
import { ADMIN_USER, adminAuth, ensureFolder, keptSecret } from "./secrets.ts";
import { StartFailures } from "./start-failures.ts";

const STOP_TIMEOUT_MS = 4_000;

export interface RoleStart {
    readonly role: Role;
    readonly ports: readonly WantedPort[];
    /** Flow files of the package that make the first flow of a new user directory. */
    readonly flows: readonly string[];
    /** Node types that must show green before the role calls itself ready. */
    readonly readyTypes: readonly string[];
    /** What to print once it is up; not asked for when another process supervises this one. */
    summary(editorUrl: string, user: string, password: string): string;
}

/**
 * Runs one Node-RED runtime until a signal, or until the supervising process goes away; answers the exit code.
 * @throws RedgeError when it cannot be started
 */
export async function runRole(start: RoleStart): Promise<number> {
    const home = redgeHome();
    const userDir = join(home, start.role);
    ensureFolder(home);
    ensureFolder(userDir);
    claimVariables(start.role, userDir);
    const password = keptSecret(home, "admin-password", 12);
    keptSecret(userDir, "credential-secret", 32);
    ensureFlowFile(userDir, start.flows);
    await checkPorts(start.ports);

    const ending = endOfProcess();
    const failures = new StartFailures(start.readyTypes, (line) => process.stderr.write(`redge: ${line}\n`));
    const failed = (thrown: unknown, type: string): void => failures.take(thrown, type);
    settings["redge"] = { role: start.role, home: userDir, failed };
    const host = await hostNodeRed(settingsOf(start.role, password));
    const ready = nodesReady(host, start.role, userDir, start.readyTypes, systemClock);
    ready.catch(() => {});
    const first = await Promise.race([
        ready.then(() => "ready" as const),
        failures.fatal,
        ending.then(() => "ending" as const),
    ]).catch(async (thrown: unknown) => {
        await stopBounded(host);
        throw thrown;
    });
    failures.started();
    if (first === "ready") announce(start, host, password);
    await ending;
    await stopBounded(host);
    return 0;
}

const settings: Record<string, unknown> = {};

function settingsOf(role: Role, password: string): Record<string, unknown> {
    const shipped = createRequire(`${packageRoot}/package.json`)(`./settings/${role}.js`) as Record<string, unknown>;
    return Object.assign(settings, { ...shipped, redge: settings["redge"], adminAuth: adminAuth(password) });
}

function announce(start: RoleStart, host: NodeRedHost, password: string): void {
    if (process.send !== undefined) {
        process.send({ type: "ready" });
        return;
    }
    process.stdout.write(start.summary(`http://127.0.0.1:${host.port}`, ADMIN_USER, password));
}

/** Resolves on SIGINT, SIGTERM, or when the process that supervises this one has gone. */
function endOfProcess(): Promise<void> {
    process.on("uncaughtException", (thrown) => process.exit(printFailure(thrown)));
    return new Promise((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve());
        process.on("disconnect", () => resolve());
    });
}

async function stopBounded(host: NodeRedHost): Promise<void> {
    const bound = new Promise<void>((resolve) => {
        setTimeout(resolve, STOP_TIMEOUT_MS).unref();
    });
    await Promise.race([host.stop(), bound]);
}
