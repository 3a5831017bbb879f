// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { ClusterConnection } from "./connection.ts";
import { issuedCredentials } from "./issued-credentials.ts";

export { connectionInCluster } from "./in-cluster.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The connection that kubectl would use: `path`, else the first file of $KUBECONFIG, else ~/.kube/config; `context`,
 * else the current one. Certificates, tokens and exec credential plugins are understood
 * (Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files").
 * @throws REDGE_KUBE_KUBECONFIG saying which file and which entry
 */
export async function connectionFromKubeconfig(path?: string, context?: string): Promise<ClusterConnection> {
    const file =
        path ?? process.env["KUBECONFIG"]?.split(delimiter).find(Boolean) ?? join(homedir(), ".kube", "config");
    let text: string;
    try {
        text = await readFile(file, "utf8");
    } catch (failure) {
        throw new RedgeError("REDGE_KUBE_KUBECONFIG", { path: file, reason: errorText(failure) }, failure);
    }
    return parseKubeconfig(text, file, context);
}

/** As connectionFromKubeconfig, for text already read; relative file names in it are relative to `file`. */
export async function parseKubeconfig(text: string, file: string, context?: string): Promise<ClusterConnection> {
    const bad = (reason: string, cause?: unknown): RedgeError =>
        new RedgeError("REDGE_KUBE_KUBECONFIG", { path: file, reason }, cause);
    let config: Fields;
    try {
        config = fields(parse(text)) ?? {};
    } catch (failure) {
        throw bad(errorText(failure), failure);
    }
    const contextName = context ?? string(config["current-context"]);
    if (!contextName) throw bad("has no current-context; name a context");
    const chosen = entry(config, "contexts", contextName, "context");
    if (chosen === undefined) throw bad(`has no context "${contextName}"`);
    const clusterName = string(chosen["cluster"]) ?? "";
    const cluster = entry(config, "clusters", clusterName, "cluster");
    if (cluster === undefined) throw bad(`has no cluster "${clusterName}" (context "${contextName}")`);
    const server = string(cluster["server"]);
    if (server === undefined || !URL.canParse(server))
        throw bad(`cluster "${clusterName}" has no valid server address`);
    const userName = string(chosen["user"]) ?? "";
    const user = entry(config, "users", userName, "user") ?? {};
    const pem = async (from: Fields, key: string): Promise<string | undefined> => {
        const data = string(from[`${key}-data`]);
        if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
        const name = string(from[key]);
        if (name === undefined) return undefined;
        try {
            return await readFile(resolve(dirname(file), name), "utf8");
        } catch (failure) {
            throw bad(`${key}: ${errorText(failure)}`, failure);
        }
    };
    const isIssued = user["exec"] !== undefined || user["auth-provider"] !== undefined;
    const issue = isIssued ? await issuedCredentials(user, file) : undefined;
    const issued = await issue?.();
    return {
        server,
        caPem: await pem(cluster, "certificate-authority"),
        certPem: issued?.certPem ?? (await pem(user, "client-certificate")),
        keyPem: issued?.keyPem ?? (await pem(user, "client-key")),
        token: issued?.token === undefined ? tokenOf(user, file) : async () => (await issue?.())?.token ?? "",
        tlsServerName: string(cluster["tls-server-name"]),
        insecureSkipTlsVerify: cluster["insecure-skip-tls-verify"] === true,
    };
}

function tokenOf(user: Fields, file: string): (() => Promise<string>) | undefined {
    const tokenFile = string(user["tokenFile"]);
    // A token file wins over a token, as in kubectl: it may be replaced while we run.
    if (tokenFile !== undefined) {
        return async () => (await readFile(resolve(dirname(file), tokenFile), "utf8")).trim();
    }
    const token = string(user["token"]);
    return token === undefined ? undefined : async () => token;
}

function entry(config: Fields, list: string, name: string, key: string): Fields | undefined {
    const entries = Array.isArray(config[list]) ? (config[list] as unknown[]) : [];
    return fields(entries.map(fields).find((item) => item?.["name"] === name)?.[key]);
}

function fields(value: unknown): Fields | undefined {
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function string(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}
