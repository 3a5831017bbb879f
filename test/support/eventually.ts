// SPDX-License-Identifier: Apache-2.0

/**
 * Tries `attempt` until it does not throw; its last error is the failure. For conditions of other processes that give
 * no event to wait on.
 */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = 90_000, everyMs = 100): Promise<T> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
        try {
            return await attempt();
        } catch (thrown) {
            if (performance.now() > endMs) throw thrown;
            await new Promise((resolve) => setTimeout(resolve, everyMs));
        }
    }
}
