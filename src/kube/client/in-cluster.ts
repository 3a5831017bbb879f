// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { ClusterConnection } from "./connection.ts";

const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The API server of the cluster this process runs in, as the pod's service account.
 * The token file is read for each request: the kubelet replaces it before it expires.
 * @throws REDGE_KUBE_NOT_IN_CLUSTER
 */
export async function connectionInCluster(
    environment: NodeJS.ProcessEnv = process.env,
    folder = SERVICE_ACCOUNT_FOLDER,
): Promise<ClusterConnection> {
    const host = environment["KUBERNETES_SERVICE_HOST"];
    const port = environment["KUBERNETES_SERVICE_PORT"];
    if (!host || !port) {
        throw new RedgeError("REDGE_KUBE_NOT_IN_CLUSTER", { reason: "KUBERNETES_SERVICE_HOST is not set" });
    }
    const token = async (): Promise<string> => (await readFile(`${folder}/token`, "utf8")).trim();
    try {
        const caPem = await readFile(`${folder}/ca.crt`, "utf8");
        await token();
        return { server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, caPem, token };
    } catch (failure) {
        throw new RedgeError("REDGE_KUBE_NOT_IN_CLUSTER", { reason: String(failure) }, failure);
    }
}
