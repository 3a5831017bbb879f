// SPDX-License-Identifier: Apache-2.0
import type { RequestOptions } from "node:https";
import { dirname, resolve } from "node:path";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { asRecord, asText } from "../../core/json.ts";

const BEARER = "Bearer ";

export interface Issued {
    readonly token?: string | undefined;
    readonly certPem?: string | undefined;
    readonly keyPem?: string | undefined;
}

/**
 * Credentials that a program (`exec`) or an identity provider (`auth-provider`) issues for a kubeconfig's user. Both are
 * left to @kubernetes/client-node, which is loaded only then: it costs 80 MB. It caches what was issued until it expires.
 * @throws REDGE_KUBE_KUBECONFIG naming the file and the reason
 */
export async function issuedCredentials(
    user: Readonly<Record<string, unknown>>,
    file: string,
): Promise<() => Promise<Issued>> {
    const bad = (reason: string, cause: unknown): RedgeError =>
        new RedgeError("REDGE_KUBE_KUBECONFIG", { path: file, reason }, cause);
    const library = await import("@kubernetes/client-node").catch((failure: unknown) => {
        throw bad("its user needs the package @kubernetes/client-node, which is not installed", failure);
    });
    const exec = user["exec"] === undefined ? undefined : { ...asRecord(user["exec"]) };
    const command = asText(exec?.["command"]) ?? "";
    // A command with a slash is relative to the kubeconfig, any other is looked up on the PATH.
    if (exec !== undefined && command.includes("/")) exec["command"] = resolve(dirname(file), command);
    const config = new library.KubeConfig();
    config.loadFromOptions({
        clusters: [{ name: "c", server: "https://localhost", skipTLSVerify: false }],
        users: [{ name: "u", exec, authProvider: user["auth-provider"] }],
        contexts: [{ name: "x", cluster: "c", user: "u" }],
        currentContext: "x",
    });
    const who = exec === undefined ? "the auth-provider" : `the credential plugin "${command}"`;
    return async () => {
        const options: RequestOptions = { headers: {} };
        try {
            await config.applyToHTTPSOptions(options);
        } catch (failure) {
            throw bad(`${who} failed: ${errorText(failure)}`, failure);
        }
        const header = asText(asRecord(options.headers)["Authorization"]);
        if (header === undefined && options.cert === undefined) throw bad(`${who} issued nothing`, undefined);
        return {
            token: header?.startsWith(BEARER) === true ? header.slice(BEARER.length) : undefined,
            certPem: asText(options.cert),
            keyPem: asText(options.key),
        };
    };
}
