// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../../core/clock.ts";
import { errorText } from "../../../../core/errors/redge-error.ts";
import type { ExecSession } from "../../runtimes/runtime.ts";
import { type Channels, exited, failed } from "./channels.ts";
import { Outputs } from "./outputs.ts";

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
    session.stdin?.on("error", () => {}); // The command's exit tells.
    if (channels.stdin !== undefined && session.stdin !== undefined) channels.stdin.pipe(session.stdin);
    const outputs = new Outputs(clock);
    outputs.add(session.stdout, channels.stdout);
    outputs.add(session.stderr, channels.stderr);
    followSize(channels, session);
    try {
        const code = await session.exit;
        // The client ends the session when it hears the outcome: not before it has all of the output.
        const end = await outputs.settled();
        channels.finish(end === "stuck" ? failed("the client does not take the command's output") : exited(code));
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
