// SPDX-License-Identifier: Apache-2.0

/**
 * For the environment of a process that holds many TLS connections. Node.js gives each a read buffer of 64 KiB, of which an
 * idle one touches one page: with a mapping of its own the rest costs nothing, while in glibc's heap it lies on pages that
 * others have used (measured: bench/link, 2,500 idle edges, 63 instead of 69 KiB each). Without effect where the libc is another.
 */
export const MALLOC_FOR_MANY_CONNECTIONS: Readonly<Record<string, string>> = { MALLOC_MMAP_THRESHOLD_: "65536" };
