// SPDX-License-Identifier: Apache-2.0
import { PassThrough, Writable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import type { Channels, Outcome } from "../../../../src/edge/edged/kubelet/remotecommand/channels.ts";
import { runSession } from "../../../../src/edge/edged/kubelet/remotecommand/session.ts";

/** A client's connection that takes one piece when it is told to. */
class SlowClient extends Writable {
    readonly taken: string[] = [];
    #done: (() => void) | undefined;

    override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
        this.#done = () => {
            this.taken.push(chunk.toString());
            done();
        };
    }

    take(): void {
        const done = this.#done;
        this.#done = undefined;
        done?.();
    }
}

describe("the end of exec", () => {
    let clock: ManualClock;
    let client: SlowClient;
    let output: PassThrough;
    let outcome: Outcome | undefined;
    let leave: () => void;
    let isClosed: boolean;
    let session: Promise<void>;

    beforeEach(() => {
        clock = new ManualClock();
        client = new SlowClient();
        output = new PassThrough();
        outcome = undefined;
        isClosed = false;
        const channels: Channels = {
            stdin: undefined,
            resize: undefined,
            stdout: client,
            stderr: undefined,
            finish: (told) => {
                outcome = told;
            },
            onClosed: (listener) => {
                leave = listener;
            },
        };
        const command = {
            stdin: undefined,
            stdout: output,
            stderr: undefined,
            resize: async () => {},
            exit: Promise.resolve(0),
            close: () => {
                isClosed = true;
            },
        };
        session = runSession(channels, async () => command, clock);
    });

    it("is told when a slow client has taken all of the output, not before", async () => {
        for (const piece of ["a", "b", "c"]) output.write(piece);
        output.end();
        for (let piece = 0; piece < 3; piece += 1) {
            await clock.advance(500_000);
            expect(outcome).toBeUndefined();
            client.take();
        }
        await session;
        expect(client.taken.join("")).toBe("abc");
        expect(outcome).toMatchObject({ status: "Success" });
        expect(clock.pendingTimers).toBe(0);
    });

    it("is told as a failure to a client that takes nothing for ten minutes", async () => {
        output.end("a");
        await clock.advance(590_000);
        expect(outcome).toBeUndefined();
        await clock.advance(20_000);
        expect(outcome).toMatchObject({ status: "Failure", message: "the client does not take the command's output" });
    });

    it("does not wait for an output that a child left open and says nothing on", async () => {
        output.write("a");
        await clock.advance(1_000);
        client.take();
        await clock.advance(10_000);
        await session;
        expect(client.taken).toEqual(["a"]);
        expect(outcome).toMatchObject({ status: "Success" });
    });

    it("ends the command when the client goes meanwhile", async () => {
        output.write("a");
        await clock.advance(0);
        leave();
        expect(isClosed).toBe(true);
        client.destroy();
        await session;
    });
});
