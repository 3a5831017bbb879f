// SPDX-License-Identifier: Apache-2.0

/**
 * Has the MQTT library make the two bytes of a packet id or a length when it writes them. Left alone it makes a Buffer for each
 * of the 65,536 numbers before the first packet and keeps them, 8 MiB, in return for which nothing measurable is faster (see its
 * README, "cacheNumbers"; bench/devices mqtt).
 */
export async function forgetPacketNumbers(): Promise<void> {
    const { default: packets } = await import("mqtt-packet");
    packets.writeToStream.cacheNumbers = false;
}
