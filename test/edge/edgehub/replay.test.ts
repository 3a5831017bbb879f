// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EdgeHub } from "../../../src/edge/edgehub/index.ts";
import { encodeEnvelope, parseEnvelope } from "../../../src/envelope/codec.ts";
import { durableClass } from "../../../src/link/durable.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { makeEdgeHub } from "../../support/link/ends.ts";
import { Inbox, RawWebSocket } from "../../support/link/raw-websocket.ts";
import { readRecording, recordingsPart, type WireMessage } from "../../support/link/recording.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";

/**
 * The recorded CloudCore, byte for byte, against EdgeHub. What EdgeCore's components said in the recording is wired in by
 * hand with its recorded ids, so that every field of every message on the wire can be compared with the recorded one.
 * Meant differences:
 * - the upgrade request: Redge says what it is in `redge-session`, and sends no Go user agent;
 * - keepalives: EdgeHub beats by itself, the same message at other times;
 * - recording 12: EdgeCore sends two messages without id and route when it stops, EdgeHub has nothing to say then;
 * - acknowledgements of answers that carry a ConfigMap or Secret: a stock CloudCore waits for them, so EdgeHub sends them
 *   by itself with the same fields and an id of its own.
 */

const NODE = "edge-1";
const pki = new TestPki();

class RecordedCloud {
    readonly outputs = new Inbox<WireMessage>();
    readonly store = new MemoryStore();
    readonly connections = new Inbox<RawWebSocket>();
    readonly #server: Server;
    #edge: EdgeHub | undefined;
    #socket: RawWebSocket | undefined;
    keepalives: WireMessage[] = [];

    constructor() {
        const { certPem: cert, keyPem: key, caPem: ca } = pki.server();
        this.#server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true });
        this.#server.on("secureConnection", (socket: TLSSocket) => this.connections.put(new RawWebSocket(socket)));
    }

    get edge(): EdgeHub {
        if (this.#edge === undefined) throw new Error("not started");
        return this.#edge;
    }

    get socket(): RawWebSocket {
        if (this.#socket === undefined) throw new Error("not connected");
        return this.#socket;
    }

    async start(): Promise<void> {
        await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
        const { port } = this.#server.address() as AddressInfo;
        this.#edge = makeEdgeHub(pki.edgeIdentity(NODE), port, {}, this.store);
        this.#edge.on("output", (_output, envelope) => {
            if (envelope.route.resource !== "link")
                this.outputs.put(JSON.parse(encodeEnvelope(envelope)) as WireMessage);
        });
        await this.#edge.start();
    }

    async stop(): Promise<void> {
        this.#socket?.destroy();
        await this.#edge?.stop();
        await new Promise((resolve) => this.#server.close(resolve));
    }

    async accept(recordedRequest: string, recordedResponse: string): Promise<void> {
        const socket = await this.connections.take("a connection");
        this.#socket = socket;
        const request = await socket.heads.take("the upgrade request");
        compareRequests(request, recordedRequest);
        const key = /sec-websocket-key: *(\S+)/i.exec(request)?.[1] ?? "";
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
        socket.write(recordedResponse.replace(/(Sec-WebSocket-Accept: )\S+/i, `$1${accept}`));
        const first = await socket.messages.take("the first keepalive");
        expect(JSON.parse(first)).toEqual({
            header: { msg_id: expect.any(String), timestamp: expect.any(Number) },
            route: { source: "websocket", group: "resource", operation: "keepalive", resource: "node" },
            content: "ping",
        });
    }

    cut(): void {
        this.#socket?.destroy();
    }

    async toEdge(raw: Buffer, message: WireMessage): Promise<void> {
        this.socket.write(raw);
        const { msg_id: id } = message.header;
        expect(await this.outputs.take(`message ${id} at an output`, ({ header }) => header.msg_id === id)).toEqual(
            message,
        );
    }

    async fromEdge(message: WireMessage): Promise<void> {
        const { msg_id: id } = message.header;
        await this.edge.receive(parseEnvelope(message));
        const text = await this.socket.messages.take(`message ${id} on the wire`, (text) => text.includes(`"${id}"`));
        expect(JSON.parse(text)).toEqual(message);
    }

    /** An acknowledgement that EdgeHub sends by itself. */
    async ownAcknowledgement({ header, route, content }: WireMessage): Promise<void> {
        const parent = header.parent_msg_id ?? "";
        const text = await this.socket.messages.take("an acknowledgement", (text) => text.includes(`"${parent}"`));
        expect(JSON.parse(text)).toEqual({
            header: { msg_id: expect.any(String), parent_msg_id: parent, timestamp: expect.any(Number) },
            route,
            content,
        });
    }
}

/** Request line, identity and upgrade as recorded. */
function compareRequests(ours: string, recorded: string): void {
    expect(ours.split("\r\n")[0]).toBe(recorded.split("\r\n")[0]);
    for (const name of ["node_id", "project_id", "connectionuse", "upgrade", "sec-websocket-version"]) {
        const field = new RegExp(`^${name}: *(.*)$`, "im");
        expect(field.exec(ours)?.[1]?.trim()).toBe(field.exec(recorded)?.[1]?.trim());
    }
    for (const name of ["origin", "sec-websocket-extensions", "sec-websocket-protocol", "cookie"]) {
        expect(ours.toLowerCase()).not.toContain(`\r\n${name}:`);
    }
}

/** Answers of the cloud whose acknowledgement it waits for. */
function isOwnAcknowledgement(message: WireMessage, answered: ReadonlyMap<string, WireMessage>): boolean {
    const answer = answered.get(message.header.parent_msg_id ?? "");
    return answer !== undefined && /\/(configmap|secret)\//.test(answer.route["resource"] ?? "");
}

let cloud: RecordedCloud;

beforeEach(async () => {
    cloud = new RecordedCloud();
    await cloud.start();
});

afterEach(async () => {
    await cloud.stop();
});

const handshake = (): { request: string; response: string } => {
    const steps = readRecording("02");
    const request = steps.find((step) => step.event === "http-request");
    const response = steps.find((step) => step.event === "http-response");
    if (request?.event !== "http-request" || response?.event !== "http-response") throw new Error("no handshake in 02");
    return { request: request.text, response: response.text };
};

async function replay(name: string): Promise<void> {
    const steps = readRecording(name);
    const answers = new Map<string, WireMessage>();
    let request = "";
    if (steps[0]?.event === "message") {
        const { request, response } = handshake();
        await cloud.accept(request, response);
    }
    for (const [at, step] of steps.entries()) {
        if (step.event === "http-request") request = step.text;
        else if (step.event === "http-response") await cloud.accept(request, step.text);
        else if (step.event === "close" && steps.slice(at).some(({ event }) => event === "open")) cloud.cut();
        if (step.event !== "message") continue;
        const { message } = step;
        if (step.dir === "cloud->edge") {
            if (message.header.parent_msg_id !== undefined) answers.set(message.header.msg_id, message);
            await cloud.toEdge(step.raw, message);
        } else if (isOwnAcknowledgement(message, answers)) {
            await cloud.ownAcknowledgement(message);
        } else if (message.header.msg_id !== "" && message.route["operation"] !== "keepalive") {
            await cloud.fromEdge(message);
        }
    }
}

describeWith([recordingsPart], "EdgeHub joins the recorded CloudCore", () => {
    test.each(["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "15", "16"])(
        "recording %s: every message as recorded",
        async (name) => {
            await replay(name);
            expect(cloud.outputs.rest).toEqual([]);
            expect(cloud.socket.messages.rest).toEqual([]);
        },
    );

    test("whatever was durable has left the outbox by KubeEdge's own rules", async () => {
        await replay("08");
        const durable = readRecording("08").filter(
            (step) =>
                step.event === "message" && step.dir === "edge->cloud" && durableClass(parseEnvelope(step.message)),
        );
        expect(durable.length).toBeGreaterThan(4);
        await expect.poll(async () => (await cloud.store.scan("item/")).length).toBe(0);
    });
});
