// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../../core/clock.ts";
import type { Channels, Outcome, WantedStreams } from "./channels.ts";
import type { SpdyConnection } from "./spdy-connection.ts";
import type { SpdyStream } from "./spdy-stream.ts";

/** As a kubelet: the client opens its streams within this time. */
const STREAMS_MS = 30_000;

/** How long a client that has been told everything may take to close the connection. */
const LEAVE_MS = 60_000;

/** Versions of the remote command protocol over SPDY, best first. From v4 on the outcome is a Status. */
export const SPDY_PROTOCOLS = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/** Waits until the client has opened the streams it asked for. Rejects when it does not. */
export function spdyChannels(
    connection: SpdyConnection,
    wanted: WantedStreams,
    protocol: string,
    clock: Clock,
): Promise<Channels> {
    const expected = ["error", "stdin", "stdout", "stderr"].filter(
        (name) => name === "error" || wanted[name as keyof WantedStreams],
    );
    // v1 and v2 have no resize stream.
    if (wanted.tty && /^v[34]\./.test(protocol)) expected.push("resize");
    return new Promise((resolve, reject) => {
        const streams = new Map<string, SpdyStream>();
        const timer = clock.after(STREAMS_MS, () => reject(new Error("the client did not open its streams")));
        connection.on("closed", () => {
            timer.cancel();
            reject(new Error("the client has gone"));
        });
        connection.on("stream", (stream) => {
            const type = stream.headers["streamtype"] ?? "";
            if (!expected.includes(type) || streams.has(type)) {
                stream.destroy();
                return;
            }
            streams.set(type, stream);
            if (streams.size < expected.length) return;
            timer.cancel();
            resolve({
                stdin: streams.get("stdin"),
                stdout: streams.get("stdout"),
                stderr: streams.get("stderr"),
                resize: streams.get("resize"),
                onClosed: (listener) => void connection.on("closed", listener),
                finish: (outcome) => {
                    for (const name of ["stdout", "stderr"]) streams.get(name)?.end();
                    streams.get("error")?.end(textOf(outcome, protocol));
                    // The client leaves when it has read all of them. On a goodbye or the connection's end an API
                    // server throws away what it has taken in and not read yet.
                    const closing = clock.after(LEAVE_MS, () => connection.close());
                    connection.on("closed", () => closing.cancel());
                },
            });
        });
    });
}

/** Before v4 an empty error stream is success, anything else is read to people. */
function textOf(outcome: Outcome, protocol: string): string {
    if (protocol === "v4.channel.k8s.io") return JSON.stringify(outcome);
    return outcome.status === "Success" ? "" : (outcome.message ?? "failed");
}
