// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Component, Ports } from "../../core/component.ts";
import type { ConfigSchema } from "../../core/config.ts";
import { authenticated, MASTERS } from "../../kube/authz/user.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { RestClient } from "../../kube/client/rest-client.ts";
import { below, type DocumentStore } from "../../store/store.ts";
import { ApiServer } from "./apiserver/api-server.ts";
import { writeKubeconfig } from "./apiserver/kubeconfig.ts";
import { loadPki } from "./apiserver/pki.ts";
import { ControlPlaneControllers } from "./controllers/index.ts";
import { installObjects } from "./installer.ts";

export interface ControlPlaneConfig {
    /** Address to listen on. */
    readonly host: string;
    /** 0 takes a free one. */
    readonly port: number;
    /** Folder of the certificates and the kubeconfig. */
    readonly dataDir: string;
    /** Further names and addresses in the server's certificate. */
    readonly sans: readonly string[];
}

export const controlPlaneConfig = {
    type: "object",
    properties: {
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "integer", minimum: 0, maximum: 65_535, default: 6443 },
        dataDir: { type: "string", minLength: 1 },
        sans: { type: "array", items: { type: "string", minLength: 1 }, default: [] },
    },
    required: ["dataDir"],
    additionalProperties: false,
} as const satisfies ConfigSchema;

const LOCAL_NAMES = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
/** Whom the administrator's certificate names, too. */
const ADMINISTRATOR = authenticated("kubernetes-admin", [MASTERS]);
const STORE_PREFIX = "controlplane/";
/** Shipped with the package: dist/src/cloud/controlplane and src/cloud/controlplane are equally deep below their root. */
const CRD_FOLDERS = ["../../../deploy/crds", "../../../../deploy/crds"].map((path) => join(__dirname, path));

/** A Kubernetes control plane for one site: API server, scheduler and controllers in this process. */
export class ControlPlane implements Component {
    readonly #config: ControlPlaneConfig;
    readonly #ports: Ports & { readonly store: DocumentStore };
    #server: ApiServer | undefined;
    #controllers: ControlPlaneControllers | undefined;
    #client: KubeClient | undefined;

    constructor(config: ControlPlaneConfig, ports: Ports & { readonly store: DocumentStore }) {
        this.#config = config;
        this.#ports = ports;
    }

    /** "https://127.0.0.1:6443" once started. */
    get url(): string {
        return this.#server?.url ?? `https://${this.#config.host}:${this.#config.port}`;
    }

    /** The administrator's kubeconfig, written at every start (mode 0600). */
    get kubeconfigPath(): string {
        return join(this.#config.dataDir, "kubeconfig");
    }

    /** The administrator's client within this process. Undefined until started. */
    get client(): KubeClient | undefined {
        return this.#client;
    }

    /** @throws REDGE_KUBE_PKI, REDGE_KUBE_PORT, or what the store throws */
    async start(): Promise<void> {
        if (this.#server !== undefined) return;
        const { clock, random, store } = this.#ports;
        const { dataDir, host, port, sans } = this.#config;
        const hosts = [...new Set([...LOCAL_NAMES, ...(host === "0.0.0.0" || host === "::" ? [] : [host]), ...sans])];
        const pki = await loadPki(join(dataDir, "pki"), hosts, clock);
        const server = new ApiServer({ host, port, pki }, { ...this.#ports, store: below(store, STORE_PREFIX) });
        await server.start();
        this.#server = server;
        await writeKubeconfig(this.kubeconfigPath, server.url, pki.caPem, pki.admin);
        const client = new RestClient(server.transport(ADMINISTRATOR), { clock, random });
        this.#client = client;
        await installObjects(client, { caPem: pki.caPem, definitions: await crdTexts() });
        this.#controllers = new ControlPlaneControllers({ caPem: pki.caPem }, { ...this.#ports, cluster: client });
        await this.#controllers.start();
    }

    async stop(): Promise<void> {
        await this.#controllers?.stop();
        await this.#client?.close();
        await this.#server?.stop();
        this.#controllers = undefined;
        this.#client = undefined;
        this.#server = undefined;
    }
}

async function crdTexts(): Promise<readonly string[]> {
    for (const folder of CRD_FOLDERS) {
        const files = await readdir(folder).catch(() => []);
        const yaml = files.filter((file) => file.endsWith(".yaml")).sort();
        if (yaml.length > 0) return Promise.all(yaml.map((file) => readFile(join(folder, file), "utf8")));
    }
    return [];
}
