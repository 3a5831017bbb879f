// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { type Clock, systemClock } from "../../core/clock.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";

export interface IssuedCredentials {
    readonly token?: string | undefined;
    readonly certPem?: string | undefined;
    readonly keyPem?: string | undefined;
    /** Milliseconds since the epoch; undefined: good for as long as this process runs. */
    readonly expiresMs?: number | undefined;
}

const run = promisify(execFile);
const PLUGIN_TIMEOUT_MS = 60_000;
const RENEW_BEFORE_MS = 30_000;

/** A client-go credential plugin (client.authentication.k8s.io/v1): a program that prints an ExecCredential. */
export class ExecCredentials {
    readonly #exec: Readonly<Record<string, unknown>>;
    readonly #file: string;
    readonly #clock: Pick<Clock, "nowMs">;
    #issued: Promise<IssuedCredentials> | undefined;

    constructor(exec: Readonly<Record<string, unknown>>, file: string, clock: Pick<Clock, "nowMs"> = systemClock) {
        this.#exec = exec;
        this.#file = file;
        this.#clock = clock;
    }

    /** What the plugin last issued; runs it again when that is about to expire. Throws REDGE_KUBE_KUBECONFIG. */
    async current(): Promise<IssuedCredentials> {
        const issued = await this.#issued?.catch(() => undefined);
        const expired = issued?.expiresMs !== undefined && issued.expiresMs - RENEW_BEFORE_MS < this.#clock.nowMs();
        if (issued !== undefined && !expired) return issued;
        this.#issued = this.#run();
        return this.#issued;
    }

    async #run(): Promise<IssuedCredentials> {
        const apiVersion = String(this.#exec["apiVersion"] ?? "client.authentication.k8s.io/v1");
        const command = String(this.#exec["command"] ?? "");
        const args = Array.isArray(this.#exec["args"]) ? this.#exec["args"].map(String) : [];
        const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
        const env = { ...process.env, ...this.#environment(), KUBERNETES_EXEC_INFO: JSON.stringify(info) };
        // A command with a slash is relative to the kubeconfig, any other is looked up on the PATH.
        const program = command.includes("/") ? resolve(dirname(this.#file), command) : command;
        try {
            const { stdout } = await run(program, args, { env, timeout: PLUGIN_TIMEOUT_MS });
            const { status } = JSON.parse(stdout) as { status?: Record<string, unknown> };
            if (status === undefined) throw new Error("it printed no status");
            const expiry = text(status["expirationTimestamp"]);
            return {
                token: text(status["token"]),
                certPem: text(status["clientCertificateData"]),
                keyPem: text(status["clientKeyData"]),
                expiresMs: expiry === undefined ? undefined : Date.parse(expiry),
            };
        } catch (failure) {
            const reason = `the credential plugin "${command}" failed: ${errorText(failure)}`;
            throw new RedgeError("REDGE_KUBE_KUBECONFIG", { path: this.#file, reason }, failure);
        }
    }

    #environment(): Record<string, string> {
        const list = Array.isArray(this.#exec["env"])
            ? (this.#exec["env"] as { name?: unknown; value?: unknown }[])
            : [];
        return Object.fromEntries(list.map(({ name, value }) => [String(name), String(value)]));
    }
}

function text(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}
