// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { Client } from "aedes" with { "resolution-mode": "import" };

interface Delivered {
    readonly qos: 0 | 1 | 2;
    /** Absent with a retained message that answers a subscription. */
    readonly brokerId?: string | null;
}

type Deliver = (packet: Delivered, done: () => void) => void;

/** What aedes calls for each message to a client; its types do not tell. */
interface Delivering {
    deliver0: Deliver;
    deliverQoS: Deliver;
}

/** What may wait in this process for a client that reads slowly, bytes. */
const MOST_WAITING = 4 * 1024 * 1024;

export interface Behind {
    /** A message of QoS 0 was left out. */
    readonly leftOut: (client: Client) => void;
    /** It was disconnected; what has QoS 1 or 2 waits in its session, if it has one. */
    readonly cutOff: (client: Client) => void;
}

/**
 * Lets no client hold up the others. aedes waits with the next messages to all until each client has room for this one, up to a minute when one stands
 * still. Here a message is handed to the client's connection and not waited for; a client that is too far behind
 * misses messages of QoS 0, and is cut off rather than miss one of QoS 1 or 2. Retained messages and those of a session
 * still come at the client's own pace.
 */
export function deliverWithoutWaiting(client: Client, socket: Duplex, { leftOut, cutOff }: Behind): void {
    const delivering = client as unknown as Delivering;
    const live = (deliver: Deliver, subscribed: 0 | 1): Deliver => {
        return (packet, done) => {
            if (!packet.brokerId) {
                deliver(packet, done);
                return;
            }
            setImmediate(done);
            if (socket.writableLength <= MOST_WAITING) deliver(packet, () => {});
            else if (packet.qos === 0 || subscribed === 0) leftOut(client);
            else if (!socket.destroyed) {
                socket.destroy();
                cutOff(client);
            }
        };
    };
    delivering.deliver0 = live(delivering.deliver0, 0);
    delivering.deliverQoS = live(delivering.deliverQoS, 1);
}
