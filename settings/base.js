// SPDX-License-Identifier: Apache-2.0
// What the cloud and the edge have in common. Everything an operator may want to change is an environment variable;
// `redge cloud` and `redge edge` use these files, and so does `node-red --settings settings/edge.js`.
const { existsSync, readFileSync } = require("node:fs");
const { homedir } = require("node:os");
const { basename, join, resolve, sep } = require("node:path");

const { beforeDeploy, unusedCoreFiles } = require("../dist/nodes/shell/core-palette.js");
const { logging } = require("./logging.js");

const packageRoot = resolve(__dirname, "..");
const on = (name, fallback) => (process.env[name] ?? fallback) === "on";

/** A file the launcher made in the user directory (0600), or undefined where Node-RED is started without the launcher. */
function secretFile(userDir, name) {
    const path = join(userDir, name);
    return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Settings of one role: `role` "cloud" or "edge", `port` the editor's default port. */
exports.settingsFor = function settingsFor({ role, port, title }) {
    const userDir = resolve(
        process.env.REDGE_USER_DIR ?? join(process.env.REDGE_HOME ?? join(homedir(), ".redge"), role),
    );
    const editor = on("REDGE_EDITOR", "on");
    // With the editor on, people expect the whole palette; without it what no flow uses waits until one does.
    const deferred = editor ? [] : unusedCoreFiles(join(userDir, "flows.json"));
    return {
        userDir,
        flowFile: "flows.json",
        flowFilePretty: true,
        // An installed package is found by Node-RED itself; a checkout has to be pointed at.
        ...(packageRoot.includes(`${sep}node_modules${sep}`) ? {} : { nodesDir: packageRoot }),
        uiHost: process.env.REDGE_EDITOR_HOST ?? "127.0.0.1",
        uiPort: Number(process.env.REDGE_EDITOR_PORT ?? port),
        httpAdminRoot: "/",
        httpNodeRoot: "/api",
        disableEditor: !editor,
        nodesExcludes: deferred.map((file) => basename(file)),
        deferredPalette: deferred,
        ...(editor ? {} : { httpAdminMiddleware: beforeDeploy }),
        credentialSecret: process.env.REDGE_CREDENTIAL_SECRET ?? secretFile(userDir, "credential-secret"),
        telemetry: { enabled: false },
        diagnostics: { enabled: true, ui: true },
        runtimeState: { enabled: false, ui: false },
        functionExternalModules: false,
        externalModules: { palette: { allowInstall: on("REDGE_PALETTE_INSTALL", "on") } },
        logging,
        contextStorage: { default: { module: "memory" }, file: { module: "localfilesystem" } },
        editorTheme: {
            page: { title },
            header: { title },
            tours: false,
            projects: { enabled: false },
            palette: {
                catalogues: process.env.REDGE_PALETTE_CATALOGUE ? [process.env.REDGE_PALETTE_CATALOGUE] : [],
                categories: ["KubeEdge cloud", "KubeEdge edge", "KubeEdge devices", "subflows", "common", "function"],
            },
        },
    };
};
