// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { file } from "../requires.ts";
import { readFrame } from "./raw-websocket.ts";

/**
 * Sessions between an unmodified KubeEdge v1.23.1 CloudCore and EdgeCore. Where each is replayed, below test/:
 *
 * | recording                | as EdgeCore to the cloud                                       | as CloudCore to the gateway                      |
 * | ------------------------ | -------------------------------------------------------------- | ------------------------------------------------ |
 * | 01 certificates          | cloud/cloudhub/replay                                          | link/identity/recording                          |
 * | 02 to 06, 11 to 13       | cloud/cloudhub/replay, cloud/replay (controllers)              | edge/edgehub/replay, edge/metamanager/recordings |
 * | 07 to 10 devices         | cloud/cloudhub/replay, cloud/replay (controllers)              | edge/edgehub/replay, edge/devicetwin/recordings  |
 * | 14 logs and exec         | cloud/cloudstream/recording                                    | cloud/cloudstream/recording                      |
 * | 15 rules                 | cloud/cloudhub/replay, cloud/router/router                     | edge/edgehub/replay                              |
 * | 16 MetaServer            | cloud/cloudhub/replay, cloud/edgecontroller/applications       | edge/edgehub/replay                              |
 */
export const recordings = resolve(import.meta.dirname, "../../../../shared/fixtures/kubeedge-wire");
export const recordingsPart = file("the KubeEdge recordings", recordings);

export type Direction = "edge->cloud" | "cloud->edge";

/** A message as JSON.parse reads it; recorded ones may be anything. */
export interface WireMessage {
    readonly header: { readonly msg_id: string; readonly parent_msg_id?: string; readonly [field: string]: unknown };
    readonly route: { readonly [field: string]: string };
    readonly content: unknown;
}

export type Step =
    | { readonly event: "open" | "close"; readonly conn: number }
    | {
          readonly event: "http-request" | "http-response";
          readonly conn: number;
          readonly raw: Buffer;
          readonly text: string;
      }
    | {
          readonly event: "message";
          readonly seq: number;
          readonly conn: number;
          readonly dir: Direction;
          /** The frames as they were on the wire, masks and fragments included. */
          readonly raw: Buffer;
          readonly message: WireMessage;
      };

interface Line {
    readonly seq: number;
    readonly conn: number;
    readonly proto: string;
    readonly event: string;
    readonly dir: Direction;
    readonly raw?: string;
    readonly text?: string;
    readonly frames?: readonly { readonly raw: string }[];
}

/** The steps of one protocol in one recording, in order; `name` is the number it begins with. */
export function readRecording(name: string, proto = "wss"): readonly Step[] {
    return readLines(name)
        .filter((line) => line.proto === proto)
        .flatMap(stepOf);
}

export function readLines(name: string): readonly Line[] {
    const found = readdirSync(recordings).find((entry) => entry.startsWith(name));
    const lines = readFileSync(join(recordings, found ?? name), "utf8")
        .split("\n")
        .filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Line);
}

function stepOf({ seq, conn, event, dir, raw, text, frames }: Line): Step[] {
    if (event === "open" || event === "close") return [{ event, conn }];
    if (event === "http-request" || event === "http-response") {
        return [{ event, conn, raw: Buffer.from(raw ?? "", "hex"), text: text ?? "" }];
    }
    if (event !== "message") return [];
    const bytes = (frames ?? []).map((frame) => Buffer.from(frame.raw, "hex"));
    const payload = Buffer.concat(bytes.map((frame) => readFrame(frame)?.payload ?? Buffer.alloc(0)));
    const message = JSON.parse(payload.toString("utf8")) as WireMessage;
    return [{ event, seq, conn, dir, raw: Buffer.concat(bytes), message }];
}
