// SPDX-License-Identifier: Apache-2.0
import { finished } from "node:stream";
import { type Clock, sleep } from "../../../../core/clock.ts";
import { errorText } from "../../../../core/errors/redge-error.ts";
import type { ExecSession } from "../../runtimes/runtime.ts";
import { type Channels, exited, failed } from "./channels.ts";

/** Output that a child left open behind the command is waited for so long. */
const DRAIN_MS = 2_000;

/** Connects a client with a command until the command ends or the client goes. */
export async function runSession(channels: Channels, start: () => Promise<ExecSession>, clock: Clock): Promise<void> {
    let session: ExecSession;
    try {
        session = await start();
    } catch (error) {
        channels.finish(failed(errorText(error)));
        return;
    }
    channels.onClosed(() => session.close());
    if (channels.stdin !== undefined && session.stdin !== undefined) channels.stdin.pipe(session.stdin);
    for (const stream of [session.stdin, session.stdout, session.stderr]) stream?.on("error", () => {}); // exit tells.
    if (channels.stdout !== undefined) session.stdout.pipe(channels.stdout, { end: false });
    else session.stdout.resume();
    if (channels.stderr !== undefined) session.stderr?.pipe(channels.stderr, { end: false });
    else session.stderr?.resume();
    followSize(channels, session);
    try {
        const code = await session.exit;
        const outputs = [session.stdout, session.stderr].filter((stream) => stream !== undefined).map(ended);
        await Promise.race([Promise.all(outputs), sleep(clock, DRAIN_MS)]);
        channels.finish(exited(code));
    } catch (error) {
        channels.finish(failed(errorText(error)));
    }
}

/** The client's terminal changes its size: one JSON object after the other, cut anywhere. */
function followSize({ resize }: Channels, session: ExecSession): void {
    let text = "";
    resize?.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
        for (let end = text.indexOf("}"); end !== -1; end = text.indexOf("}")) {
            const size = parseSize(text.slice(0, end + 1));
            text = text.slice(end + 1);
            // A terminal that has just gone cannot be resized: nobody sees it any more.
            if (size !== undefined) session.resize(size.width, size.height).catch(() => undefined);
        }
        if (text.length > 1_000) text = "";
    });
}

function parseSize(text: string): { readonly width: number; readonly height: number } | undefined {
    try {
        const { Width: width, Height: height } = JSON.parse(text) as Record<string, unknown>;
        return typeof width === "number" && typeof height === "number" ? { width, height } : undefined;
    } catch {
        return undefined; // The next one counts.
    }
}

function ended(stream: NodeJS.ReadableStream): Promise<void> {
    return new Promise((resolve) => {
        finished(stream, { writable: false }, () => resolve());
    });
}
