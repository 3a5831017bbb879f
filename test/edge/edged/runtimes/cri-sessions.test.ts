// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openPort, openSession } from "../../../../src/edge/edged/runtimes/cri/cri-sessions.ts";
import { acceptAndSay, binary, closing } from "../../../support/link/eager-websocket.ts";

/** A message of the engine's streaming protocol: the channel, then the bytes. */
const on = (channel: number, body: string): Buffer =>
    binary(Buffer.concat([Buffer.from([channel]), Buffer.from(body)]));

let server: Server;
let said: readonly Buffer[];

beforeEach(async () => {
    server = createServer();
    server.on("upgrade", (request, socket) => {
        acceptAndSay(request, socket, said);
        // The client's own closing frame.
        socket.once("data", () => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => {
    server.closeAllConnections();
    server.close();
});

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/exec/token`;

it("has all of a command that was over before its start was told", async () => {
    const status = {
        status: "Failure",
        details: { causes: [{ reason: "ExitCode", message: "3" }] },
    };
    said = [on(1, "out\n"), on(2, "err\n"), on(3, JSON.stringify(status)), closing(1000)];
    const session = await openSession(url(), { stdin: false, tty: false });
    const { stdout, stderr } = session;
    if (stderr === undefined) throw new Error("no stderr without a terminal");
    expect(await Promise.all([session.exit, text(stdout), text(stderr)])).toEqual([3, "out\n", "err\n"]);
});

it("has what a port said at once", async () => {
    // Each channel begins with the port's number.
    said = [on(0, "\x50\x00"), on(1, "\x50\x00"), on(0, "220 ready\r\n"), closing(1000)];
    const stream = await openPort(url(), 80);
    expect((await buffer(stream)).toString()).toBe("220 ready\r\n");
});
