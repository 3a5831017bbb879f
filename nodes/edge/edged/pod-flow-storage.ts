// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import { isPodNode } from "./pod-flow-ids.ts";

/** A Node-RED storage module (its own documentation, "Storage API"); functions must be the object's own. */
export type StorageModule = Record<string, unknown> & {
    saveFlows(flows: readonly { readonly id?: unknown }[], user?: unknown): Promise<unknown>;
    getFlows(): Promise<readonly { readonly id?: unknown }[]>;
};

/**
 * Wraps a storage module so that flows of pods never reach the gateway owner's flow file: Kubernetes keeps those, and
 * after a restart they come from there. Everything else passes through.
 */
export function podFlowFilter(inner: StorageModule): StorageModule {
    const wrapped: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(inner)) {
        wrapped[name] = typeof value === "function" ? value.bind(inner) : value;
    }
    return {
        ...wrapped,
        getFlows: async () => (await inner.getFlows()).filter((node) => !isPodNode(node)),
        saveFlows: async (flows, user) =>
            inner.saveFlows(
                flows.filter((node) => !isPodNode(node)),
                user,
            ),
    };
}

/** Node-RED's own file storage, filtered; for `settings.storageModule`. `from` is a file that can resolve node-red. */
export function podFlowStorage(from: string): StorageModule {
    const require = createRequire(createRequire(from).resolve("node-red"));
    return podFlowFilter(require("@node-red/runtime/lib/storage/localfilesystem") as StorageModule);
}
