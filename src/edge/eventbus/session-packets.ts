// SPDX-License-Identifier: Apache-2.0

/** A message on its way to a client, as aedes has it. */
export interface QueuedPacket {
    readonly cmd: "publish" | "pubrel";
    readonly brokerId?: string;
    readonly brokerCounter?: number;
    readonly topic?: string;
    readonly payload?: string | Buffer;
    readonly qos?: 0 | 1 | 2;
    readonly retain?: boolean;
    messageId?: number | undefined;
}

/** The same in the store; the payload is base64. */
export type KeptPacket = Omit<QueuedPacket, "payload"> & { readonly payload: string };

/** A message gets a new identifier with each connection; the client knows one that waits for its release by the one it had. */
export function keptOf(packet: QueuedPacket): KeptPacket {
    const { cmd, brokerId, brokerCounter, topic, payload = "", qos, retain, messageId } = packet;
    const kept = { cmd, brokerId, brokerCounter, topic, qos, retain, payload: Buffer.from(payload).toString("base64") };
    return (cmd === "pubrel" ? { ...kept, messageId } : kept) as KeptPacket;
}

export function packetOf({ payload, ...kept }: KeptPacket): QueuedPacket {
    return { ...kept, payload: Buffer.from(payload, "base64") };
}
