// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { asRecord, type JsonRecord } from "../../../src/core/json.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { file } from "../../support/requires.ts";

const folder = resolve(import.meta.dirname, "../../../../shared/fixtures/kubeedge-wire");

/** The recorded sessions of stock KubeEdge; tests that replay them are skipped by name where they are missing. */
export const recordings = file("KubeEdge wire recordings", folder);

export interface Recorded {
    readonly up: boolean;
    readonly envelope: Envelope;
}

/** The messages of one recording, in order, with contents as they were on the wire. */
export function recording(name: string): readonly Recorded[] {
    const path = join(folder, `${name}.jsonl`);
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => asRecord(JSON.parse(line)))
        .filter((line) => line["event"] === "message" && line["proto"] === "wss")
        .map((line) => ({ up: line["dir"] === "edge->cloud", envelope: envelopeOf(asRecord(line["msg"])) }));
}

function envelopeOf(message: JsonRecord): Envelope {
    const content = message["content"];
    return {
        header: message["header"] as Envelope["header"],
        route: message["route"] as Envelope["route"],
        content: content === null ? null : asRecord(content)["value"],
    };
}
