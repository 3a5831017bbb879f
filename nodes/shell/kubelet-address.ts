// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The longest path that every system takes for a Unix socket, with room for its closing zero. */
const MAX_SOCKET_PATH = 100;

/** Where Edged answers as a kubelet and EdgeStream asks: both find the same address from the same data folder. */
export function kubeletAddress(dataDir: string): string {
    const path = join(dataDir, "kubelet.sock");
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return `unix:${path}`;
    const short = createHash("sha256").update(path).digest("hex").slice(0, 16);
    return `unix:${join(tmpdir(), `redge-kubelet-${short}.sock`)}`;
}
