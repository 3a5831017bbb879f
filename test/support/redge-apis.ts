// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { installObjects } from "../../src/cloud/controlplane/installer.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { Informer } from "../../src/kube/client/informer.ts";
import { isAlreadyExists, isNotFound } from "../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { type Embedded, startEmbeddedApiServer } from "./embedded.ts";
import { eventually } from "./eventually.ts";

const CRDS = resolve(import.meta.dirname, "../../deploy/crds");
const ports = { clock: systemClock, random: Math.random };

const apiService = {
    group: "apiregistration.k8s.io",
    version: "v1",
    kind: "APIService",
    plural: "apiservices",
    namespaced: false,
} as const;

/**
 * The kinds of deploy/crds behind a real API server by aggregation. kube-apiserver 1.20.2 as built for these tests
 * crashes on every write of a custom resource; as an extension API server ours answers for them, through the same
 * address and the same kubectl.
 */
export class RedgeApis {
    readonly #embedded: Embedded;
    readonly #own: KubeClient;
    #namespaces: Informer<KubeObject> | undefined;

    private constructor(embedded: Embedded) {
        this.#embedded = embedded;
        this.#own = createKubeClient(embedded.connection, ports);
    }

    static async start(): Promise<RedgeApis> {
        const apis = new RedgeApis(await startEmbeddedApiServer());
        await installObjects(apis.#own, { caPem: "", definitions: await definitions() });
        return apis;
    }

    /** Certificate and key that the aggregator shows: it is trusted as an administrator. */
    get proxyCertificate(): { readonly certPem: string; readonly keyPem: string } {
        const { certPem = "", keyPem = "" } = this.#embedded.connection;
        return { certPem, keyPem };
    }

    /** Registers the groups with the real API server and waits until they are served there. */
    async join(real: KubeClient): Promise<void> {
        const metadata = { name: "redge-apis", namespace: "kube-system" };
        const spec = { type: "ExternalName", externalName: "localhost" };
        await real.create(Kinds.service, { apiVersion: "v1", kind: "Service", metadata, spec });
        await this.#mirrorNamespaces(real);
        const names: string[] = [];
        for (const { group, version } of await groups()) {
            const name = `${version}.${group}`;
            names.push(name);
            await real.create(apiService, {
                apiVersion: "apiregistration.k8s.io/v1",
                kind: "APIService",
                metadata: { name },
                spec: {
                    group,
                    version,
                    groupPriorityMinimum: 1000,
                    versionPriority: 15,
                    insecureSkipTLSVerify: true,
                    service: { ...metadata, port: Number(new URL(this.#embedded.server).port) },
                },
            });
        }
        for (const name of names) await eventually(() => available(real, name));
    }

    async stop(): Promise<void> {
        await this.#namespaces?.stop();
        await this.#own.close();
        await this.#embedded.stop();
    }

    /** Objects live in namespaces of the real server; ours has to know them. */
    async #mirrorNamespaces(real: KubeClient): Promise<void> {
        const namespaces = new Informer<KubeObject>({ cluster: real, query: { type: Kinds.namespace } }, ports);
        this.#namespaces = namespaces;
        namespaces.on("add", ({ metadata: { name } }) => {
            const copy = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
            this.#own.create(Kinds.namespace, copy).catch((failure: unknown) => {
                if (!isAlreadyExists(failure)) throw failure;
            });
        });
        namespaces.on("delete", ({ metadata: { name } }) => {
            this.#remove(name).catch((failure: unknown) => {
                if (!isNotFound(failure)) throw failure;
            });
        });
        await namespaces.start();
        await namespaces.whenSynced();
    }

    async #remove(name: string): Promise<void> {
        await this.#own.delete({ type: Kinds.namespace, name });
        const left = await this.#own.get({ type: Kinds.namespace, name });
        await this.#own.replace(Kinds.namespace, { ...left, spec: { finalizers: [] } }, "finalize");
    }
}

async function available(real: KubeClient, name: string): Promise<void> {
    const { status } = (await real.get({ type: apiService, name })) as unknown as {
        status?: { conditions?: { type: string; status: string; message?: string }[] };
    };
    const condition = status?.conditions?.find(({ type }) => type === "Available");
    if (condition?.status !== "True")
        throw new Error(`${name} is not served: ${condition?.message ?? "no word of it"}`);
}

async function definitions(): Promise<string[]> {
    const files = (await readdir(CRDS)).filter((file) => file.endsWith(".yaml")).sort();
    return Promise.all(files.map((file) => readFile(join(CRDS, file), "utf8")));
}

async function groups(): Promise<{ group: string; version: string }[]> {
    const found = new Map<string, { group: string; version: string }>();
    for (const text of await definitions()) {
        const { spec } = parse(text) as { spec: { group: string; versions: { name: string; served: boolean }[] } };
        for (const { name: version } of spec.versions.filter(({ served }) => served)) {
            found.set(`${version}.${spec.group}`, { group: spec.group, version });
        }
    }
    return [...found.values()];
}
