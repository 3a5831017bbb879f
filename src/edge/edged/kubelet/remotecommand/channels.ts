// SPDX-License-Identifier: Apache-2.0
import type { Readable, Writable } from "node:stream";

/** What the client of exec or attach wants to be connected. */
export interface WantedStreams {
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
    readonly tty: boolean;
}

/** The client's end of one session, whatever protocol it speaks. */
export interface Channels {
    readonly stdin: Readable | undefined;
    readonly stdout: Writable | undefined;
    readonly stderr: Writable | undefined;
    /** JSON objects {Width, Height}, one behind the other. */
    readonly resize: Readable | undefined;
    /** Tells the outcome, ends what is open and closes. */
    finish(outcome: Outcome): void;
    /** Runs when the client has gone. */
    onClosed(listener: () => void): void;
}

/** metav1.Status as the error channel carries it. */
export interface Outcome {
    readonly metadata: Record<string, never>;
    readonly status: "Success" | "Failure";
    readonly message?: string;
    readonly reason?: string;
    readonly details?: { readonly causes: readonly { readonly reason: string; readonly message: string }[] };
}

export function exited(code: number): Outcome {
    if (code === 0) return { metadata: {}, status: "Success" };
    return {
        metadata: {},
        status: "Failure",
        message: `command terminated with non-zero exit code: exit status ${code}`,
        reason: "NonZeroExitCode",
        details: { causes: [{ reason: "ExitCode", message: String(code) }] },
    };
}

export function failed(message: string): Outcome {
    return { metadata: {}, status: "Failure", message, reason: "InternalError" };
}

/** The streams that a kubelet's (input, output, error) or the API's (stdin, stdout, stderr) query asks for. */
export function wantedStreams(query: URLSearchParams): WantedStreams {
    const isSet = (...names: string[]): boolean => names.some((name) => /^(1|true)$/.test(query.get(name) ?? ""));
    const tty = isSet("tty");
    return {
        stdin: isSet("input", "stdin"),
        stdout: isSet("output", "stdout"),
        // A terminal has one output.
        stderr: isSet("error", "stderr") && !tty,
        tty,
    };
}
