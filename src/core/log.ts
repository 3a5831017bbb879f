// SPDX-License-Identifier: Apache-2.0

export type LogLevel = "error" | "warn" | "info" | "debug";

/** What a line says beside its text. Keys that look like secrets are blanked before anything is written. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured, quiet by default: `info` is for what an operator should see once, `debug` for the rest. */
export interface Logger {
    error(text: string, fields?: LogFields): void;
    warn(text: string, fields?: LogFields): void;
    info(text: string, fields?: LogFields): void;
    debug(text: string, fields?: LogFields): void;
    /** The same logger with fields that every line carries. */
    child(fields: LogFields): Logger;
}

export type LogSink = (level: LogLevel, text: string, fields: LogFields) => void;

const SECRET_KEY = /token|password|passwd|secret|authorization|private|credential|^key$|keyData/i;
const BEARER = /(bearer\s+)[\w.~+/=-]+/gi;
const PEM_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;

/** Blanks values whose key names a secret, bearer tokens, and private keys in text. */
export function redact(value: unknown, depth = 0): unknown {
    if (typeof value === "string") return value.replace(BEARER, "$1[hidden]").replace(PEM_KEY, "[hidden key]");
    if (value instanceof Error) return redact(value.message);
    if (value === null || typeof value !== "object" || depth > 4) return value;
    if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
    return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [
            key,
            SECRET_KEY.test(key) ? "[hidden]" : redact(inner, depth + 1),
        ]),
    );
}

/** A logger over any sink. */
export function createLogger(sink: LogSink, base: LogFields = {}): Logger {
    const write =
        (level: LogLevel) =>
        (text: string, fields: LogFields = {}): void =>
            sink(level, redact(text) as string, redact({ ...base, ...fields }) as LogFields);
    return {
        error: write("error"),
        warn: write("warn"),
        info: write("info"),
        debug: write("debug"),
        child: (fields) => createLogger(sink, { ...base, ...fields }),
    };
}

/** Says nothing. For tests and for callers that gave none. */
export const silentLogger: Logger = createLogger(() => {});
