// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { asRecord, type JsonRecord } from "../../../src/core/json.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { file } from "../../support/requires.ts";

const folder = resolve(import.meta.dirname, "../../../../shared/fixtures/kubeedge-wire");

/** The recorded sessions of stock KubeEdge; tests that replay them are skipped by name where they are missing. */
export const recordings = file("KubeEdge wire recordings", folder);

export type Recorded =
    | { readonly kind: "open" }
    | { readonly kind: "close" }
    | { readonly kind: "up" | "down"; readonly sequence: string; readonly envelope: Envelope };

/** One recording, in order, with contents as they were on the wire. */
export function recording(name: string): readonly Recorded[] {
    const path = join(folder, `${name}.jsonl`);
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => asRecord(JSON.parse(line)))
        .flatMap((line): Recorded[] => {
            if (line["proto"] !== "wss") return [];
            if (line["event"] === "open") return [{ kind: "open" }];
            if (line["event"] === "close") return [{ kind: "close" }];
            if (line["event"] !== "message") return [];
            const kind = line["dir"] === "edge->cloud" ? "up" : "down";
            return [{ kind, sequence: `${name} #${line["seq"]}`, envelope: envelopeOf(asRecord(line["msg"])) }];
        });
}

function envelopeOf(message: JsonRecord): Envelope {
    const content = message["content"];
    return {
        header: message["header"] as Envelope["header"],
        // A stock EdgeCore says goodbye with two messages of an empty route.
        route: { operation: "", resource: "", ...asRecord(message["route"]) },
        content: content === null ? null : asRecord(content)["value"],
    };
}
