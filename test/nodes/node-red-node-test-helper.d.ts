// SPDX-License-Identifier: Apache-2.0

/** The parts of node-red-node-test-helper 0.3 that the tests use; it brings no types of its own. */
declare module "node-red-node-test-helper" {
    const helper: {
        init(nodeRedPath: string): void;
        startServer(done: () => void): void;
        stopServer(done: () => void): void;
        load(modules: unknown, flow: unknown, credentials?: unknown): Promise<void>;
        unload(): Promise<void>;
        getNode(id: string): unknown;
        settings(settings: Readonly<Record<string, unknown>>): void;
        request(): unknown;
    };
    export default helper;
}
