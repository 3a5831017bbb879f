// SPDX-License-Identifier: Apache-2.0

/**
 * For the command line of a process that holds many connections: what each needs lives long, and a young generation of 16 MiB, which
 * Node.js lets it grow to, is only copied through (measured: bench/link, 5,000 idle edges, 64 instead of 71 KiB each).
 */
export const CLOUD_NODE_FLAGS: readonly string[] = ["--max-semi-space-size=4"];

/**
 * For the environment of a process that holds many TLS connections. Node.js gives each a read buffer of 64 KiB, of which an
 * idle one touches one page: with a mapping of its own the rest costs nothing, while in glibc's heap it lies on pages that
 * others have used (measured: bench/link, 2,500 idle edges, 6 KiB each). Without effect where the libc is another.
 */
export const MALLOC_FOR_MANY_CONNECTIONS: Readonly<Record<string, string>> = { MALLOC_MMAP_THRESHOLD_: "65536" };

/**
 * The environment in which this process has to start again to get that, undefined when there is nothing to gain: it is set,
 * by whoever, or this is no Linux.
 */
export function environmentForManyConnections(
    env: NodeJS.ProcessEnv,
    platform: NodeJS.Platform,
): NodeJS.ProcessEnv | undefined {
    if (platform !== "linux" || Object.keys(MALLOC_FOR_MANY_CONNECTIONS).some((name) => env[name] !== undefined)) {
        return undefined;
    }
    return { ...env, ...MALLOC_FOR_MANY_CONNECTIONS };
}

/** glibc reads it once, at the start: puts the same command in this process's place, with the same process id. */
export function startForManyConnections(): void {
    const env = environmentForManyConnections(process.env, process.platform);
    // Node.js before 22.15 cannot; somebody who started this one with a channel would lose it.
    if (env === undefined || process.execve === undefined || process.send !== undefined) return;
    process.execve(
        process.execPath,
        [process.execPath, ...CLOUD_NODE_FLAGS, ...process.execArgv, ...process.argv.slice(1)],
        env,
    );
}
