// SPDX-License-Identifier: Apache-2.0

/** What a Node-RED that only runs flows is started with: no editor, no HTTP, nothing on the console. */
export function headlessSettings(userDir: string, storageModule: Readonly<Record<string, unknown>>): object {
    return {
        userDir,
        httpAdminRoot: false,
        httpNodeRoot: false,
        credentialSecret: false,
        telemetry: { enabled: false },
        logging: { console: { level: "off" } },
        storageModule,
    };
}
