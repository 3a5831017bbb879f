// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EdgeStream } from "../../../src/edge/edgestream/index.ts";
import { encodeKubeletRequest } from "../../../src/link/tunnel/kubelet-request.ts";
import { encodeTunnelMessage, TunnelType } from "../../../src/link/tunnel/message.ts";
import { acceptAndSay, text } from "../../support/link/eager-websocket.ts";
import { testPorts } from "../../support/link/ends.ts";
import { TestPki } from "../../support/link/test-pki.ts";

test("what the cloud asks in one piece with the answer to the handshake is asked of the kubelet", async () => {
    const pki = new TestPki();
    const folder = mkdtempSync(join(tmpdir(), "redge-eager-"));
    const kubelet = createHttpServer();
    const asked = new Promise<string | undefined>((resolve) => {
        kubelet.on("request", ({ url }, response) => {
            response.end();
            resolve(url);
        });
    });
    await new Promise<void>((resolve) => kubelet.listen(join(folder, "kubelet.sock"), resolve));
    const { certPem: cert, keyPem: key, caPem: ca } = pki.server();
    const cloud = createServer({ cert, key, ca });
    const target = "/containerLogs/default/hello/main";
    const data = encodeKubeletRequest(1, { method: "GET", target, header: {} }, false);
    const message = encodeTunnelMessage({ connectId: 1, type: TunnelType.logs, data });
    cloud.on("upgrade", (request, socket) => acceptAndSay(request, socket, [text(message)]));
    await new Promise<void>((resolve) => cloud.listen(0, "127.0.0.1", resolve));
    const edge = new EdgeStream(
        {
            cloudUrl: `wss://127.0.0.1:${(cloud.address() as AddressInfo).port}`,
            kubelet: `unix:${join(folder, "kubelet.sock")}`,
            nodeAddress: "192.0.2.2",
        },
        { ...testPorts, identity: pki.edgeIdentity("edge-1") },
    );
    try {
        await edge.start();
        expect(await asked).toBe(target);
    } finally {
        await edge.stop();
        kubelet.close();
        cloud.close();
        rmSync(folder, { recursive: true, force: true });
    }
});
