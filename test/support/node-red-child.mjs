// SPDX-License-Identifier: Apache-2.0
// One embedded Node-RED, as a process of its own (Node-RED keeps module state, so there is one per process).
// Options come as JSON in the first argument; what happens goes out by IPC. Ends when the parent disconnects.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { nodeRed, resolveFrom, settings } = JSON.parse(process.argv[2]);
const require = createRequire(resolveFrom);
const RED = require(nodeRed);

const app = require(require.resolve("express", { paths: [require.resolve(nodeRed)] }))();
const server = createServer(app);
RED.init(server, {
    uiHost: "127.0.0.1",
    httpAdminRoot: "/",
    httpNodeRoot: "/api",
    credentialSecret: "test",
    telemetry: { enabled: false },
    editorTheme: { tours: false, palette: { catalogues: [] } },
    logging: {
        ipc: {
            level: "warn",
            handler: () => (line) => tell({ event: "log", level: line.level, text: text(line.msg) }),
        },
    },
    ...settings,
});
app.use("/api", RED.httpNode);
app.use("/", RED.httpAdmin);

RED.events.on("flows:started", () => tell({ event: "flows:started" }));
RED.events.on("node-status", ({ id, status }) => tell({ event: "status", id, status }));
RED.events.on("runtime-event", ({ id, payload }) => {
    if (payload?.error === "missing-types") tell({ event: "missing-types", types: payload.types, id });
});
server.listen(0, "127.0.0.1", async () => {
    tell({ event: "listening", port: server.address().port });
    await RED.start();
});
process.once("disconnect", async () => {
    server.closeAllConnections();
    await RED.stop();
    process.exit(0);
});

function text(message) {
    if (message instanceof Error) return message.stack ?? message.message;
    return typeof message === "object" && message !== null
        ? (message.message ?? JSON.stringify(message))
        : String(message);
}

function tell(happening) {
    // A parent that left meanwhile has nothing to be told any more.
    if (process.connected) process.send(happening, () => {});
}
