// SPDX-License-Identifier: Apache-2.0
import { connect as tlsConnect } from "node:tls";
import { afterEach, expect, test } from "vitest";
import type { CloudHub, CloudHubOutput } from "../../../src/cloud/cloudhub/index.ts";
import { classifyUpward } from "../../../src/cloud/cloudhub/upward.ts";
import { encodeEnvelope, parseEnvelope } from "../../../src/envelope/codec.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { Kinds } from "../../../src/kube/types.ts";
import { makeCloudHub, SOON } from "../../support/link/ends.ts";
import { MemoryCluster } from "../../support/link/memory-cluster.ts";
import { Inbox, RawWebSocket } from "../../support/link/raw-websocket.ts";
import { readLines, readRecording, recordingsPart, type Step, type WireMessage } from "../../support/link/recording.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";

/**
 * The recorded EdgeCore, byte for byte, against CloudHub. What the controllers said in the recording is wired in by hand
 * with its recorded ids, so that every field of every message on the wire can be compared with the recorded one.
 */

const NODE = "edge-1";
const pki = new TestPki();
const edge = pki.node(NODE);

/** Where CloudHub does something else on purpose. */
const MEANT = {
    "13": "a Node that was deleted: CloudHub says so with close code 4003, CloudCore cuts the TCP connection",
} as const;

class RecordedEdge {
    readonly cluster = new MemoryCluster();
    readonly cloud: CloudHub;
    readonly upward = new Inbox<WireMessage>();
    readonly acked = new Map<string, string>();
    #socket: RawWebSocket | undefined;

    constructor() {
        this.cloud = makeCloudHub(pki, this.cluster);
        this.cloud.on("output", (output: CloudHubOutput, envelope) => {
            if (output === "nodes") return;
            expect(envelope.node).toBe(NODE);
            this.upward.put(JSON.parse(encodeEnvelope(envelope)) as WireMessage);
        });
    }

    get socket(): RawWebSocket {
        if (this.#socket === undefined) throw new Error("not connected");
        return this.#socket;
    }

    disconnect(): void {
        this.#socket?.destroy();
    }

    async connect(): Promise<void> {
        const { certPem: cert, keyPem: key, caPem: ca } = edge;
        const socket = tlsConnect({ host: "127.0.0.1", port: this.cloud.ports.websocket, cert, key, ca });
        await new Promise<void>((resolve, reject) => {
            socket.once("secureConnect", resolve);
            socket.once("error", reject);
        });
        this.#socket = new RawWebSocket(socket);
    }

    async shakeHands(request: Buffer, recorded: string): Promise<void> {
        this.socket.write(request);
        const head = await this.socket.heads.take("the answer to the upgrade");
        expect(headers(head)).toEqual(headers(recorded));
    }

    async fromEdge(raw: Buffer, message: WireMessage): Promise<void> {
        this.socket.write(raw);
        if (message.header.msg_id === "") return;
        const upward = classifyUpward(parseEnvelope(message));
        if (upward.to !== "output") return;
        const id = message.header.msg_id;
        expect(await this.upward.take(`message ${id} at an output`, ({ header }) => header.msg_id === id)).toEqual(
            message,
        );
    }

    async toEdge(message: WireMessage): Promise<void> {
        await this.cloud.receive({ ...parseEnvelope(message), node: NODE });
        const { msg_id: id } = message.header;
        const text = await this.socket.messages.take(`message ${id} on the wire`, (text) => text.includes(`"${id}"`));
        expect(JSON.parse(text)).toEqual(message);
    }
}

function headers(head: string): Record<string, string> {
    const [status = "", ...lines] = head.trim().split("\r\n");
    const fields = lines.map((line) => {
        const at = line.indexOf(":");
        return [
            line.slice(0, at).toLowerCase(),
            line
                .slice(at + 1)
                .trim()
                .toLowerCase(),
        ] as const;
    });
    return { ...Object.fromEntries(fields), status };
}

const handshake = (): { request: Buffer; response: string } => {
    const steps = readRecording("02");
    const request = steps.find((step) => step.event === "http-request");
    const response = steps.find((step) => step.event === "http-response");
    if (request?.event !== "http-request" || response?.event !== "http-response") throw new Error("no handshake in 02");
    return { request: request.raw, response: response.text };
};

let peer: RecordedEdge | undefined;

afterEach(async () => {
    peer?.disconnect();
    await peer?.cloud.stop();
    peer = undefined;
});

async function replay(name: string): Promise<RecordedEdge> {
    const recorded = new RecordedEdge();
    peer = recorded;
    await recorded.cloud.start();
    const steps = readRecording(name);
    let request: Buffer | undefined;
    if (steps[0]?.event === "message") {
        await recorded.connect();
        const { request, response } = handshake();
        await recorded.shakeHands(request, response);
    }
    for (const [at, step] of steps.entries()) {
        if (step.event === "open") await recorded.connect();
        else if (step.event === "http-request") request = step.raw;
        else if (step.event === "http-response") await recorded.shakeHands(request ?? Buffer.alloc(0), step.text);
        else if (step.event === "message" && step.dir === "edge->cloud")
            await recorded.fromEdge(step.raw, step.message);
        else if (step.event === "message") await recorded.toEdge(step.message);
        else if (steps.slice(at).some(({ event }) => event === "open")) recorded.socket.destroy();
    }
    return recorded;
}

/** What the recorded edge acknowledged last, by ObjectSync name. */
function acknowledged(steps: readonly Step[]): Map<string, string> {
    const pushes = new Map<string, { uid: string; version: string | undefined }>();
    const synced = new Map<string, string>();
    for (const step of steps) {
        if (step.event !== "message") continue;
        const { header, route, content } = step.message;
        const { metadata } = (content ?? {}) as { metadata?: { uid?: string } };
        if (step.dir === "cloud->edge" && header.parent_msg_id === undefined && route["group"] === "resource") {
            const version = route["operation"] === "delete" ? undefined : String(header["resourceversion"]);
            pushes.set(header.msg_id, { uid: metadata?.uid ?? "", version });
        }
        if (step.dir === "cloud->edge" || route["operation"] !== "response") continue;
        const push = pushes.get(header.parent_msg_id ?? "");
        if (push === undefined) continue;
        if (push.version === undefined) synced.delete(`${NODE}.${push.uid}`);
        else synced.set(`${NODE}.${push.uid}`, push.version);
    }
    return synced;
}

function inTheApi(cluster: MemoryCluster): Map<string, string> {
    const all = [...cluster.all(Kinds.objectSync), ...cluster.all(Kinds.clusterObjectSync)];
    return new Map(
        all.map((object) => {
            const { objectResourceVersion } = (object["status"] ?? {}) as { objectResourceVersion?: string };
            return [object.metadata.name, objectResourceVersion ?? ""];
        }),
    );
}

describeWith([recordingsPart], "the recorded EdgeCore joins CloudHub", () => {
    test.each(["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "15", "16"])(
        "recording %s: every message as recorded, acknowledgements in the API",
        async (name) => {
            const { cluster, socket, upward } = await replay(name);
            expect(upward.rest).toEqual([]);
            expect(socket.messages.rest).toEqual([]);
            await expect.poll(() => inTheApi(cluster), SOON).toEqual(acknowledged(readRecording(name)));
        },
    );

    test(`recording 13, except: ${MEANT["13"]}`, async () => {
        const { cloud, cluster, socket } = await replay("13");
        await cloud.receive(
            newEnvelope({
                node: NODE,
                route: {
                    source: "edgecontroller",
                    group: "resource",
                    operation: "delete",
                    resource: `null/node/${NODE}`,
                },
                content: null,
            }),
        );
        expect((await socket.closed).code).toBe(4003);
        expect(cloud.online).toEqual([]);
        await expect.poll(() => inTheApi(cluster).size, SOON).toBe(0);
    });

    test("recording 01: CA and certificate over HTTPS, bytes as recorded; date apart", async () => {
        const lines = readLines("01") as readonly unknown[] as readonly HttpLine[];
        const bodies = lines
            .filter(({ event }) => event === "http-response")
            .map(({ raw }) => splitHead(raw ?? "").body);
        const [caDer = Buffer.alloc(0), certificate = Buffer.alloc(0)] = bodies;
        const asked: { nodeName: string; csrDer: Buffer; proof: unknown }[] = [];
        const cloud = makeCloudHub(
            pki,
            new MemoryCluster(),
            {},
            {
                ...pki.cloudIdentity(),
                caDer,
                issue: async (request) => {
                    asked.push(request);
                    return certificate;
                },
            },
        );
        await cloud.start();
        try {
            for (const [at, line] of lines.entries()) {
                if (line.event !== "http-request") continue;
                const recorded = lines.slice(at).find(({ event }) => event === "http-response");
                const answer = await exchange(cloud.ports.https, Buffer.from(line.raw ?? "", "hex"));
                const ours = splitHead(answer.toString("hex"));
                const theirs = splitHead(recorded?.raw ?? "");
                expect(ours.body.equals(theirs.body)).toBe(true);
                expect(ours.status).toBe(theirs.status);
                expect(ours.length).toBe(theirs.length);
            }
        } finally {
            await cloud.stop();
        }
        const csr = splitHead(lines.find(({ path }) => path === "/edge.crt")?.raw ?? "").body;
        expect(asked).toEqual([
            { nodeName: NODE, csrDer: csr, proof: { token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) } },
        ]);
    });
});

interface HttpLine {
    readonly event: string;
    readonly path?: string;
    readonly raw?: string;
}

function splitHead(hex: string): { status: string; length: string | undefined; body: Buffer } {
    const bytes = Buffer.from(hex, "hex");
    const end = bytes.indexOf("\r\n\r\n");
    const head = bytes.subarray(0, end).toString("latin1");
    const length = /content-length: *(\d+)/i.exec(head)?.[1];
    return { status: head.split("\r\n")[0] ?? "", length, body: bytes.subarray(end + 4) };
}

async function exchange(port: number, request: Buffer): Promise<Buffer> {
    const socket = tlsConnect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    socket.write(request);
    let answer = Buffer.alloc(0);
    for await (const part of socket as AsyncIterable<Buffer>) {
        answer = Buffer.concat([answer, part]);
        const { length, body } = splitHead(answer.toString("hex"));
        if (length !== undefined && body.length >= Number(length)) break;
    }
    socket.destroy();
    return answer;
}
