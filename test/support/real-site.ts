// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { systemClock } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { type Embedded, startEmbeddedApiServer } from "./embedded.ts";
import { eventually } from "./eventually.ts";
import { type RealKube, startRealKube } from "./kube.ts";
import { root, run, TestSite } from "./site.ts";

/** The groups that KubeEdge defines, with their versions. */
const GROUPS = [
    { group: "devices.kubeedge.io", version: "v1beta1" },
    { group: "reliablesyncs.kubeedge.io", version: "v1alpha1" },
    { group: "rules.kubeedge.io", version: "v1" },
];

/**
 * A site whose API server, scheduler and controller manager are the real ones.
 *
 * The kube-apiserver of `../shared/kube` ends with a segmentation fault at every write of a custom resource (its JSON
 * library is older than the Go it was built with), so KubeEdge's groups reach it by API aggregation, the way a
 * metrics server does: our API server answers for them behind it. Everything else is the real one's own.
 */
export async function createRealSite(extra: NodeJS.ProcessEnv = {}): Promise<TestSite> {
    const folder = mkdtempSync(join(tmpdir(), "redge-real-"));
    const extension = await startEmbeddedApiServer();
    const { certPem = "", keyPem = "" } = extension.connection;
    const [certFile, keyFile, caFile] = [
        join(folder, "proxy.crt"),
        join(folder, "proxy.key"),
        join(folder, "proxy-ca.crt"),
    ];
    writeFileSync(caFile, extension.connection.caPem ?? "");
    writeFileSync(certFile, certPem);
    writeFileSync(keyFile, keyPem, { mode: 0o600 });
    const kube = await startRealKube({
        apiServerFlags: [
            `--proxy-client-cert-file=${certFile}`,
            `--proxy-client-key-file=${keyFile}`,
            `--requestheader-client-ca-file=${caFile}`,
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
        ],
    });
    await prepareExtension(extension);
    const site = await TestSite.create({ ...extra, REDGE_CLUSTER: "kubeconfig", KUBECONFIG: kube.kubeconfig });
    await prepareCluster(site, kube, new URL(extension.server).port);
    site.onRemove(async () => {
        await kube.stop();
        await extension.stop();
        rmSync(folder, { recursive: true, force: true });
    });
    return site;
}

async function prepareExtension(extension: Embedded): Promise<void> {
    const client: KubeClient = createKubeClient(extension.connection, { clock: systemClock, random: Math.random });
    for (const name of ["default", "kube-system", "kubeedge"]) {
        await client.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    const folder = join(root, "deploy/crds");
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
        for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"))) {
            const object = document.toJS() as KubeObject | null;
            if (object?.kind === "CustomResourceDefinition")
                await client.create(Kinds.customResourceDefinition, object);
        }
    }
    await client.close();
}

async function prepareCluster(site: TestSite, kube: RealKube, port: string): Promise<void> {
    const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "kubeedge-apis", namespace: "default" },
        spec: { type: "ExternalName", externalName: "localhost" },
    };
    const apis = GROUPS.map(({ group, version }) => ({
        apiVersion: "apiregistration.k8s.io/v1",
        kind: "APIService",
        metadata: { name: `${version}.${group}` },
        spec: {
            group,
            version,
            groupPriorityMinimum: 1000,
            versionPriority: 15,
            insecureSkipTLSVerify: true,
            service: { name: "kubeedge-apis", namespace: "default", port: Number(port) },
        },
    }));
    await site.kubectlOk(
        ["apply", "-f", "-"],
        JSON.stringify({ apiVersion: "v1", kind: "List", items: [service, ...apis] }),
    );
    for (const file of ["namespace.yaml", "runtimeclasses.yaml"]) {
        await site.kubectlOk(["apply", "-f", join(root, "deploy/cloud", file)]);
    }
    await eventually(async () => {
        const { code, stderr } = await run("kubectl", ["get", "devices,objectsyncs"], {
            ...site.env,
            KUBECONFIG: kube.kubeconfig,
        });
        if (code !== 0) throw new Error(stderr);
    });
}
