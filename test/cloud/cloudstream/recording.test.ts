// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer as createHttpsServer, request } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { EdgeStream } from "../../../src/edge/edgestream/index.ts";
import {
    decodeTunnelMessage,
    encodeTunnelMessage,
    type TunnelMessage,
    TunnelType,
} from "../../../src/link/tunnel/message.ts";
import { testPorts } from "../../support/link/ends.ts";
import { readFrame } from "../../support/link/raw-websocket.ts";
import { readLines, recordingsPart } from "../../support/link/recording.ts";
import { describeWith } from "../../support/requires.ts";
import { Streams } from "./harness.ts";

interface Conversation {
    readonly connect: TunnelMessage;
    /** Everything that one side sent, joined: how it was cut into messages is nobody's business. */
    readonly toEdge: Buffer;
    readonly toCloud: Buffer;
    readonly removedBy: string;
}

/** The connections of the recorded tunnels, in order of their ids. */
function conversations(): Conversation[] {
    const byId = new Map<number, { connect: TunnelMessage; toEdge: Buffer[]; toCloud: Buffer[]; removedBy: string }>();
    for (const { proto, event, dir, frames } of readLines("14")) {
        if (proto !== "wss-tunnel" || event !== "message") continue;
        const payload = (frames ?? []).map(({ raw }) => readFrame(Buffer.from(raw, "hex"))?.payload ?? Buffer.alloc(0));
        const message = decodeTunnelMessage(Buffer.concat(payload));
        if (message === undefined) throw new Error("a recorded message is none");
        const { connectId, type, data } = message;
        const found = byId.get(connectId);
        if (found === undefined) byId.set(connectId, { connect: message, toEdge: [], toCloud: [], removedBy: "" });
        else if (type === TunnelType.data) (dir === "edge->cloud" ? found.toCloud : found.toEdge).push(data);
        else if (type === TunnelType.remove) found.removedBy ||= dir;
    }
    return [...byId.values()].map(({ connect, toEdge, toCloud, removedBy }) => ({
        connect,
        toEdge: Buffer.concat(toEdge),
        toCloud: Buffer.concat(toCloud),
        removedBy,
    }));
}

/** Header lines of a recorded connect message, as the API server sent them. */
function headersOf(connect: TunnelMessage): Record<string, string | string[]> {
    const { header } = JSON.parse(connect.data.toString("utf8")) as { header: Record<string, string[]> };
    return Object.fromEntries(
        Object.entries(header).map(([name, [first = "", ...more]]) => [
            name,
            more.length > 0 ? [first, ...more] : first,
        ]),
    );
}

function targetOf(connect: TunnelMessage): string {
    const { url } = JSON.parse(connect.data.toString("utf8")) as { url: { Path: string; RawQuery: string } };
    return url.RawQuery === "" ? url.Path : `${url.Path}?${url.RawQuery}`;
}

describeWith([recordingsPart], "recorded logs and exec (KubeEdge v1.23.1)", () => {
    let streams: Streams;
    beforeEach(async () => {
        streams = new Streams();
        await streams.start();
    });
    afterEach(() => streams.stop());

    test("there is something to replay", () => {
        const types = conversations().map(({ connect }) => connect.type);
        expect(types).toContain(TunnelType.logs);
        expect(types).toContain(TunnelType.exec);
    });

    test("CloudStream to the stock edge: each connect message byte for byte, each answer as it was", async () => {
        const { certPem, keyPem, caPem } = streams.pki.node("edge-1");
        const edge = new WebSocket(`${streams.tunnelUrl}/v1/kubeedge/connect`, {
            cert: certPem,
            key: keyPem,
            ca: caPem,
            skipUTF8Validation: true,
            headers: {
                "User-Agent": "Go-http-client/1.1",
                SessionHostNameOverride: "edge-1",
                SessionInternalIP: "192.0.2.2",
            },
        });
        const inbox: TunnelMessage[] = [];
        edge.on("message", (raw: Buffer, isBinary) => {
            expect(isBinary).toBe(false);
            const message = decodeTunnelMessage(raw);
            if (message !== undefined) inbox.push(message);
        });
        await once(edge, "open");
        const say = (connectId: number, type: number, data: Buffer = Buffer.alloc(0)): void =>
            edge.send(encodeTunnelMessage({ connectId, type, data }), { binary: false });

        for (const { connect, toEdge, toCloud, removedBy } of conversations()) {
            const { connectId, type } = connect;
            const isExec = type === TunnelType.exec;
            const method = isExec ? "POST" : "GET";
            const sent = request(streams.options(targetOf(connect), { method, headers: headersOf(connect) }));
            const answered = once(sent, isExec ? "upgrade" : "response");
            sent.end();
            const got = (): TunnelMessage | undefined => inbox.find((message) => message.connectId === connectId);
            await expect.poll(() => got()?.data.toString()).toBe(connect.data.toString());
            expect(got()).toEqual(connect);
            const received: Buffer[] = [];
            if (isExec) {
                const head = toCloud.indexOf("\r\n\r\n") + 4;
                say(connectId, TunnelType.data, toCloud.subarray(0, head));
                const [answer, socket] = (await answered) as [{ statusCode: number }, Socket];
                expect(answer.statusCode).toBe(101);
                socket.on("data", (chunk: Buffer) => received.push(chunk));
                socket.write(toEdge);
                const heard = () =>
                    Buffer.concat(
                        inbox.filter((m) => m.connectId === connectId && m.type === TunnelType.data).map((m) => m.data),
                    );
                await expect.poll(() => heard().equals(toEdge)).toBe(true);
                say(connectId, TunnelType.data, toCloud.subarray(head));
                await expect.poll(() => Buffer.concat(received).equals(toCloud.subarray(head))).toBe(true);
                if (removedBy === "edge->cloud") say(connectId, TunnelType.remove);
                else socket.end();
                await expect.poll(() => socket.destroyed).toBe(true);
                continue;
            }
            const [answer] = await answered;
            expect(answer.statusCode).toBe(200);
            answer.on("data", (chunk: Buffer) => received.push(chunk));
            if (toCloud.length > 0) say(connectId, TunnelType.data, toCloud);
            say(connectId, TunnelType.remove);
            await expect.poll(() => answer.complete && Buffer.concat(received).equals(toCloud)).toBe(true);
        }
        // Nothing that a stock edge does not know: it panics on types above 6.
        expect(inbox.filter(({ type }) => type > TunnelType.attach)).toEqual([]);
        edge.close();
    });

    test("EdgeStream to the stock cloud: the kubelet gets each request, the cloud each answer as it was", async () => {
        await new Promise<void>((resolve) => streams.kubelet.close(() => resolve()));
        const kubelet = createServer();
        await new Promise<void>((resolve) => kubelet.listen(streams.kubeletPath, resolve));
        const { certPem, keyPem, caPem } = streams.pki.server();
        const https = createHttpsServer({ cert: certPem, key: keyPem, ca: caPem, requestCert: true });
        const cloud = new WebSocketServer({ server: https, skipUTF8Validation: true });
        await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
        const edge = new EdgeStream(
            {
                cloudUrl: `wss://127.0.0.1:${(https.address() as AddressInfo).port}`,
                kubelet: `unix:${streams.kubeletPath}`,
                nodeAddress: "192.0.2.2",
            },
            { ...testPorts, identity: streams.pki.edgeIdentity("edge-1") },
        );
        await edge.start();
        const [socket, upgrade] = await once(cloud, "connection");
        expect(upgrade.url).toBe("/v1/kubeedge/connect");
        expect(upgrade.headers).toMatchObject({ sessionhostnameoverride: "edge-1", sessioninternalip: "192.0.2.2" });
        const inbox: TunnelMessage[] = [];
        socket.on("message", (raw: Buffer, isBinary: boolean) => {
            expect(isBinary).toBe(false); // Stock CloudCore closes the tunnel on binary messages.
            const message = decodeTunnelMessage(raw);
            if (message !== undefined) inbox.push(message);
        });
        const say = (message: TunnelMessage): void => socket.send(encodeTunnelMessage(message), { binary: false });

        for (const { connect, toEdge, toCloud, removedBy } of conversations()) {
            const { connectId, type } = connect;
            const isExec = type === TunnelType.exec;
            const accepted = once(kubelet, "connection");
            say(connect);
            const [kubeletSocket] = (await accepted) as [Socket];
            let asked: Buffer = Buffer.alloc(0);
            kubeletSocket.on("data", (chunk: Buffer) => {
                asked = Buffer.concat([asked, chunk]);
            });
            await expect.poll(() => asked.includes("\r\n\r\n")).toBe(true);
            const head = asked.subarray(0, asked.indexOf("\r\n\r\n") + 4);
            const [requestLine, ...fields] = head.toString("latin1").trim().split("\r\n");
            expect(requestLine).toBe(`${isExec ? "POST" : "GET"} ${targetOf(connect)} HTTP/1.1`);
            const heard = () =>
                Buffer.concat(
                    inbox.filter((m) => m.connectId === connectId && m.type === TunnelType.data).map((m) => m.data),
                );
            if (isExec) {
                for (const [name, value] of Object.entries(headersOf(connect)))
                    for (const one of [value].flat()) expect(fields).toContain(`${name}: ${one}`);
                say({ connectId, type: TunnelType.data, data: toEdge });
                await expect.poll(() => asked.subarray(head.length).equals(toEdge)).toBe(true);
                kubeletSocket.write(toCloud);
            } else {
                kubeletSocket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${toCloud.length}\r\n\r\n${toCloud.toString()}`);
            }
            await expect.poll(() => heard().equals(toCloud)).toBe(true);
            if (isExec && removedBy === "cloud->edge")
                say({ connectId, type: TunnelType.remove, data: Buffer.alloc(0) });
            else kubeletSocket.end();
            await expect.poll(() => kubeletSocket.destroyed).toBe(true);
            if (removedBy !== "cloud->edge")
                await expect
                    .poll(() => inbox.some((m) => m.connectId === connectId && m.type === TunnelType.remove))
                    .toBe(true);
        }
        expect(inbox.filter(({ type }) => type !== TunnelType.data && type !== TunnelType.remove)).toEqual([]);
        await edge.stop();
        kubelet.close();
        https.close();
    });
});
