// SPDX-License-Identifier: Apache-2.0
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

/** A network between one edge and a CloudHub's QUIC port, that can lose everything, or every so-manieth datagram. */
export class UdpRelay {
    readonly #edgeSide: Socket;
    readonly #cloudSide: Socket;
    readonly #target: number;
    #edge: RemoteInfo | undefined;
    #count = 0;
    /** Loses everything. */
    deaf = false;
    /** Loses each n-th datagram, either way; 0 for none. */
    loseEach = 0;

    /** Sees what the edge sends. */
    onFromEdge: (datagram: Buffer) => void = () => {};

    private constructor(edgeSide: Socket, cloudSide: Socket, target: number) {
        this.#edgeSide = edgeSide;
        this.#cloudSide = cloudSide;
        this.#target = target;
        edgeSide.on("message", (datagram, from) => {
            this.#edge = from;
            this.onFromEdge(datagram);
            if (this.#passes()) cloudSide.send(datagram, this.#target, "127.0.0.1", ignoreError);
        });
        cloudSide.on("message", (datagram) => {
            const edge = this.#edge;
            if (edge !== undefined && this.#passes()) edgeSide.send(datagram, edge.port, edge.address, ignoreError);
        });
    }

    static async start(target: number): Promise<UdpRelay> {
        const [edgeSide, cloudSide] = await Promise.all([bound(), bound()]);
        return new UdpRelay(edgeSide, cloudSide, target);
    }

    get port(): number {
        return this.#edgeSide.address().port;
    }

    stop(): void {
        this.#edgeSide.close();
        this.#cloudSide.close();
    }

    #passes(): boolean {
        this.#count += 1;
        return !this.deaf && (this.loseEach === 0 || this.#count % this.loseEach !== 0);
    }
}

/** A UDP socket on a free port of this machine. */
export async function bound(): Promise<Socket> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return socket;
}

function ignoreError(): void {}
