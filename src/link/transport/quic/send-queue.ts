// SPDX-License-Identifier: Apache-2.0

type Written = (error?: Error) => void;

/** Frames of one stream that the connection has not taken yet, in order. */
export class SendQueue {
    #waiting: { readonly frame: Buffer; readonly written: Written | undefined }[] = [];
    /** Frames before this one are gone; the array is cut now and then. */
    #first = 0;
    /** Bytes of the first frame that were taken. */
    #taken = 0;
    #bytes = 0;

    get bytes(): number {
        return this.#bytes;
    }

    add(frame: Buffer, written?: Written): void {
        this.#waiting.push({ frame, written });
        this.#bytes += frame.length;
    }

    /**
     * Hands frames over until `take` takes no more.
     * @param take answers how many bytes it took
     * @returns who waited for the frames that are now gone
     */
    drain(take: (bytes: Buffer) => number): Written[] {
        const done: Written[] = [];
        for (let next = this.#waiting[this.#first]; next !== undefined; next = this.#waiting[this.#first]) {
            const took = take(next.frame.subarray(this.#taken));
            this.#taken += took;
            this.#bytes -= took;
            if (this.#taken < next.frame.length) break;
            this.#first += 1;
            this.#taken = 0;
            if (next.written !== undefined) done.push(next.written);
        }
        if (this.#first > 1_024 || this.#first === this.#waiting.length) {
            this.#waiting = this.#waiting.slice(this.#first);
            this.#first = 0;
        }
        return done;
    }

    /** Nothing of what waits will go: tells everybody. */
    fail(error: Error): void {
        const lost = this.#waiting.slice(this.#first);
        this.#waiting = [];
        this.#first = 0;
        this.#taken = 0;
        this.#bytes = 0;
        for (const { written } of lost) written?.(error);
    }
}
