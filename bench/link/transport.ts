// SPDX-License-Identifier: Apache-2.0

/** What carries the load: `--quic` on the command line. */
export const load: { transport: "websocket" | "quic" } = { transport: "websocket" };
