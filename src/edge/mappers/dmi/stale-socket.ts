// SPDX-License-Identifier: Apache-2.0
import { rm } from "node:fs/promises";
import { connect } from "node:net";

/** A socket that a killed process has left is removed; one that somebody listens on is not ours to take. */
export async function removeStale(path: string): Promise<void> {
    const alive = await new Promise<boolean>((resolve) => {
        const socket = connect(path, () => {
            socket.destroy();
            resolve(true);
        });
        socket.on("error", () => resolve(false));
    });
    if (alive) throw new Error("another process listens there");
    await rm(path, { force: true });
}
