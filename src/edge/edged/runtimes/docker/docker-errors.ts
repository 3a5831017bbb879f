// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, RedgeError } from "../../../../core/errors/redge-error.ts";

/** What the engine answers with, as dockerode throws it. */
interface EngineError extends Error {
    readonly statusCode?: number;
    readonly code?: string;
    readonly json?: { readonly message?: string };
}

/**
 * Runs a call to the engine and says in Redge's terms what went wrong.
 * @throws REDGE_RUNTIME_UNAVAILABLE when the engine cannot be reached, REDGE_RUNTIME_FAILED when it said no
 */
export async function engineCall<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
        return await call();
    } catch (thrown) {
        if (isRedgeError(thrown)) throw thrown;
        const { statusCode, code, json } = thrown as EngineError;
        const reason = json?.message ?? errorText(thrown);
        if (statusCode === undefined && code !== undefined)
            throw new RedgeError("REDGE_RUNTIME_UNAVAILABLE", { reason }, thrown);
        throw new RedgeError("REDGE_RUNTIME_FAILED", { what, reason }, thrown);
    }
}

/** For `catch`: these answers count as undefined. */
export function isStatus(...codes: readonly number[]): (thrown: unknown) => undefined {
    return (thrown) => {
        const { statusCode } = thrown as EngineError;
        if (statusCode === undefined || !codes.includes(statusCode)) throw thrown;
        return undefined;
    };
}

/** A container that was made and does not start: REDGE_RUNTIME_START; what is not the engine's answer stays as it is. */
export function startRefused(container: string, thrown: unknown): unknown {
    const { statusCode, json } = thrown as EngineError;
    if (statusCode === undefined) return thrown;
    return new RedgeError("REDGE_RUNTIME_START", { container, reason: json?.message ?? errorText(thrown) }, thrown);
}
