// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { fetchCa, orderCertificate } from "../../../src/link/identity/bootstrap-client.ts";
import { readLines, recordingsPart } from "../../support/link/recording.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { describeWith } from "../../support/requires.ts";

interface HttpMessage {
    readonly line: string;
    /** By name in lower case. */
    readonly fields: Readonly<Record<string, string>>;
    readonly body: Buffer;
}

/** One HTTP/1.1 message; undefined while its end has not come. */
function parse(bytes: Buffer): HttpMessage | undefined {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const [line = "", ...rest] = bytes.subarray(0, end).toString("latin1").split("\r\n");
    const fields = Object.fromEntries(
        rest.map((text) => [text.slice(0, text.indexOf(":")).toLowerCase(), text.slice(text.indexOf(":") + 1).trim()]),
    );
    const body = bytes.subarray(end + 4);
    return body.length < Number(fields["content-length"] ?? 0) ? undefined : { line, fields, body };
}

/**
 * Recording 01 with the roles the other way round: the recorded CloudCore, byte for byte, and a Redge gateway that joins.
 * Meant differences: no Go user agent, nothing is asked for compressed, one connection a request.
 */
describeWith([recordingsPart], "a gateway asks the recorded CloudCore for its certificate", () => {
    test("recording 01: both requests as EdgeCore's, both answers understood", async () => {
        const exchanges = readLines("01") as readonly { event: string; raw?: string }[];
        const bytesOf = (event: string): Buffer[] =>
            exchanges.filter((line) => line.event === event).map(({ raw }) => Buffer.from(raw ?? "", "hex"));
        const requests = bytesOf("http-request").map((raw) => parse(raw));
        const responses = bytesOf("http-response");
        const pki = new TestPki();
        const { certPem: cert, keyPem: key } = pki.server();
        const asked: HttpMessage[] = [];
        const cloud = createServer({ cert, key }, (socket) => {
            let received: Buffer = Buffer.alloc(0);
            socket.on("error", () => {});
            socket.on("data", (part: Buffer) => {
                received = Buffer.concat([received, part]);
                const message = parse(received);
                if (message === undefined) return;
                asked.push(message);
                socket.end(responses[asked.length - 1] ?? Buffer.alloc(0));
            });
        });
        await new Promise<void>((resolve) => cloud.listen(0, "127.0.0.1", resolve));
        const url = `https://127.0.0.1:${(cloud.address() as AddressInfo).port}`;
        try {
            const caDer = parse(responses[0] ?? Buffer.alloc(0))?.body ?? Buffer.alloc(0);
            const caHash = createHash("sha256").update(caDer).digest("hex");
            expect(await fetchCa({ url }, caHash)).toEqual(caDer);
            const order = requests[1];
            const certificate = await orderCertificate(
                { url },
                {
                    nodeName: order?.fields["nodename"] ?? "",
                    csrDer: order?.body ?? Buffer.alloc(0),
                    // The recorded CA's key is nobody's any more: TLS here is the test's.
                    caPem: pki.caPem,
                    proof: { jwt: order?.fields["authorization"]?.replace("Bearer ", "") ?? "" },
                },
            );
            expect(certificate).toEqual(parse(responses[1] ?? Buffer.alloc(0))?.body);
        } finally {
            await new Promise((resolve) => cloud.close(resolve));
        }
        expect(asked.length).toBe(requests.length);
        for (const [at, ours] of asked.entries()) {
            const recorded = requests[at];
            expect(ours.line).toBe(recorded?.line);
            expect(ours.body).toEqual(recorded?.body);
            const { host: _, "user-agent": __, "accept-encoding": ___, ...meant } = recorded?.fields ?? {};
            expect(ours.fields).toMatchObject(meant);
            expect(Object.keys(ours.fields).sort()).toEqual(["connection", "host", ...Object.keys(meant)].sort());
        }
    });
});
